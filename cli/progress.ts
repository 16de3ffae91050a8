// Shows a run while it goes: a live tree on a terminal, plain lines elsewhere. Reads events only.
import { stderr } from "node:process";
import type { RunSnapshot } from "../pit/mod.ts";
import type { Plan, RunEvent } from "../runtime/mod.ts";
import type { Told } from "./home/home.ts";
import { fit, pad, type Paint, painter, spellMs, withoutControls, write } from "./print.ts";

interface Row {
  id: string;
  title: string;
  state: "waiting" | "running" | "done" | "skipped" | "failed" | "retrying" | "asking";
  begun: number;
  ms: number;
  items: number;
  itemsDone: number;
  running: number;
  note: string;
}

const SIGNS: Record<Row["state"], [string, Parameters<Paint>[0]]> = {
  waiting: ["·", "dim"],
  running: ["▶", "green"],
  done: ["✓", "dim"],
  skipped: ["–", "dim"],
  failed: ["✗", "red"],
  retrying: ["↻", "yellow"],
  asking: ["?", "blue"],
};
const FRAME_MS = 80;
const LINE_EVERY_MS = 2000;

/** Shows what it is told of a run, until `stop` is called. */
export function showProgress(plan: Plan): Progress {
  return stderr.isTTY ? showTree(plan) : showLines(plan);
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
    const { node, state, attempt, began, items, ms = 0, until, prompt = "", code, message = "" } = one;
    const event = (record: object): RunEvent => ({ run, n: 0, at: began ?? 0, node, ...record }) as unknown as RunEvent;
    if (state !== "skipped") yield event({ event: "node.started", attempt, items });
    if (state === "completed") yield event({ event: "node.finished", ms, outputs: [] });
    else if (state === "waiting") yield event({ event: "node.waiting", prompt, until });
    else if (state === "failed") yield event({ event: "node.failed", code, message });
    else if (state === "skipped") yield event({ event: "node.skipped", why: "" });
    else if (state === "cancelled") yield event({ event: "node.cancelled" });
  }
}

function createRows(plan: Plan): { rows: Row[]; take: (event: RunEvent) => Row | undefined } {
  const rows: Row[] = [...plan.order].map((index) => {
    const { id, title } = plan.nodes[index] as Plan["nodes"][number];
    return { id, title: withoutControls(title), state: "waiting", begun: 0, ms: 0, items: 0, itemsDone: 0, running: 0, note: "" };
  });
  const byId = new Map(rows.map((row) => [row.id, row]));
  const itemEnds = new Map<string, number>();
  const bodySize = new Map<string, number>();
  for (const { id, work } of plan.nodes) if (work.does === "map") bodySize.set(id, work.body.nodes.filter((node) => !node.isFallback).length);
  return {
    rows,
    take(event) {
      if (!("node" in event)) return undefined;
      const slash = event.node.indexOf("/");
      const row = byId.get(slash < 0 ? event.node : event.node.slice(0, slash));
      if (!row) return undefined;
      if (slash >= 0) {
        // an item is done when all nodes of its body are; one that another stands in for isn't
        if (event.event === "node.finished" || event.event === "node.skipped" || (event.event === "node.failed" && event.then !== "fallback")) {
          const inner = event.node.slice(slash + 1);
          const next = inner.indexOf("/");
          const item = event.node.slice(0, slash + 1 + (next < 0 ? inner.length : next));
          if (inner.indexOf("/", next + 1) < 0) {
            const stops = event.event === "node.failed" && event.then === "stop";
            const ends = (itemEnds.get(item) ?? 0) + 1;
            if (stops || ends >= (bodySize.get(row.id) ?? Number.POSITIVE_INFINITY)) {
              itemEnds.delete(item);
              row.itemsDone++;
            } else itemEnds.set(item, ends);
          }
        } else if (event.event === "node.log" && (event.level === "error" || event.level === "warn")) row.note = event.message;
        return event.event === "node.failed" ? row : undefined;
      }
      switch (event.event) {
        case "node.started":
          row.state = "running";
          row.begun = performance.now();
          row.items = event.items ?? 0;
          row.itemsDone = 0;
          break;
        case "node.finished":
          row.state = "done";
          row.ms = event.ms;
          row.itemsDone = row.items;
          row.note = "";
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
          row.state = "skipped";
          row.note = "cancelled";
          break;
        case "node.decided":
          row.state = "running";
          row.note = event.reason;
          break;
        case "node.log":
          row.note = event.message;
      }
      return row;
    },
  };
}

function details(row: Row): string {
  const time = row.state === "done" ? spellMs(row.ms) : row.state === "running" ? spellMs(performance.now() - row.begun) : "";
  const items = row.items > 0 ? `${row.itemsDone}/${row.items}` : "";
  return [items, time, withoutControls(row.note)].filter((part) => part !== "").join("  ");
}

const lineOf = (row: Row): string => `${row.id}: ${row.state}${details(row) ? `  ${details(row)}` : ""}\n`;

function showTree(plan: Plan): Progress {
  const { rows, take } = createRows(plan);
  const paint = painter();
  let drawn = 0;
  let dirty = true;
  let paused = false;
  const draw = (): void => {
    if (paused) return;
    const width = Math.max(1, (stderr.columns || 80) - 1);
    // as many as fit: what is under way first, then what failed
    const most = Math.max(3, (stderr.rows ?? 24) - 2);
    const shown = rows.length <= most ? rows : rows.filter(({ state }) => state !== "waiting" && state !== "done" && state !== "skipped").slice(0, most);
    const wide = Math.min(40, Math.max(...shown.map(({ title }) => fit(title, 40).cells), 8));
    const lines = shown.map((row) => {
      const [sign, colour] = SIGNS[row.state];
      const text = fit(`${pad(row.title, wide)}  ${details(row)}`.replace(/[\n\t]/g, " "), width - 2).text;
      return width < 3 ? paint(colour, sign) : `${paint(colour, sign)} ${row.state === "waiting" || row.state === "skipped" ? paint("dim", text) : text}`;
    });
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

function showLines(plan: Plan): Progress {
  const { rows, take } = createRows(plan);
  const timer = setInterval(() => {
    for (const row of rows) if (row.state === "running" && row.items > 0) write(2, `${row.id}: running  ${details(row)}\n`);
  }, LINE_EVERY_MS);
  return {
    take(told) {
      if ("snapshot" in told) {
        for (const event of asEvents(told.snapshot)) take(event);
        for (const row of rows) if (row.state !== "waiting") write(2, lineOf(row));
        return;
      }
      const { event } = told;
      const row = take(event);
      if (!row || event.event === "node.progress" || event.event === "node.started") return;
      if (event.event === "node.log" && event.level === "debug") return;
      write(2, event.event === "node.log" ? `${row.id}: ${withoutControls(event.message)}\n` : lineOf(row));
    },
    stop: () => clearInterval(timer),
    pause() {},
    resume() {},
  };
}
