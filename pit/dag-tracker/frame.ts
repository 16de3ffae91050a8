// The state of one plan under way: a whole melody, or the body of a map for one item. Typed arrays and no logic; the
// tracker moves it.
import type { Plan, Value } from "../../runtime/mod.ts";

export const WAITING = 0;
export const READY = 1;
export const RUNNING = 2;
export const FINISHED = 3;
export const SKIPPED = 4;
export const FAILED = 5;

/** Offsets that every frame of a plan shares. */
export interface Layout {
  /** First input slot of each node among all. */
  inputStart: Uint32Array;
  /** Incoming edges of each node, those from the melody's inputs included. */
  incoming: Uint32Array;
  /** Exits by source node: `exits[exitStart[i] .. exitStart[i + 1]]`. */
  exitStart: Uint32Array;
  exits: Uint32Array;
  /** Nodes that run by themselves. */
  ownNodes: number;
}

const layouts = new WeakMap<Plan, Layout>();

export function layoutOf(plan: Plan): Layout {
  let layout = layouts.get(plan);
  if (layout) return layout;
  const count = plan.nodes.length;
  const inputStart = new Uint32Array(count + 1);
  const incoming = new Uint32Array(count);
  let ownNodes = 0;
  for (const [i, node] of plan.nodes.entries()) {
    inputStart[i + 1] = (inputStart[i] as number) + node.inputs.length;
    incoming[i] = (plan.graph.inStart[i + 1] as number) - (plan.graph.inStart[i] as number);
    if (!node.isFallback) ownNodes++;
  }
  for (const { node } of plan.entry) incoming[node] = (incoming[node] as number) + 1;
  const exitStart = new Uint32Array(count + 1);
  for (const { node } of plan.exit) if (node >= 0) exitStart[node + 1] = (exitStart[node + 1] as number) + 1;
  for (let i = 0; i < count; i++) exitStart[i + 1] = (exitStart[i + 1] as number) + (exitStart[i] as number);
  const next = exitStart.slice(0, count);
  const exits = new Uint32Array(exitStart[count] as number);
  for (const [at, { node }] of plan.exit.entries()) {
    if (node < 0) continue;
    exits[next[node] as number] = at;
    next[node] = (next[node] as number) + 1;
  }
  layout = { inputStart, incoming, exitStart, exits, ownNodes };
  layouts.set(plan, layout);
  return layout;
}

export class Frame {
  readonly plan: Plan;
  readonly layout: Layout;
  /** `each/3/`, or "" for the melody itself. */
  readonly prefix: string;
  readonly state: Uint8Array;
  /** Incoming edges not yet settled. */
  readonly waiting: Uint32Array;
  /** Whether any incoming edge carried something, or allowed it. */
  readonly live: Uint8Array;
  /** Whether an edge that only orders was switched off by its own condition. */
  readonly gated: Uint8Array;
  /** Values that arrived, by input slot among all. */
  readonly values: (Value | undefined)[];
  readonly outputs: (Value | undefined)[];
  /** Attempts so far, made when the first retry is. */
  attempts: Map<number, number> | undefined;
  /** Conditions that could not be evaluated, by target. */
  broken: Map<number, unknown> | undefined;
  /** When each node was started last, for how long it took. */
  readonly begun: Float64Array;
  /** Nodes whose place another takes: fallback -> failed. */
  standsFor: Map<number, number> | undefined;
  left: number;
  /** The first failure that the melody said to go on after. */
  failure: unknown;
  stopped = false;
  readonly onEnd: (frame: Frame, error: unknown) => void;
  readonly parent: Frame | undefined;

  constructor(plan: Plan, prefix: string, parent: Frame | undefined, onEnd: (frame: Frame, error: unknown) => void) {
    const layout = layoutOf(plan);
    const count = plan.nodes.length;
    this.plan = plan;
    this.layout = layout;
    this.prefix = prefix;
    this.parent = parent;
    this.onEnd = onEnd;
    this.state = new Uint8Array(count);
    this.waiting = layout.incoming.slice();
    this.live = new Uint8Array(count);
    this.gated = new Uint8Array(count);
    this.begun = new Float64Array(count);
    this.values = new Array(layout.inputStart[count] as number);
    this.outputs = new Array(plan.outputs.length);
    this.left = layout.ownNodes;
  }

  path(node: number): string {
    return this.prefix + (this.plan.nodes[node] as { id: string }).id;
  }

  /** The value at an input of a node: what arrived, else what the node gives itself, else the default. */
  input(node: number, slot: number): Value | undefined {
    const { constants, presets } = this.plan.nodes[node] as Plan["nodes"][number];
    return this.values[(this.layout.inputStart[node] as number) + slot] ?? constants[slot] ?? presets[slot];
  }

  /** Lets go of a node's inputs. */
  release(node: number): void {
    const { inputStart } = this.layout;
    for (let slot = inputStart[node] as number; slot < (inputStart[node + 1] as number); slot++) this.values[slot] = undefined;
  }

  /** Whether this frame or one around it was stopped. */
  get over(): boolean {
    for (let frame: Frame | undefined = this; frame; frame = frame.parent) if (frame.stopped) return true;
    return false;
  }
}
