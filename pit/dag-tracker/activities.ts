// What is under way in a run and can be told to stop: steps, waits, questions; each belongs to a frame. Leaves out what
// is done when one ends.
import type { Clock } from "../../runtime/mod.ts";
import type { Frame } from "./frame.ts";
import type { StepTask } from "./tracker.ts";

interface Activity {
  frame: Frame;
  abort: () => void;
}

export interface Activities {
  /** Stops all that belong to frames that are over; all there are, without a frame. */
  stop(frame?: Frame): void;
  /** Resolves after `ms` milliseconds, or when it is stopped. */
  wait(frame: Frame, ms: number): Promise<void>;
  /** A step whose signal is made when somebody asks for it; `done` when nobody can any more, `abort` to stop just this one. */
  task(frame: Frame, fields: Omit<StepTask, "signal">): { task: StepTask; done: () => void; abort: () => void };
}

export function createActivities(clock: Clock): Activities {
  const activities = new Set<Activity>();
  return {
    stop(frame) {
      for (const activity of [...activities]) if (!frame || activity.frame.over) activity.abort();
    },
    wait: (frame, ms) =>
      new Promise((resolve) => {
        const activity = {
          frame,
          abort: () => {
            cancel();
            activities.delete(activity);
            resolve();
          },
        };
        const cancel = clock.after(ms, activity.abort);
        activities.add(activity);
      }),
    task(frame, fields) {
      let activity: Activity | undefined;
      const task = {
        ...fields,
        get signal() {
          const controller = new AbortController();
          activity = { frame, abort: () => controller.abort() };
          activities.add(activity);
          Object.defineProperty(task, "signal", { value: controller.signal });
          return controller.signal;
        },
      };
      return { task, done: () => void (activity && activities.delete(activity)), abort: () => activity?.abort() };
    },
  };
}
