// How values and permission move along the edges of a frame: what arrives, what is switched off, which nodes that makes
// ready, what reaches the melody's outputs. Knows nothing of time, steps and records.
import { Gathered, type Plan, type PlanNode, type PortType, spellPortType, spellValueType, SymphonyError, type Value, valueFits } from "../../runtime/mod.ts";
import { type Frame, WAITING } from "./frame.ts";

/** Values by slot; undefined where there is none. */
export type Values = readonly (Value | undefined)[];

type Condition = Plan["conditions"][number];

/** Why a node isn't run. */
export interface Skip {
  code: "condition" | "unreached" | "input";
  why: string;
}

/** What is done with a node all of whose edges are settled. */
export interface FlowPorts {
  ready(frame: Frame, node: number): void;
  /** Marks it; what hangs on it is settled next. */
  skipped(frame: Frame, node: number, skip: Skip): void;
  /** A condition on the way to it could not be evaluated; nodes that this settles are added to `settled`. */
  broken(frame: Frame, node: number, cause: unknown, settled: number[]): void;
  /** Nothing is left to do in the frame. */
  ended(frame: Frame): void;
}

export interface Flow {
  /** Lets the inputs of a frame's melody flow in. Throws `step/input` when one doesn't fit. */
  enter(frame: Frame, inputs: Values): void;
  /** Passes on what a node gave (nothing, when it was skipped or failed); nodes that this settles are added to `settled`. */
  leave(frame: Frame, node: number, outputs: Values | undefined, settled: number[]): void;
  /** Makes nodes all of whose edges are settled ready or skips them; skipping settles others, without recursion. */
  settle(frame: Frame, settled: number[]): void;
}

export function createFlow(ports: FlowPorts): Flow {
  function allows(frame: Frame, node: number, condition: Condition, variables: Record<string, Value | Gathered | undefined>): boolean {
    if (!condition) return true;
    try {
      return condition.holds(variables);
    } catch (cause) {
      frame.broken ??= new Map();
      frame.broken.set(node, cause);
      return false;
    }
  }

  function arrive(frame: Frame, node: number, slot: number, value: Value | undefined, on: boolean, settled: number[]): void {
    if (on) {
      frame.live[node] = 1;
      if (slot >= 0) frame.values[(frame.layout.inputStart[node] as number) + slot] = value;
    } else if (slot < 0) frame.gated[node] = 1;
    const left = (frame.waiting[node] as number) - 1;
    frame.waiting[node] = left;
    if (left === 0) settled.push(node);
  }

  /** A value reaches an output of the frame's melody, if its edge allows it. */
  function exit(frame: Frame, value: Value | undefined, output: number, condition: Condition): void {
    if (value === undefined) return;
    try {
      if (!condition || condition.holds({ value })) frame.outputs[output] = value;
    } catch (cause) {
      frame.failure ??= cause;
    }
  }

  const flow: Flow = {
    enter(frame, inputs) {
      const { plan, layout } = frame;
      for (const [at, { name, type }] of plan.inputs.entries()) checkType(inputs[at], type, `${frame.prefix}inputs.${name}`);
      const settled: number[] = [];
      for (const { input, node, slot, condition } of plan.entry) {
        const value = inputs[input];
        const on = value !== undefined && allows(frame, node, condition, { value });
        arrive(frame, node, slot, on ? value : undefined, on, settled);
      }
      for (let i = 0; i < plan.nodes.length; i++) if (layout.incoming[i] === 0 && !(plan.nodes[i] as PlanNode).isFallback) settled.push(i);
      for (const { node, slot, output, condition } of plan.exit) if (node < 0) exit(frame, inputs[slot], output, condition);
      flow.settle(frame, settled);
    },

    leave(frame, node, outputs, settled) {
      const { plan, layout } = frame;
      const { graph } = plan;
      let gathered: Gathered | undefined;
      for (let at = graph.outStart[node] as number; at < (graph.outStart[node + 1] as number); at++) {
        const edge = graph.outEdges[at] as number;
        const target = graph.to[edge] as number;
        const slot = plan.fromSlot[edge] as number;
        const condition = plan.conditions[edge];
        const value = slot >= 0 ? outputs?.[slot] : undefined;
        let on = outputs !== undefined && (slot < 0 || value !== undefined);
        if (on && condition) {
          gathered ??= new Gathered((plan.nodes[node] as PlanNode).outputs, outputs as Values);
          on = allows(frame, target, condition, { value, outputs: gathered });
        }
        arrive(frame, target, plan.toSlot[edge] as number, value, on, settled);
      }
      for (let at = layout.exitStart[node] as number; at < (layout.exitStart[node + 1] as number); at++) {
        const { slot, output, condition } = plan.exit[layout.exits[at] as number] as Plan["exit"][number];
        exit(frame, outputs?.[slot], output, condition);
      }
      frame.left--;
    },

    settle(frame, settled) {
      for (let at = 0; at < settled.length; at++) {
        if (frame.over) return;
        const node = settled[at] as number;
        if ((frame.plan.nodes[node] as PlanNode).isFallback || frame.state[node] !== WAITING) continue;
        const broken = frame.broken?.get(node);
        if (broken !== undefined) {
          ports.broken(frame, node, broken, settled);
          continue;
        }
        const skip = whySkipped(frame, node);
        if (skip) {
          ports.skipped(frame, node, skip);
          flow.leave(frame, node, undefined, settled);
        } else ports.ready(frame, node);
      }
      if (frame.left === 0) ports.ended(frame);
    },
  };
  return flow;
}

/** What comes out of an `any` is only known when it arrives. */
export function checkType(value: Value | undefined, type: PortType, place: string): void {
  if (value !== undefined && !valueFits(value, type)) throw new SymphonyError("step/input", `${place} got ${spellValueType(value)}; it takes ${spellPortType(type)}`);
}

/** Why a frame that has nothing left to do can't give its outputs, or undefined. */
export function outputFault({ plan, outputs, prefix }: Frame, isPart: boolean): unknown {
  try {
    for (const [at, { name, type, required }] of plan.outputs.entries()) {
      const value = outputs[at];
      if (required && value === undefined && !isPart)
        throw new SymphonyError("run/failed", `Cannot give the output ${JSON.stringify(name)}: what feeds it was skipped; mark it optional if that may be`);
      checkType(value, type, `${prefix}outputs.${name}`);
    }
  } catch (cause) {
    return cause;
  }
  return undefined;
}

/** Why a node that all edges have settled is not to run. */
function whySkipped(frame: Frame, node: number): Skip | undefined {
  const { inputs, work } = frame.plan.nodes[node] as PlanNode;
  if (frame.gated[node] && work.does !== "merge") return { code: "condition", why: "a node that it comes after didn't lead here" };
  if ((frame.layout.incoming[node] as number) > 0 && !frame.live[node]) return { code: "unreached", why: "nothing reached it" };
  for (let slot = 0; slot < inputs.length; slot++) {
    const port = inputs[slot] as PlanNode["inputs"][number];
    if (port.required && frame.input(node, slot) === undefined) return { code: "input", why: `nothing reached its input ${port.name}` };
  }
  return undefined;
}
