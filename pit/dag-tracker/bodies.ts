// Bodies under way: a sub-melody, and a map's items. They hold no place among the parallel steps; what runs in them does.
// Leaves out what happens inside a frame, which its host moves.
import { type Plan, type PlanNode, SymphonyError, type Value, weighValue } from "../../runtime/mod.ts";
import type { Values } from "./flow.ts";
import { Frame } from "./frame.ts";

/** Of a map, in memory. */
const RESULTS_BYTES_MAX = 256 * 1024 * 1024;

/** What a body needs of the run that it is part of. */
export interface BodyHost {
  begin(frame: Frame, inputs: Values): void;
  /** Stops all that is under way in a frame and in those inside it. */
  stopFrame(frame: Frame): void;
  /** Whether a node is under way and its answer still wanted. */
  wanted(frame: Frame, node: number): boolean;
  /** Marks a node as under way until the returned function is called; `inner` are stopped if its time runs out. */
  hold(frame: Frame, node: number, inner: Iterable<Frame>): () => void;
  done(frame: Frame, node: number, outputs: Values): void;
  failed(frame: Frame, node: number, cause: unknown): void;
  /** An item failed, and the map says that this is the end. */
  itemFailed(frame: Frame, node: number, index: number, cause: unknown): void;
}

/** Runs a sub-melody with a node's inputs. */
export function runNested(host: BodyHost, frame: Frame, node: number, body: Plan): void {
  const inner = new Frame(body, `${frame.path(node)}/`, frame, (ended, error) => {
    release();
    if (!host.wanted(frame, node)) return;
    if (error === undefined) host.done(frame, node, ended.outputs);
    else host.failed(frame, node, error);
  });
  const release = host.hold(frame, node, [inner]);
  host.begin(inner, bodyInputs(frame, node, body));
}

/** Runs a map: the body for each item, some at once, results in the items' order. */
export function runMap(host: BodyHost, frame: Frame, node: number, work: Extract<PlanNode["work"], { does: "map" }>, items: readonly Value[]): void {
  const { body, over, concurrency, skipFailed } = work;
  const path = frame.path(node);
  const given = bodyInputs(frame, node, body);
  const itemAt = body.inputs.findIndex(({ name }) => name === over);
  const indexAt = body.inputs.findIndex(({ name }) => name === "index");
  /** Outputs by item; undefined for an item that failed and is left out. */
  const results: (Values | undefined)[] = new Array(items.length);
  const inner = new Set<Frame>();
  const release = host.hold(frame, node, inner);
  let next = 0;
  let left = items.length;
  let filling = false;
  let held = 0;

  const itemEnded = (index: number, one: Frame, error: unknown): void => {
    inner.delete(one);
    if (!host.wanted(frame, node)) return;
    if (error !== undefined && !skipFailed) {
      release();
      for (const other of inner) host.stopFrame(other);
      host.itemFailed(frame, node, index, error);
      return;
    }
    if (error === undefined) {
      results[index] = one.outputs;
      for (const value of one.outputs) if (value !== undefined) held += weighValue(value);
      if (held > RESULTS_BYTES_MAX) {
        release();
        for (const other of inner) host.stopFrame(other);
        const mib = RESULTS_BYTES_MAX / 1048576;
        host.failed(frame, node, new SymphonyError("run/limit", `Cannot gather the items' results: after ${index + 1} they take over ${mib} MiB; give large data as artifacts`));
        return;
      }
    }
    left--;
    fill();
  };

  const fill = (): void => {
    // an item that ends at once comes back here: the outer loop goes on, so nothing recurses
    if (filling) return;
    filling = true;
    while (inner.size < concurrency && next < items.length && host.wanted(frame, node)) {
      const index = next++;
      const one = new Frame(body, `${path}/${index}/`, frame, (ended, error) => itemEnded(index, ended, error));
      inner.add(one);
      const inputs = given.slice();
      inputs[itemAt] = items[index];
      if (indexAt >= 0 && indexAt !== itemAt) inputs[indexAt] = { tag: "number", val: index };
      host.begin(one, inputs);
    }
    filling = false;
    if (left > 0 || !host.wanted(frame, node)) return;
    release();
    const kept = results.filter((outputs) => outputs !== undefined);
    host.done(
      frame,
      node,
      body.outputs.map((_, at) => ({ tag: "items", val: kept.map((outputs) => outputs[at] ?? { tag: "null" }) }) as Value),
    );
  };
  fill();
}

/** A body's inputs by the names of its node's ports; undefined for those that the node has no port for. */
function bodyInputs(frame: Frame, node: number, body: Plan): (Value | undefined)[] {
  const { inputs } = frame.plan.nodes[node] as PlanNode;
  return body.inputs.map(({ name }) => {
    const slot = inputs.findIndex((port) => port.name === name);
    return slot < 0 ? undefined : frame.input(node, slot);
  });
}
