// `symphony runs`: the runs that a home keeps: looking at them, steering those under way, deleting.
import { readKept } from "../pit/mod.ts";
import { type Parsed, readArgs, text, usage } from "./args.ts";
import { help } from "./help.ts";
import { type Control, type Home, lookAtHome, openHome } from "./home/home.ts";
import { planOfRun } from "./home/kept-run.ts";
import { findRunFolder, listRunFolders, type RunFolder } from "./home/run-store.ts";
import { spellMs, withoutControls, write } from "./print.ts";
import { type Backstage, openBackstage } from "./stage.ts";
import { watch } from "./watch.ts";

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
  watch: {
    ...RUN,
    act: (backstage, [run], values) => inHome(backstage, run as string, async (home, folder) => watch(backstage, values, home, folder.id, await planOfRun(backstage, folder))),
  },
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
    reason: { type: "string" },
    out: { type: "string" },
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
  const all: Summary[] = [];
  const live = await liveIn(backstage);
  // one after the other: a journal may be large
  for (const folder of listRunFolders(backstage.home)) all.push(await summary(folder, backstage, live));
  all.sort((a, b) => a.began - b.began);
  for (const one of all) write(1, values["json"] ? `${JSON.stringify(one)}\n` : line(one));
  if (all.length === 0 && !values["json"]) write(2, "No runs are kept yet.\n");
  return 0;
}

async function show(backstage: Backstage, [name]: string[], values: Parsed["values"]): Promise<number> {
  const folder = findRunFolder(backstage.home, name as string);
  const { past } = await readKept(backstage.platform.appendFolder(folder.folder));
  const one = await summary(folder, backstage, await liveIn(backstage));
  const nodes = [...past.nodes].map(([node, { state, attempt, error }]) => ({
    node,
    state,
    attempt,
    ...(error ? { code: error.detail ?? error.code, message: error.message } : {}),
  }));
  if (values["json"]) write(1, `${JSON.stringify({ ...one, nodes })}\n`);
  else {
    write(1, line(one));
    for (const { node, state, attempt, message } of nodes)
      write(1, `  ${withoutControls(node)}: ${state}${attempt > 1 ? `, attempt ${attempt}` : ""}${message ? `  ${withoutControls(message)}` : ""}\n`);
  }
  return 0;
}

/** States of the runs that are under way, by their ids. */
async function liveIn(backstage: Backstage): Promise<ReadonlyMap<string, string>> {
  const live = await lookAtHome(backstage);
  return new Map((live?.runs ?? []).map(({ run, state }) => [run, state]));
}

// ---- steering ----

async function inHome<T>(backstage: Backstage, name: string, act: (home: Home, folder: RunFolder) => Promise<T>): Promise<T> {
  const folder = findRunFolder(backstage.home, name);
  const home = await openHome(backstage);
  try {
    return await act(home, folder);
  } finally {
    await home.close();
  }
}

async function steer(backstage: Backstage, [name]: string[], control: Control): Promise<number> {
  return inHome(backstage, name as string, async (home, { id }) => {
    await home.control(id, control);
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
    await home.close();
  }
  return 0;
}

interface Summary {
  run: string;
  melody: string;
  /** `interrupted`: it has not ended, and no process runs it. */
  state: string;
  /** Milliseconds since 1970. */
  began: number;
  ms: number;
  nodes: { completed: number; failed: number; skipped: number };
  error?: string;
}

async function summary(folder: RunFolder, backstage: Backstage, live: ReadonlyMap<string, string>): Promise<Summary> {
  const nodes = { completed: 0, failed: 0, skipped: 0 };
  try {
    const { past } = await readKept(backstage.platform.appendFolder(folder.folder));
    for (const { state } of past.nodes.values()) if (state === "completed" || state === "failed" || state === "skipped") nodes[state]++;
    const hasEnded = past.ended !== undefined;
    const state = live.get(folder.id) ?? (hasEnded ? past.state : "interrupted");
    const began = past.started?.at ?? 0;
    const { message } = past.ended ?? {};
    return { run: folder.id, melody: past.started?.melody ?? "", state, began, ms: Math.max(0, past.last - began), nodes, ...(message ? { error: message } : {}) };
  } catch (cause) {
    // whatever is wrong with one, the others are still told
    return { run: folder.id, melody: "", state: "unreadable", began: 0, ms: 0, nodes, error: (cause as Error).message };
  }
}

function line({ run, melody, state, began, ms, nodes, error }: Summary): string {
  const when = began ? new Date(began).toISOString().slice(0, 19).replace("T", " ") : "?";
  const counts = Object.entries(nodes).filter(([, count]) => count > 0);
  return `${run}  ${state.padEnd(11)}  ${when}  ${spellMs(ms).padStart(8)}  ${withoutControls(melody)}  ${counts.map(([name, count]) => `${count} ${name}`).join(", ")}${error ? `  ${withoutControls(error)}` : ""}\n`;
}
