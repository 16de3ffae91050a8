// A run from its log to its end, as `run` and `resume` do it: progress or JSON lines, questions to a person, signals, outputs
// told and copied. Leaves out where plan, inputs and log come from.
import process, { stderr, stdin } from "node:process";
import { createInterface } from "node:readline/promises";
import { resolve } from "node:path";
import { createDagTracker, createSlot, type Journal, keepLarge, type Past, type RunResult, type StepTask, type TrackerPorts } from "../pit/mod.ts";
import { CODES, createEventLog, type Grants, type Plan, type RunEvent, type RunOrigin, SymphonyError, type Value, valueToJson } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { type Parsed, text, usage } from "./args.ts";
import { copyOutputs, finalObject, tell } from "./outputs.ts";
import { painter, withoutControls, write } from "./print.ts";
import { showProgress } from "./progress.ts";
import type { Stage } from "./stage.ts";

export interface Performance {
  run: string;
  plan: Plan;
  inputs: ReadonlyMap<string, Value>;
  grants: Grants;
  journal: Journal;
  parallel: number;
  past?: Past;
  /** Nodes whose past doesn't count. */
  resets?: readonly string[];
  origin?: RunOrigin;
  approved: readonly string[];
}

/** The exit code. */
export async function perform(
  stage: Stage,
  values: Parsed["values"],
  { run, plan, inputs, grants, journal, parallel, past, resets, origin, approved }: Performance,
): Promise<number> {
  const json = values["json"] === true;
  const begun = performance.now();
  const log = createEventLog(journal.sink, past?.next);
  if (json) log.subscribe((event) => write(1, `${JSON.stringify(forPeople(event))}\n`));
  const progress = json || values["quiet"] ? undefined : showProgress(plan, log);
  const tracker = createSlot(createDagTracker(trackerPorts(stage, grants, approvals(plan, approved), json, progress))).part;
  const handle = tracker.start(plan, inputs, { run, log, parallel, ...(past ? { past } : {}), ...(resets ? { resets } : {}), ...(origin ? { origin } : {}) });
  heedSignals(() => handle.cancel("a person stopped it"));
  const result = await handle.ended;
  progress?.stop();
  stage.host.endRun(run);
  await journal.close();
  await deliver(stage, values, result, performance.now() - begun);
  return exitOf(result);
}

/** Copies outputs and tells them; what can't be copied is still told. */
export async function deliver(stage: Pick<Stage, "artifacts">, values: Parsed["values"], result: RunResult, ms: number): Promise<void> {
  const out = text(values["out"]);
  try {
    if (out && result.state === "completed") await copyOutputs(stage.artifacts, result, resolve(out));
  } finally {
    if (values["json"]) write(1, `${JSON.stringify(finalObject(result))}\n`);
    else tell(result, out, ms);
  }
}

export function exitOf(result: RunResult): number {
  return result.state === "completed" ? 0 : result.state === "cancelled" ? 130 : CODES[result.error?.code ?? "run/failed"].exit || 1;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal cancels; a second SIGINT ends at once, for who doesn't want to wait. Holds until the process ends. */
function heedSignals(cancel: () => void): void {
  let seen = 0;
  const onSignal = (signal: string): void => {
    if (seen++ === 0) cancel();
    else if (signal === "SIGINT") process.exit(130);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

/** Approvals given in advance: `all`, or nodes by their path; in a map with the item's number, or without for all items. */
export function approvals(plan: Plan, given: readonly string[]): (path: string) => boolean {
  const known = [...approveNodes(plan, "")];
  const withoutItems = (path: string): string => path.replace(/\/\d+(?=\/)/g, "");
  for (const name of given)
    if (name !== "all" && !known.includes(withoutItems(name)))
      throw usage(
        `Cannot approve ${JSON.stringify(name)} in advance: the melody has no such node that waits for approval${near(name, known)}; ${known.length ? `it has ${known.join(", ")}` : "it has none"}`,
        "run",
      );
  return (path) => given.includes("all") || given.includes(path) || given.includes(withoutItems(path));
}

function* approveNodes(body: Plan, prefix: string): Generator<string> {
  for (const { id, work } of body.nodes) {
    if (work.does === "approve") yield prefix + id;
    else if (work.does === "map" || work.does === "melody") yield* approveNodes(work.body, `${prefix}${id}/`);
  }
}

function trackerPorts(stage: Stage, grants: Grants, approved: (path: string) => boolean, json: boolean, progress: { pause(): void; resume(): void } | undefined): TrackerPorts {
  let asking: Promise<unknown> = Promise.resolve();
  return {
    confinement: stage.platform.confinement,
    keep: (kept) => keepLarge(kept, stage.artifacts),
    invoke: (task: StepTask) => stage.host.invoke(task, grants),
    async ask({ path, prompt, value, signal }) {
      if (approved(path)) return { approved: true, reason: "approved on the command line" };
      if (json || !stdin.isTTY || !stderr.isTTY)
        throw new SymphonyError("approve/unattended", `${path} waits for approval and nobody can be asked here; say yes in advance with --approve ${path}`);
      // one question at a time
      const turn = asking.then(() => askPerson(path, prompt, value, signal, progress));
      asking = turn.catch(() => {});
      return turn;
    },
  };
}

async function askPerson(
  path: string,
  prompt: string,
  value: Value | undefined,
  signal: AbortSignal,
  progress: { pause(): void; resume(): void } | undefined,
): Promise<{ approved: boolean; reason: string }> {
  progress?.pause();
  const shown = value === undefined ? "" : `\n${withoutControls(JSON.stringify(valueToJson(value), null, 2).slice(0, 2000))}\n`;
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
  if (event.event === "run.started") return { ...event, inputs: Object.fromEntries(Object.entries(event.inputs).map(([name, value]) => [name, valueToJson(value)])) };
  if (event.event !== "node.finished" && event.event !== "run.ended") return event;
  const { outputs, ...rest } = event;
  void outputs;
  return rest;
}
