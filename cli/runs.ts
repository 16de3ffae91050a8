// `symphony runs`: the runs that a home keeps: looking at them, steering those under way, deleting.
import { createProgress, type KeptRun, type Past, type RunProgress, type RunSnapshot, snapshotOf } from "../pit/mod.ts";
import { SymphonyError } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { type Parsed, readArgs, text, usage, whole } from "./args.ts";
import { compareOutputs, comparePasts } from "./compare.ts";
import { explain, tellExplanations } from "./explain.ts";
import { help } from "./help.ts";
import { openHistory, type RunSummary, summaryOf } from "./home/history.ts";
import type { Control, Home } from "./home/home.ts";
import { lookAtHome, openHome } from "./home/open.ts";
import { planOfRun, readRun } from "./home/kept-run.ts";
import { findRunFolder, type RunFolder } from "./home/run-store.ts";
import { spellMs, withoutControls, write } from "./print.ts";
import { type Backstage, openBackstage } from "./stage.ts";
import { spellProgress } from "./progress.ts";
import { tellWait, timesOf, watch } from "./watch.ts";

interface Action {
  /** Of what stands after the action. */
  takes: string;
  least: number;
  most: number;
  act(backstage: Backstage, names: string[], values: Parsed["values"]): Promise<number>;
}

const RUN = { takes: "RUN", least: 1, most: 1 };

const ACTIONS: Record<string, Action> = {
  list: { takes: "", least: 0, most: 0, act: list },
  show: { ...RUN, act: show },
  compare: { takes: "RUN RUN", least: 2, most: 2, act: compare },
  watch: { ...RUN, act: watchRun },
  pause: { ...RUN, act: (backstage, names, values) => steer(backstage, names, { do: "pause", stop: values["stop"] === true }) },
  continue: { ...RUN, act: (backstage, names) => steer(backstage, names, { do: "continue" }) },
  cancel: { ...RUN, act: (backstage, names, values) => steer(backstage, names, { do: "cancel", reason: text(values["reason"]) ?? "a person stopped it" }) },
  approve: { takes: "RUN NODE", least: 2, most: 2, act: (backstage, names, values) => decide(backstage, names, true, values) },
  reject: { takes: "RUN NODE", least: 2, most: 2, act: (backstage, names, values) => decide(backstage, names, false, values) },
  delete: { takes: "RUN...", least: 1, most: Number.POSITIVE_INFINITY, act: remove },
};

export async function runs(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("runs", args, {
    json: { type: "boolean" },
    quiet: { type: "boolean" },
    stop: { type: "boolean" },
    explain: { type: "boolean" },
    reason: { type: "string" },
    out: { type: "string" },
    melody: { type: "string" },
    state: { type: "string" },
    since: { type: "string" },
    limit: { type: "string" },
  });
  const [name, ...names] = positionals;
  if (values["help"] || name === undefined) return help(["runs"]);
  const action = Object.hasOwn(ACTIONS, name) ? (ACTIONS[name] as Action) : undefined;
  if (!action || names.length < action.least || names.length > action.most)
    throw usage(
      `Cannot understand ${JSON.stringify(positionals.join(" "))}: expected ${(action ? [[name, action] as const] : Object.entries(ACTIONS)).map(([known, { takes }]) => `${known} ${takes}`.trim()).join(", ")}`,
      "runs",
    );
  return action.act(await openBackstage(values), names, values);
}

// ---- looking ----

async function list(backstage: Backstage, _: string[], values: Parsed["values"]): Promise<number> {
  using history = openHistory(backstage.home, backstage.platform);
  await history.refresh();
  const live = await liveIn(backstage);
  const [melody, state, since] = [text(values["melody"]), text(values["state"]), timeOf(text(values["since"]))];
  const limit = whole(values["limit"], "limit", "runs", 1, 1_000_000);
  if (state !== undefined && !STATES.includes(state))
    throw usage(`Cannot use --state ${JSON.stringify(state)}: expected one of ${STATES.join(", ")}${near(state, STATES)}`, "runs");
  // who runs what is for the owner to say, so states are told apart after the index
  const found = history.runs({ ...(melody === undefined ? {} : { melody }), ...(since === undefined ? {} : { since }) }).map((one) => standing(one, live));
  const told = found.filter((one) => state === undefined || one.state === state).slice(-(limit ?? found.length));
  for (const one of told) write(1, values["json"] ? `${JSON.stringify(one)}\n` : line(one));
  if (told.length === 0 && !values["json"]) write(2, (melody ?? state ?? since) !== undefined ? "None of the runs that are kept is like that.\n" : "No runs are kept yet.\n");
  return 0;
}

const STATES = ["running", "paused", "interrupted", "completed", "failed", "cancelled", "unreadable"];

/** A day or a moment, in milliseconds since 1970. */
function timeOf(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const time = /^\d{4}-\d\d-\d\d/.test(written) ? Date.parse(written.replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(time)) throw usage(`Cannot use --since ${JSON.stringify(written)}: expected a day such as 2026-01-31, or a moment such as 2026-01-31T08:00Z`, "runs");
  return time;
}

/** `interrupted`: it has not ended, and no process runs it. */
function standing(one: RunSummary, live: ReadonlyMap<string, string>): RunSummary {
  const hasEnded = one.state !== "running" && one.state !== "paused";
  return { ...one, state: live.get(one.run) ?? (hasEnded ? one.state : "interrupted") };
}

async function show(backstage: Backstage, [name]: string[], values: Parsed["values"]): Promise<number> {
  const folder = findRunFolder(backstage.home, name as string);
  const { past } = await readRun(backstage, folder);
  const one = standing(summaryOf(folder.id, past), await liveIn(backstage));
  if (values["explain"]) {
    const plan = await planOfRun(backstage, past);
    if (!plan) throw new SymphonyError("run/changed", `Cannot explain the run ${folder.id}: its melody, or an extension that it uses, isn't there any more`);
    if (!values["json"]) write(1, line(one));
    tellExplanations(explain(plan, past.nodes), values["json"] === true, 1);
    return 0;
  }
  const snapshot = snapshotOf(folder.id, past);
  const { nodes } = snapshot;
  const progress = past.ended ? undefined : await progressOf(backstage, past, snapshot);
  if (values["json"]) write(1, `${JSON.stringify({ ...one, ...(progress ? { progress } : {}), nodes })}\n`);
  else {
    write(1, line(one));
    if (progress) write(1, `  ${spellProgress(progress)}\n`);
    for (const { node, state, attempt, message, prompt, shown, until } of nodes) {
      write(1, `  ${withoutControls(node)}: ${state}${attempt > 1 ? `, attempt ${attempt}` : ""}${message ? `  ${withoutControls(message)}` : ""}\n`);
      if (state !== "waiting" || until !== undefined || past.ended) continue;
      const asked = [prompt, shown === undefined ? "" : JSON.stringify(shown).slice(0, 2000), `symphony runs approve ${folder.id.slice(0, 8)} ${node}`];
      for (const text of asked) if (text) write(1, `    ${withoutControls(text)}\n`);
    }
  }
  return 0;
}

async function progressOf(backstage: Backstage, past: Past, snapshot: RunSnapshot): Promise<RunProgress | undefined> {
  const plan = await planOfRun(backstage, past);
  if (!plan) return undefined;
  const progress = createProgress(plan, timesOf(backstage, plan), () => Date.now());
  progress.take({ snapshot });
  return progress.overall(past.started?.parallel ?? 16);
}

/** What two runs have in common and what not, node by node. Ends with 1 where their outputs differ. */
async function compare(backstage: Backstage, names: string[], values: Parsed["values"]): Promise<number> {
  const [one, other] = await Promise.all(names.map(async (name) => readRun(backstage, findRunFolder(backstage.home, name))));
  const [first, second] = [(one as KeptRun).past, (other as KeptRun).past];
  const rows = comparePasts(first, second);
  const [outputs, same] = compareOutputs(first, second);
  if (values["json"]) for (const row of [...rows, ...outputs]) write(1, `${JSON.stringify(row)}\n`);
  else {
    write(1, line(summaryOf((one as KeptRun).run, first)));
    write(1, line(summaryOf((other as KeptRun).run, second)));
    for (const row of rows)
      write(
        1,
        `  ${withoutControls(row.node)}: ${row.states[0] === row.states[1] ? row.states[0] : row.states.join(" / ")}  ${row.ms.map((ms) => (ms === undefined ? "-" : spellMs(ms))).join(" / ")}${row.outputs === "same" ? "" : `  outputs ${row.outputs}`}\n`,
      );
    for (const { output, is } of outputs) write(1, `  output ${withoutControls(output)}: ${is}\n`);
  }
  return same ? 0 : 1;
}

/** States of the runs that are under way, by their ids. */
async function liveIn(backstage: Backstage): Promise<ReadonlyMap<string, string>> {
  const live = await lookAtHome(backstage);
  return new Map((live?.runs ?? []).map(({ run, state }) => [run, state]));
}

async function watchRun(backstage: Backstage, [name]: string[], values: Parsed["values"]): Promise<number> {
  const folder = findRunFolder(backstage.home, name as string);
  const { past } = await readRun(backstage, folder);
  return watch(backstage, values, folder.id, await planOfRun(backstage, past));
}

// ---- steering ----

async function inHome<T>(backstage: Backstage, name: string, act: (home: Home, folder: RunFolder) => Promise<T>): Promise<T> {
  const folder = findRunFolder(backstage.home, name);
  const home = await openHome(backstage);
  try {
    return await act(home, folder);
  } finally {
    await home.close(tellWait());
  }
}

const SAID = { pause: "paused", continue: "continued", cancel: "cancelled" } as const;

async function steer(backstage: Backstage, [name]: string[], control: Control): Promise<number> {
  return inHome(backstage, name as string, async (home, { id }) => {
    await home.control(id, control);
    const what = control.do === "decide" ? `${control.approved ? "approved" : "rejected"} ${control.node} of` : SAID[control.do];
    write(2, `${withoutControls(what)} ${id.slice(0, 8)}\n`);
    return 0;
  });
}

async function decide(backstage: Backstage, [name, node]: string[], approved: boolean, values: Parsed["values"]): Promise<number> {
  return steer(backstage, [name as string], { do: "decide", node: node as string, approved, reason: text(values["reason"]) ?? "" });
}

async function remove(backstage: Backstage, names: string[]): Promise<number> {
  const folders = new Map(names.map((name) => findRunFolder(backstage.home, name)).map((folder) => [folder.id, folder]));
  const home = await openHome(backstage);
  try {
    for (const { id } of folders.values()) {
      await home.remove(id);
      write(2, `deleted ${id}\n`);
    }
  } finally {
    await home.close(tellWait());
  }
  return 0;
}

function line({ run, melody, state, began, ms, nodes, error }: RunSummary): string {
  const when = began ? new Date(began).toISOString().slice(0, 19).replace("T", " ") : "?";
  const counts = Object.entries(nodes).filter(([, count]) => count > 0);
  return `${run}  ${state.padEnd(11)}  ${when}  ${spellMs(ms).padStart(8)}  ${withoutControls(melody)}  ${counts.map(([name, count]) => `${count} ${name}`).join(", ")}${error ? `  ${withoutControls(error)}` : ""}\n`;
}
