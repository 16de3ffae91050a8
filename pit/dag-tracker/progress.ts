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
  /** Of each map: how many nodes make up an item, how many have ended in items that are open, and which items are done. */
  const maps = new Map<string, { size: number; open: Map<string, number>; done: Set<string> }>();
  for (const { id, work } of plan.nodes)
    if (work.does === "map") maps.set(id, { size: work.body.nodes.filter((node) => !node.isFallback).length, open: new Map(), done: new Set() });

  /** A node inside a body came to an end. What stands deeper ends with the node that it is in. */
  function endInside(path: string, stops: boolean): void {
    const [id = "", item = "", ...rest] = path.split("/");
    const map = maps.get(id);
    if (!map || rest.length !== 1 || map.done.has(item)) return;
    const ends = (map.open.get(item) ?? 0) + 1;
    if (stops || ends >= map.size) {
      map.open.delete(item);
      map.done.add(item);
    } else map.open.set(item, ends);
    count(id);
  }

  function count(id: string): void {
    const one = nodes.get(id) as NodeProgress;
    one.itemsDone = one.state === "ended" ? one.items : Math.min(maps.get(id)?.done.size ?? 0, one.items || Number.POSITIVE_INFINITY);
  }

  /** What is run again is as if it had never been. */
  function reset(path: string): void {
    const one = nodes.get(path);
    const [id = "", item = ""] = path.split("/");
    if (one) Object.assign(one, { state: "pending", items: 0, itemsDone: 0 });
    else {
      maps.get(id)?.done.delete(item);
      maps.get(id)?.open.delete(item);
    }
  }

  function takeEvent(event: RunEvent): void {
    if (event.event === "run.resumed") for (const path of event.resets ?? []) reset(path);
    if (!("node" in event)) return;
    const one = nodes.get(event.node);
    // one that another stands in for has not ended
    const ends = event.event === "node.finished" || event.event === "node.skipped" || event.event === "node.pinned" || (event.event === "node.failed" && event.then !== "fallback");
    if (!one) {
      // a fallback ends for the node that it stands in for
      if (ends) endInside(event.node, event.event === "node.failed" && event.then === "stop");
      return;
    }
    if (event.event === "node.started") Object.assign(one, { state: "running", items: event.items ?? 0, began: now() });
    else if (ends || event.event === "node.failed") one.state = "ended";
    else if (event.event === "node.cancelled" || event.event === "node.retrying") one.state = "pending";
    if (maps.has(event.node)) count(event.node);
  }

  return {
    nodes,
    take(told) {
      if ("event" in told) {
        takeEvent(told.event);
        return;
      }
      for (const { open, done } of maps.values()) {
        open.clear();
        done.clear();
      }
      for (const one of nodes.values()) Object.assign(one, { state: "pending", items: 0, itemsDone: 0 });
      for (const { node, state, items = 0, after } of told.snapshot.nodes) {
        const one = nodes.get(node);
        const hasEnded = state === "completed" || state === "skipped" || (state === "failed" && (one !== undefined || after !== "fallback"));
        if (one) Object.assign(one, { state: hasEnded ? "ended" : state === "running" || state === "waiting" ? "running" : "pending", items, began: now() });
        else if (hasEnded) endInside(node, after === "stop" && state === "failed");
      }
      for (const id of maps.keys()) count(id);
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
