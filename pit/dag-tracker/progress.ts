// How far a run is: by node, by map item, in per cent, and how long it will take, from its events and what its nodes took before.
// Pure; leaves out how it is shown.
import { type Plan, type PlanNode, type RunEvent, weightedPath } from "../../runtime/mod.ts";
import type { RunSnapshot } from "./past.ts";

/** What a node took before, in milliseconds; an item of it, where it is a map. */
export type Times = ReadonlyMap<string, { ms: number }>;

export interface NodeProgress {
  state: "pending" | "running" | "ended";
  /** Of a map: items in all, and those that have ended. */
  items: number;
  itemsDone: number;
  /** Clock of its start, as `now` gives it. */
  began: number;
}

export interface RunProgress {
  /** Top-level nodes that have ended, and how many there are. Fallbacks count when they run. */
  done: number;
  total: number;
  /** 0 to 1; nodes weigh what they took before. */
  fraction: number;
  /** Milliseconds that are left, about; undefined before there is history of at least half of what is left. */
  leftMs: number | undefined;
}

export interface Progress {
  /** By top-level node. */
  readonly nodes: ReadonlyMap<string, NodeProgress>;
  take(told: { event: RunEvent } | { snapshot: RunSnapshot }): void;
  /** `parallel`: steps at once. */
  overall(parallel: number): RunProgress;
}

export function createProgress(plan: Plan, times: Times, now: () => number): Progress {
  const nodes = new Map<string, NodeProgress>(plan.nodes.map(({ id }) => [id, { state: "pending", items: 0, itemsDone: 0, began: 0 }]));
  const bodySize = new Map<string, number>();
  for (const { id, work } of plan.nodes) if (work.does === "map") bodySize.set(id, work.body.nodes.filter((node) => !node.isFallback).length);
  /** Ends of nodes within an item. */
  let itemEnds = new Map<string, number>();

  /** A node inside a body came to an end; true if that stops its item. */
  function endInside(path: string, stops: boolean): void {
    const [id, item, ...rest] = path.split("/");
    const size = bodySize.get(id as string);
    const one = nodes.get(id as string);
    // what stands deeper ends with the node that it is in
    if (size === undefined || !one || one.state === "ended" || rest.length !== 1) return;
    const key = `${id}/${item}`;
    const ends = (itemEnds.get(key) ?? 0) + 1;
    if (stops || ends >= size) {
      itemEnds.delete(key);
      one.itemsDone++;
    } else itemEnds.set(key, ends);
  }

  function takeEvent(event: RunEvent): void {
    if (!("node" in event)) return;
    const one = nodes.get(event.node);
    // one that another stands in for has not ended
    const ends = event.event === "node.finished" || event.event === "node.skipped" || event.event === "node.pinned" || (event.event === "node.failed" && event.then !== "fallback");
    if (!one) {
      if (ends) endInside(event.node, event.event === "node.failed" && event.then === "stop");
      return;
    }
    if (event.event === "node.started") Object.assign(one, { state: "running", items: event.items ?? 0, itemsDone: 0, began: now() });
    else if (ends || event.event === "node.failed") {
      one.state = "ended";
      one.itemsDone = one.items;
    } else if (event.event === "node.cancelled" || event.event === "node.retrying") one.state = "pending";
  }

  return {
    nodes,
    take(told) {
      if ("event" in told) {
        takeEvent(told.event);
        return;
      }
      itemEnds = new Map();
      for (const one of nodes.values()) Object.assign(one, { state: "pending", items: 0, itemsDone: 0 });
      for (const { node, state, items = 0 } of told.snapshot.nodes) {
        const one = nodes.get(node);
        const hasEnded = state === "completed" || state === "skipped" || state === "failed";
        if (one)
          Object.assign(one, {
            state: hasEnded ? "ended" : state === "running" || state === "waiting" ? "running" : "pending",
            items,
            began: now(),
            itemsDone: hasEnded ? items : one.itemsDone,
          });
        else if (hasEnded) endInside(node, false);
      }
    },
    overall(parallel) {
      const known = [...times.values()];
      const mean = known.length > 0 ? known.reduce((sum, { ms }) => sum + ms, 0) / known.length : 1;
      let [done, total, weightDone, weight, left, leftKnown] = [0, 0, 0, 0, 0, 0];
      const open = new Float64Array(plan.nodes.length);
      for (const [at, node] of plan.nodes.entries()) {
        const one = nodes.get(node.id) as NodeProgress;
        if (node.isFallback && one.state === "pending") continue;
        const time = times.get(node.id)?.ms;
        const whole = Math.max(0.01, (time ?? mean) * Math.max(1, one.items));
        const part =
          one.state === "ended"
            ? 1
            : one.state === "pending"
              ? 0
              : one.items > 0
                ? one.itemsDone / one.items
                : time === undefined
                  ? 0
                  : Math.min(0.95, (now() - one.began) / whole);
        total++;
        if (one.state === "ended") done++;
        weight += whole;
        weightDone += whole * part;
        // the items of a map run some at a time
        const lasts = (whole * (1 - part)) / (one.items > 1 ? widthOf(node, parallel) : 1);
        open[at] = lasts;
        left += lasts;
        if (time !== undefined) leftKnown += lasts;
      }
      const enough = times.size > 0 && leftKnown * 2 >= left;
      const leftMs = enough ? Math.max(weightedPath(plan.graph, plan.order, open).length, left / parallel) : undefined;
      return { done, total, fraction: done === total ? 1 : weightDone / weight, leftMs };
    },
  };
}

const widthOf = ({ work }: PlanNode, parallel: number): number => (work.does === "map" ? Math.min(work.concurrency, parallel) : 1);
