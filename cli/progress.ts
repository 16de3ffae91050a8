// Shows a run while it goes: a live tree on a terminal, plain lines elsewhere. Reads events only.
import { stderr } from "node:process";
import { createProgress, type Progress as RunTally, type RunProgress, type RunSnapshot, type Times } from "../pit/mod.ts";
import type { Plan, RunEvent } from "../runtime/mod.ts";
import type { Told } from "./home/home.ts";
import { fit, pad, type Paint, painter, spellMs, withoutControls, write } from "./print.ts";

interface Row {
  id: string;
  title: string;
  state: "waiting" | "running" | "done" | "skipped" | "cancelled" | "failed" | "retrying" | "asking";
  begun: number;
  ms: number;
  /** Its answer was kept from before. */
  isKept: boolean;
  note: string;
}

const SIGNS: Record<Row["state"], [string, Parameters<Paint>[0]]> = {
  waiting: ["·", "dim"],
  running: ["▶", "green"],
  done: ["✓", "dim"],
  skipped: ["–", "dim"],
  cancelled: ["⊘", "dim"],
  failed: ["✗", "red"],
  retrying: ["↻", "yellow"],
  asking: ["?", "blue"],
};
const FRAME_MS = 80;
const LINE_EVERY_MS = 2000;

/** Shows what it is told of a run, until `stop` is called. */
export function showProgress(plan: Plan, { times = new Map(), parallel = 16 }: { times?: Times; parallel?: number }): Progress {
  const progress = createProgress(plan, times, () => performance.now());
  return stderr.isTTY ? showTree(plan, progress, parallel) : showLines(plan, progress, parallel);
}

export interface Progress {
  take(told: Told): void;
  stop(): void;
  pause(): void;
  resume(): void;
}

/** What would have been told of a node until now, as far as it shows. */
function* asEvents({ run, nodes }: RunSnapshot): Generator<RunEvent> {
  for (const one of nodes) {
    const { node, state, attempt, began, items, ms = 0, until, prompt = "", code, message = "", why } = one;
    const event = (record: object): RunEvent => ({ run, n: 0, at: began ?? 0, node, ...record }) as unknown as RunEvent;
    if (state !== "skipped" && why?.does !== "pinned") yield event({ event: "node.started", attempt, items });
    if (why?.does === "pinned") yield event({ event: "node.pinned", outputs: [] });
    if (why?.does === "memory") yield event({ event: "node.memory", hit: true });
    if (state === "completed" && why?.does !== "pinned") yield event({ event: "node.finished", ms, outputs: [] });
    else if (state === "waiting") yield event({ event: "node.waiting", prompt, until });
    else if (state === "failed") yield event({ event: "node.failed", code, message });
    else if (state === "skipped") yield event({ event: "node.skipped", why: "" });
    else if (state === "cancelled") yield event({ event: "node.cancelled" });
  }
}

function createRows(plan: Plan): { rows: Row[]; take: (event: RunEvent) => Row | undefined } {
  const rows: Row[] = [...plan.order].map((index) => {
    const { id, title } = plan.nodes[index] as Plan["nodes"][number];
    return { id, title: withoutControls(title), state: "waiting", begun: 0, ms: 0, isKept: false, note: "" };
  });
  const byId = new Map(rows.map((row) => [row.id, row]));
  return {
    rows,
    take(event) {
      if (!("node" in event)) return undefined;
      const slash = event.node.indexOf("/");
      const row = byId.get(slash < 0 ? event.node : event.node.slice(0, slash));
      if (!row) return undefined;
      if (slash >= 0) {
        if (event.event === "node.log" && (event.level === "error" || event.level === "warn")) row.note = event.message;
        return event.event === "node.failed" ? row : undefined;
      }
      switch (event.event) {
        case "node.started":
          row.state = "running";
          row.begun = performance.now();
          row.isKept = false;
          break;
        case "node.finished":
          row.state = "done";
          row.ms = event.ms;
          row.note = row.isKept ? "kept" : "";
          break;
        case "node.memory":
          row.isKept = event.hit;
          break;
        case "node.pinned":
          row.state = "done";
          row.note = "pinned";
          break;
        case "node.skipped":
          row.state = "skipped";
          row.note = event.why;
          break;
        case "node.failed":
          row.state = "failed";
          row.note = `${event.detail ?? event.code}: ${event.message}`;
          break;
        case "node.retrying":
          row.state = "retrying";
          row.note = event.message;
          break;
        case "node.waiting":
          // a delay waits for time, an approval for a person
          row.state = event.until === undefined ? "asking" : "running";
          row.note = event.prompt;
          break;
        case "node.progress":
          row.note = `${event.fraction > 0 ? `${Math.round(event.fraction * 100)} % ` : ""}${event.note}`;
          break;
        case "node.cancelled":
          row.state = "cancelled";
          row.note = "";
          break;
        case "node.decided":
          row.state = "running";
          row.note = `${event.approved ? "approved" : "rejected"}${event.reason ? `: ${event.reason}` : ""}`;
          break;
        case "node.log":
          row.note = event.message;
      }
      return row;
    },
  };
}

function details(row: Row, progress: RunTally): string {
  const time = row.state === "done" && !row.isKept && row.note !== "pinned" ? spellMs(row.ms) : row.state === "running" ? spellMs(performance.now() - row.begun) : "";
  const { items = 0, itemsDone = 0 } = progress.nodes.get(row.id) ?? {};
  return [items > 0 ? `${itemsDone}/${items}` : "", time, withoutControls(row.note)].filter((part) => part !== "").join("  ");
}

/** How far it is, in one line. */
function overallLine(progress: RunTally, parallel: number): string {
  return spellProgress(progress.overall(parallel));
}

export function spellProgress({ done, total, fraction, leftMs }: RunProgress): string {
  return `${Math.floor(fraction * 100)} %  ${done} of ${total} nodes${leftMs !== undefined && fraction < 1 ? `  about ${spellMs(Math.ceil(leftMs / 100) * 100)} left` : ""}`;
}

const lineOf = (row: Row, progress: RunTally): string => `${row.id}: ${row.state}${details(row, progress) ? `  ${details(row, progress)}` : ""}\n`;

function showTree(plan: Plan, progress: RunTally, parallel: number): Progress {
  const { rows, take } = createRows(plan);
  const paint = painter();
  let drawn = 0;
  let dirty = true;
  let paused = false;
  const draw = (): void => {
    if (paused) return;
    const width = Math.max(1, (stderr.columns || 80) - 1);
    // as many as fit: what is under way first, then what failed
    const most = Math.max(3, (stderr.rows ?? 24) - 3);
    const shown = rows.length <= most ? rows : rows.filter(({ state }) => state !== "waiting" && state !== "done" && state !== "skipped").slice(0, most);
    const wide = Math.min(40, Math.max(...shown.map(({ title }) => fit(title, 40).cells), 8));
    const lines = shown.map((row) => {
      const [sign, colour] = SIGNS[row.state];
      const text = fit(`${pad(row.title, wide)}  ${details(row, progress)}`.replace(/[\n\t]/g, " "), width - 2).text;
      return width < 3 ? paint(colour, sign) : `${paint(colour, sign)} ${row.state === "waiting" || row.state === "skipped" ? paint("dim", text) : text}`;
    });
    lines.push(paint("dim", fit(overallLine(progress, parallel), width).text));
    write(2, `${drawn ? `\x1b[${drawn}A` : ""}${lines.map((line) => `\x1b[2K${line}\n`).join("")}${drawn > lines.length ? "\x1b[0J" : ""}`);
    drawn = lines.length;
    dirty = false;
  };
  const timer = setInterval(() => {
    if (dirty || rows.some(({ state }) => state === "running")) draw();
  }, FRAME_MS);
  let stopped = false;
  return {
    take(told) {
      progress.take(told);
      for (const event of "event" in told ? [told.event] : asEvents(told.snapshot)) if (take(event) || (event.event === "node.finished" && event.node.includes("/"))) dirty = true;
    },
    stop() {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      draw();
    },
    pause() {
      draw();
      paused = true;
    },
    resume() {
      paused = false;
      drawn = 0;
    },
  };
}

function showLines(plan: Plan, progress: RunTally, parallel: number): Progress {
  let [last, begun] = ["", false];
  const { rows, take } = createRows(plan);
  const timer = setInterval(() => {
    for (const row of rows) if (row.state === "running" && (progress.nodes.get(row.id)?.items ?? 0) > 0) write(2, lineOf(row, progress));
    const line = overallLine(progress, parallel);
    if (line !== last && begun) write(2, `${line}\n`);
    last = line;
  }, LINE_EVERY_MS);
  return {
    take(told) {
      begun = true;
      progress.take(told);
      if ("snapshot" in told) {
        for (const event of asEvents(told.snapshot)) take(event);
        for (const row of rows) if (row.state !== "waiting") write(2, lineOf(row, progress));
        return;
      }
      const { event } = told;
      const row = take(event);
      if (!row || event.event === "node.progress" || event.event === "node.started" || event.event === "node.memory") return;
      if (event.event === "node.log" && event.level === "debug") return;
      write(2, event.event === "node.log" ? `${row.id}: ${withoutControls(event.message)}\n` : lineOf(row, progress));
    },
    stop: () => clearInterval(timer),
    pause() {},
    resume() {},
  };
}
