// What is under way in a run and can be told to stop: steps, waits, questions; each belongs to a frame. Leaves out what
// is done when one ends.
import type { Clock, StepNote } from "../../runtime/mod.ts";
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
  /** Adds something that can be told to stop; the returned function takes it out. */
  add(frame: Frame, abort: () => void): () => void;
}

/** One attempt at a step. Its signal is made when somebody asks for it. */
export class Task implements StepTask {
  readonly run: string;
  readonly path: string;
  readonly node: StepTask["node"];
  readonly inputs: StepTask["inputs"];
  readonly attempt: number;
  readonly #frame: Frame;
  readonly #activities: Activities;
  readonly #note: (path: string, frame: Frame, record: StepNote) => void;
  #controller: AbortController | undefined;
  #remove: (() => void) | undefined;

  constructor(
    fields: Pick<StepTask, "run" | "path" | "node" | "inputs" | "attempt">,
    frame: Frame,
    activities: Activities,
    note: (path: string, frame: Frame, record: StepNote) => void,
  ) {
    this.run = fields.run;
    this.path = fields.path;
    this.node = fields.node;
    this.inputs = fields.inputs;
    this.attempt = fields.attempt;
    this.#frame = frame;
    this.#activities = activities;
    this.#note = note;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      const controller = new AbortController();
      this.#controller = controller;
      this.#remove = this.#activities.add(this.#frame, () => controller.abort());
    }
    return this.#controller.signal;
  }

  note(record: StepNote): void {
    this.#note(this.path, this.#frame, record);
  }

  /** Stops just this one. */
  abort(): void {
    this.#controller?.abort();
  }

  /** Nobody can stop it any more. */
  done(): void {
    this.#remove?.();
  }
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
    add(frame, abort) {
      const activity = { frame, abort };
      activities.add(activity);
      return () => void activities.delete(activity);
    },
  };
}
