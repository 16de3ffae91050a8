// A run as a person or a script sees it from a command: progress or JSON lines, questions to a person, signals, the end told and
// outputs copied. Leaves out who runs it (home/).
import process, { stderr, stdin } from "node:process";
import { createInterface } from "node:readline/promises";
import { resolve } from "node:path";
import type { RunResult, Times } from "../pit/mod.ts";
import { CODES, type Plan, type RunEvent, SymphonyError, type Value, valueToJson } from "../runtime/mod.ts";
import { type Parsed, text } from "./args.ts";
import { explain, tellExplanations } from "./explain.ts";
import { type NodeTime, openHistory } from "./home/history.ts";
import { readRun } from "./home/kept-run.ts";
import { knownRun, type RunFolder } from "./home/run-store.ts";
import type { Home, Order, Told } from "./home/home.ts";
import { openHome } from "./home/open.ts";
import { createOutput } from "../runtime/platform/system.ts";
import { copyOutputs, finalObject, tell } from "./outputs.ts";
import { painter, withoutControls, write } from "./print.ts";
import { showProgress } from "./progress.ts";
import type { Backstage } from "./stage.ts";

/** Whether somebody can be asked here. */
export const isAttended = (values: Parsed["values"]): boolean => values["json"] !== true && stdin.isTTY === true && stderr.isTTY === true;

/**
 * Has a run begun or gone on with, and follows it to its end; the exit code. When the process that runs it is lost, this one
 * goes on with it.
 */
export async function conduct(backstage: Backstage, values: Parsed["values"], order: Order, plan: Plan | undefined): Promise<number> {
  const times = plan && !values["json"] && !values["quiet"] ? timesOf(backstage, plan) : undefined;
  const view = createView(values, plan, true, times, order.parallel);
  const begun = performance.now();
  let after: number | undefined;
  for (let again = false; ; again = true) {
    const home = await openHome(backstage);
    try {
      const { warnings, next } = await home.begin(again ? { ...order, again } : order);
      for (const warning of warnings) write(2, `warning: ${withoutControls(warning)}\n`);
      if (!again && !values["json"] && !values["quiet"]) write(2, `run ${order.run.slice(0, 8)}${next > 0 ? ", gone on with" : ""}\n`);
      // a person sees how it stands, a program every event
      if (values["json"] === true || (order.start && !again)) after ??= next - 1;
      const result = await view.follow(home, order.run, after, order.attended && isAttended(values), (n) => {
        after = n;
      });
      const exit = exitOf(result);
      view.stop(exit);
      await deliver(backstage, values, result, performance.now() - begun, view.say);
      if (result.state !== "completed" && !values["json"]) write(2, `\`symphony resume ${order.run.slice(0, 8)} --retry\` tries again what failed or was cancelled.\n`);
      const folder = knownRun(backstage.home, order.run);
      if (folder && values["explain"] && plan) tellExplanations(explain(plan, (await readRun(backstage, folder)).past.nodes), values["json"] === true, 2);
      if (folder) await remember(backstage, folder);
      return exit;
    } catch (cause) {
      if (!(cause instanceof SymphonyError)) throw cause;
      if (cause.code !== "home/lost") {
        // told now, though this process may have to stay for others
        const { exit } = CODES[cause.code];
        view.stop(exit);
        write(2, withoutControls(`${cause.code}: ${cause.message}\n`));
        return exit;
      }
      write(2, "warning: the process that ran this run is gone; going on with the run here\n");
    } finally {
      await home.close(tellWait());
    }
  }
}

/** Tells once that this process stays for others. */
export function tellWait(): (runs: number) => void {
  let told = false;
  return (runs) => {
    const [what, has, goes] =
      runs === 1
        ? ["A run of another command is", "it has", "that command then goes on by itself"]
        : [`${runs} runs of other commands are`, "they have", "those commands then go on by themselves"];
    if (!told) write(2, `${what} under way in this process, which stays until ${has} ended. Ctrl-C ends it now; ${goes}.\n`);
    told = true;
  };
}

const TAKEN_UP_MS_MAX = 5000;
const LOOK_AGAIN_MS = 100;

/** Shows a run that somebody else has begun, to its end, and exits as it does. A signal ends the watching, never the run. */
export async function watch(backstage: Backstage, values: Parsed["values"], run: string, plan: Plan | undefined): Promise<number> {
  const view = createView(values, plan, false, plan && timesOf(backstage, plan));
  const begun = performance.now();
  let after: number | undefined;
  let lostAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const home = await openHome(backstage);
    try {
      const result = await view.follow(home, run, after, isAttended(values), (n) => {
        after = n;
      });
      await deliver(backstage, values, result, performance.now() - begun, view.say);
      return exitOf(result);
    } catch (cause) {
      // its owner went: it has ended, somebody else goes on with it, or nobody does, which is told
      if (!(cause instanceof SymphonyError)) throw cause;
      if (cause.code === "home/lost") lostAt = performance.now();
      // whoever has ordered the run may be about to go on with it
      else if (cause.code !== "run/control" || performance.now() - lostAt > TAKEN_UP_MS_MAX) throw cause;
    } finally {
      view.stop(130);
      await home.close(tellWait());
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

interface View {
  /** Tells all from after number `after` to the run's end; that end. */
  follow(home: Home, run: string, after: number | undefined, asks: boolean, onEvent: (n: number) => void): Promise<RunResult>;
  /** Writes to standard output; resolves when it is read, or nobody reads any more. */
  say(text: string): Promise<void>;
  /** Shows nothing more; a signal then ends the process, with this code. */
  stop(exit: number): void;
}

/** Lines that nobody has read yet, before those that follow wait. */
const PENDING_BYTES_MAX = 4 * 1024 * 1024;

/** What the melody's nodes took before; nothing is known where the history can't be had. */
export function timesOf({ home, platform }: Backstage, plan: Plan): ReadonlyMap<string, NodeTime> {
  try {
    using history = openHistory(home, platform);
    return history.times(plan.id);
  } catch {
    return new Map();
  }
}

/** The history is an index: what it misses now, it reads later. */
async function remember({ home, platform }: Backstage, folder: RunFolder): Promise<void> {
  try {
    using history = openHistory(home, platform);
    await history.add(folder);
  } catch (cause) {
    write(2, `warning: ${withoutControls((cause as Error).message)}\n`);
  }
}

/** `cancels`: a signal cancels the run; else it only ends the watching. */
function createView(values: Parsed["values"], plan: Plan | undefined, cancels: boolean, times: Times = new Map(), parallel = 16): View {
  const json = values["json"] === true;
  const progress = json || values["quiet"] || !plan ? undefined : showProgress(plan, { times, parallel });
  const output = createOutput(1);
  let onSignal = (): void => process.exit(130);
  /** A person's wish, that outlasts the process that was told. */
  let wantsCancel = false;
  heedSignals(() => onSignal());
  return {
    async follow(home, run, after, asks, onEvent) {
      const order = (control: Parameters<Home["control"]>[1]): void => {
        // one that comes too late is no harm
        home.control(run, control).catch((cause: Error) => {
          if ((cause as { code?: string }).code !== "home/lost") write(2, `warning: ${withoutControls(cause.message)}\n`);
        });
      };
      const cancel = (): void => {
        wantsCancel = true;
        order({ do: "cancel", reason: "a person stopped it" });
      };
      if (cancels) onSignal = cancel;
      if (wantsCancel) cancel();
      const questions = asks ? createQuestions(progress, (node, decision) => order({ do: "decide", node, ...decision })) : undefined;
      try {
        for (let last = after; ; ) {
          let leaveBehind = (): void => {};
          const behind = new Promise<undefined>((resolve) => {
            leaveBehind = () => resolve(undefined);
          });
          let isBehind = false;
          const following = home.follow(run, last, (told) => {
            if (isBehind) return;
            if (output.pending > PENDING_BYTES_MAX) {
              // nobody reads: what follows is told from here on, when somebody does
              isBehind = true;
              leaveBehind();
              return;
            }
            if (json) output.write(`${JSON.stringify("event" in told ? forPeople(told.event) : { snapshot: told.snapshot })}\n`);
            else progress?.take(told);
            questions?.take(told);
            last = "event" in told ? told.event.n : told.snapshot.next - 1;
            onEvent(last);
          });
          try {
            const result = await Promise.race([following.ended, behind]);
            if (result && !isBehind) {
              progress?.stop();
              await output.flushed();
              return result;
            }
          } finally {
            following.stop();
          }
          following.ended.catch(() => {});
          await output.flushed();
        }
      } finally {
        questions?.stop();
      }
    },
    say(text) {
      output.write(text);
      return output.flushed();
    },
    stop(exit) {
      progress?.stop();
      onSignal = () => process.exit(exit);
    },
  };
}

/** Copies outputs and tells them; what can't be copied is still told. */
async function deliver({ artifacts }: Pick<Backstage, "artifacts">, values: Parsed["values"], result: RunResult, ms: number, say: View["say"]): Promise<void> {
  const out = text(values["out"]);
  try {
    if (out && result.state === "completed") await copyOutputs(artifacts, result, resolve(out));
  } finally {
    if (values["json"]) await say(`${JSON.stringify(finalObject(result))}\n`);
    else tell(result, out, ms);
  }
}

function exitOf(result: RunResult): number {
  return result.state === "completed" ? 0 : result.state === "cancelled" ? 130 : CODES[result.error?.code ?? "run/failed"].exit || 1;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal cancels; a second one ends at once, for who doesn't want to wait. Holds until the process ends. */
function heedSignals(cancel: () => void): void {
  let seen = 0;
  const onSignal = (): void => {
    if (seen++ === 0) cancel();
    else process.exit(130);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

/** A question that is answered at once, by an approval in advance, is not put. */
const QUESTION_AFTER_MS = 30;

/** Puts the questions of a run to the person at the terminal, one at a time. */
function createQuestions(
  progress: { pause(): void; resume(): void } | undefined,
  decide: (node: string, decision: { approved: boolean; reason: string }) => void,
): { take(told: Told): void; stop(): void } {
  const open = new Map<string, AbortController>();
  let asking: Promise<unknown> = Promise.resolve();
  const put = (node: string, prompt: string, value: unknown): void => {
    if (open.has(node)) return;
    const abort = new AbortController();
    open.set(node, abort);
    const ask = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, QUESTION_AFTER_MS));
      if (!abort.signal.aborted) decide(node, await askPerson(node, prompt, value, abort.signal, progress));
    };
    asking = asking.then(ask).catch(() => {});
  };
  const withdraw = (node: string): void => {
    open.get(node)?.abort();
    open.delete(node);
  };
  return {
    take(told) {
      if ("snapshot" in told) {
        for (const { node, state, until, prompt, shown } of told.snapshot.nodes)
          if (state === "waiting" && until === undefined) put(node, prompt ?? "", shown);
          else withdraw(node);
        return;
      }
      const { event } = told;
      if (!("node" in event)) return;
      if (event.event === "node.waiting" && event.until === undefined) put(event.node, event.prompt, event.value && forJson(event.value));
      else withdraw(event.node);
    },
    stop() {
      for (const node of [...open.keys()]) withdraw(node);
    },
  };
}

async function askPerson(
  path: string,
  prompt: string,
  value: unknown,
  signal: AbortSignal,
  progress: { pause(): void; resume(): void } | undefined,
): Promise<{ approved: boolean; reason: string }> {
  progress?.pause();
  const shown = value === undefined ? "" : `\n${withoutControls(JSON.stringify(value, null, 2).slice(0, 2000))}\n`;
  const lines = createInterface({ input: stdin, output: stderr });
  lines.on("SIGINT", () => process.emit("SIGINT"));
  try {
    const answer = (
      await lines.question(`\n${painter()("blue", "?")} ${path}${prompt ? `: ${withoutControls(prompt)}` : ""}${shown}\n  Approve? [y/N, or N and a reason] `, { signal })
    ).trim();
    return { approved: /^y(es)?$/i.test(answer), reason: answer.replace(/^no?\b[,: ]*/i, "") };
  } finally {
    lines.close();
    progress?.resume();
  }
}

/** An event as one line: what a node gave is in the final object, as far as it matters. */
function forPeople(event: RunEvent): object {
  if (event.event === "run.started") return { ...event, inputs: Object.fromEntries(Object.entries(event.inputs).map(([name, value]) => [name, forJson(value)])) };
  if (event.event === "node.waiting" && event.value) return { ...event, value: forJson(event.value) };
  if (event.event !== "node.finished" && event.event !== "run.ended") return event;
  const { outputs, ...rest } = event;
  void outputs;
  return rest;
}

/** A large value of a run that another process runs is known here by its hash. */
function forJson(value: Value): unknown {
  const { tag, val } = value as { tag: string; val?: unknown };
  return tag === "stored" ? { stored: val } : valueToJson(value);
}
