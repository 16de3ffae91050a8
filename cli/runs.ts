// `symphony runs`: the runs that a home keeps.
import { foldEvents, type Past, readJournal } from "../pit/mod.ts";
import { readArgs, usage } from "./args.ts";
import { help } from "./help.ts";
import { spellMs, withoutControls, write } from "./print.ts";
import { findRunFolder, listRunFolders, ownerOf, removeRun, type RunFolder } from "./run-store.ts";
import { type Backstage, openBackstage } from "./stage.ts";

export async function runs(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("runs", args, { json: { type: "boolean" } });
  if (values["help"] || positionals.length === 0) return help(["runs"]);
  const [action, ...ids] = positionals;
  const backstage = await openBackstage(values);
  if (action === "list" && ids.length === 0) {
    const all: Summary[] = [];
    // one after the other: a journal may be large
    for (const folder of listRunFolders(backstage.home)) all.push(await summary(folder, backstage));
    all.sort((a, b) => a.began - b.began);
    for (const one of all) write(1, values["json"] ? `${JSON.stringify(one)}\n` : line(one));
    if (all.length === 0 && !values["json"]) write(2, "No runs are kept yet.\n");
    return 0;
  }
  if (action === "show" && ids.length === 1) {
    const folder = findRunFolder(backstage.home, ids[0] as string);
    const past = await read(folder, backstage);
    const one = await summary(folder, backstage);
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
  if (action === "delete" && ids.length > 0) {
    const folders = new Map(ids.map((id) => findRunFolder(backstage.home, id)).map((folder) => [folder.id, folder]));
    for (const folder of folders.values()) {
      removeRun(folder);
      write(2, `deleted ${folder.id}\n`);
    }
    return 0;
  }
  throw usage(`Cannot understand ${JSON.stringify(positionals.join(" "))}: expected list, show RUN or delete RUN`, "runs");
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

async function read(folder: RunFolder, { platform }: Backstage): Promise<Past & { last: number }> {
  const bytes = await platform.readFile(folder.journal, Number.MAX_SAFE_INTEGER);
  const { events } = readJournal(bytes ?? new Uint8Array(0));
  return { ...foldEvents(events), last: events.at(-1)?.at ?? 0 };
}

async function summary(folder: RunFolder, backstage: Backstage): Promise<Summary> {
  const nodes = { completed: 0, failed: 0, skipped: 0 };
  try {
    const past = await read(folder, backstage);
    for (const { state } of past.nodes.values()) if (state === "completed" || state === "failed" || state === "skipped") nodes[state]++;
    const live = ownerOf(folder) !== undefined;
    const state = past.state === "running" || past.state === "paused" || past.state === "pending" ? (live ? past.state : "interrupted") : past.state;
    const began = (past.started as { at?: number } | undefined)?.at ?? 0;
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
