// `symphony run`: a melody to its end, with progress, approvals, and outputs copied where the person wants them.
import { accessSync, constants, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process, { stderr, stdin } from "node:process";
import { createInterface } from "node:readline/promises";
import { createDagTracker, createSlot, type RunResult, type StepTask, type TrackerPorts } from "../pit/mod.ts";
import { CODES, type Grants, type Plan, type RunEvent, SymphonyError, type Value, valueToJson } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { readArgs, text, texts, usage, whole } from "./args.ts";
import { help } from "./help.ts";
import { readInputs } from "./inputs.ts";
import { soundMelody } from "./melody-file.ts";
import { painter, spellBytes, spellMs, withoutControls, write } from "./print.ts";
import { showProgress } from "./progress.ts";
import { openStage, type Stage } from "./stage.ts";

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("run", args, {
    input: { type: "string", multiple: true },
    out: { type: "string" },
    json: { type: "boolean" },
    parallel: { type: "string" },
    timeout: { type: "string" },
    approve: { type: "string", multiple: true },
    quiet: { type: "boolean" },
  });
  if (values["help"]) return help(["run"]);
  const [file, ...more] = positionals;
  if (!file || more.length > 0) throw usage(file ? `Cannot run several melodies at once: ${positionals.join(", ")}` : "Cannot run: no melody is named", "run");
  const parallel = whole(values["parallel"], "parallel", "run", 1, 1000) ?? 16;
  const timeoutMs = whole(values["timeout"], "timeout", "run", 1, 604_800_000);
  await using stage = await openStage(values);
  for (const fault of stage.catalogue.faults) write(2, `warning: ${withoutControls(fault.message)}\n`);
  const plan = await soundMelody(file, stage.catalogue);
  const approved = approvals(plan, texts(values["approve"]));
  if (timeoutMs !== undefined) plan.timeoutMs = Math.min(plan.timeoutMs ?? timeoutMs, timeoutMs);
  const { values: inputs, grants } = await readInputs(plan, texts(values["input"]), file, stage);

  const out = text(values["out"]);
  if (out) checkWritable(resolve(out));

  const id = crypto.randomUUID();
  const json = values["json"] === true;
  const begun = performance.now();
  if (json) stage.log.subscribe((event) => write(1, `${JSON.stringify(forPeople(event))}\n`));
  const progress = json || values["quiet"] ? undefined : showProgress(plan, stage.log);
  const tracker = createSlot(createDagTracker(trackerPorts(stage, grants, approved, json, progress))).part;
  const handle = tracker.start(plan, inputs, { run: id, parallel });
  heedSignals(() => handle.cancel("a person stopped it"));
  const result = await handle.ended;
  progress?.stop();
  stage.host.endRun(id);
  try {
    if (out && result.state === "completed") await copyOutputs(stage, result, resolve(out));
  } finally {
    // what can't be copied is still told
    if (json) write(1, `${JSON.stringify(finalObject(result))}\n`);
    else tell(result, out, performance.now() - begun);
  }
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
function approvals(plan: Plan, given: readonly string[]): (path: string) => boolean {
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
    log: stage.log,
    confinement: stage.platform.confinement,
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
  if (event.event !== "node.finished") return event;
  const { outputs, ...rest } = event;
  void outputs;
  return rest;
}

/** Values and artifact hashes; never paths or times. */
function finalObject(result: RunResult): object {
  return {
    run: result.run,
    state: result.state,
    outputs: Object.fromEntries([...result.outputs].map(([name, value]) => [name, valueToJson(value)])),
    ...(result.error ? { error: { code: result.error.code, ...(result.error.detail ? { detail: result.error.detail } : {}), message: result.error.message } } : {}),
  };
}

const ENDINGS: Readonly<Record<string, string>> = {
  "text/markdown": "md",
  "text/plain": "txt",
  "text/csv": "csv",
  "text/html": "html",
  "application/json": "json",
  "image/png": "png",
  "image/svg+xml": "svg",
};

/** Before the work begins: whether a folder is there, or could be made, and written to. */
function checkWritable(folder: string): void {
  let at = folder;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  try {
    accessSync(at, constants.W_OK);
    if (!statSync(at).isDirectory()) throw new Error(`${JSON.stringify(at)} is no folder`);
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot copy outputs to ${JSON.stringify(folder)}: ${(cause as Error).message}`, { cause });
  }
}

async function copyOutputs(stage: Stage, result: RunResult, folder: string): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true });
    for (const [name, value] of result.outputs) {
      if (value.tag === "artifact") writeFileSync(join(folder, `${name}.${endingOf(value.val.mediaType)}`), await stage.artifacts.get(value.val.id));
      else if (value.tag === "bytes") writeFileSync(join(folder, `${name}.${endingOf(value.val.mediaType)}`), value.val.data);
      else if (value.tag === "text") writeFileSync(join(folder, `${name}.txt`), value.val);
      else writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(valueToJson(value), null, 2)}\n`);
    }
  } catch (cause) {
    if (cause instanceof SymphonyError) throw cause;
    throw new SymphonyError(
      "cli/io",
      `Cannot copy the outputs to ${JSON.stringify(folder)}: ${(cause as Error).message}; artifacts are kept, \`symphony artifacts list\` shows them, and other outputs were told`,
      {
        cause,
      },
    );
  }
}

function endingOf(mediaType: string): string {
  const plain = mediaType.replace(/;.*$/, "");
  return (Object.hasOwn(ENDINGS, plain) && ENDINGS[plain]) || "bin";
}

/** Code, the step's own code where it says more, and what happened. */
function errorLine(error: SymphonyError | undefined): string {
  return error ? [...new Set([error.code, error.detail, error.message])].filter((part) => part !== undefined).join(": ") : "";
}

function tell(result: RunResult, out: string | undefined, ms: number): void {
  const paint = painter();
  if (result.state === "completed") write(2, `${paint("green", "completed")} in ${spellMs(ms)}\n`);
  else write(2, `${paint("red", result.state)} after ${spellMs(ms)}: ${withoutControls(errorLine(result.error))}\n`);
  for (const [name, value] of result.outputs) {
    if (value.tag === "artifact") {
      const where = out ? join(out, `${name}.${endingOf(value.val.mediaType)}`) : `symphony artifacts show ${value.val.id.slice(0, 12)}`;
      write(1, `${name}: ${withoutControls(value.val.mediaType)}, ${spellBytes(value.val.size)}, ${result.state === "completed" ? where : value.val.id}\n`);
    } else {
      const shown = withoutControls(value.tag === "text" ? value.val : JSON.stringify(valueToJson(value)));
      write(1, `${name}: ${shown.length > 2000 ? `${shown.slice(0, 2000)}... (${shown.length} characters; --json gives all)` : shown}\n`);
    }
  }
}
