// What a melody's parts mean together: the plan, which is what runs. Types only; plan-melody makes one.
import type { Fault } from "../error.ts";
import type { Manifest } from "../extension/manifest/manifest.ts";
import type { Right } from "../extension/permission/right.ts";
import type { Entry, PortType, Value } from "../value.ts";
import type { Condition } from "./condition.ts";
import type { Graph } from "./graph.ts";
import type { FailureRule, LevelRead, MelodyBody } from "./melody.ts";

/** The extensions that a melody may use. */
export interface Catalogue {
  get(id: string): Manifest | undefined;
  ids(): Iterable<string>;
}

/** A typed, documented input or output of a melody. */
export interface MelodyPort {
  name: string;
  type: PortType;
  required: boolean;
  /** As written in the file. */
  default: unknown;
  description: string;
}

/** A step's or a control node's work, as far as the file tells. */
export type Work =
  | { does: "call"; manifest: Manifest; settings: Entry[] /** No more than these of what the manifest asks for. */; rights: readonly Right[] | undefined }
  | { does: "branch"; cases: { name: string; condition: Condition }[] }
  | { does: "map"; over: string; concurrency: number; skipFailed: boolean; body: Plan }
  | { does: "melody"; body: Plan }
  | { does: "merge"; mode: "first" | "list" | "object" }
  | { does: "delay"; delayMs: number }
  | { does: "approve"; prompt: string };

/** A retry rule with its defaults filled in. */
export interface RetryPlan {
  attempts: number;
  delayMs: number;
  factor: number;
  maxDelayMs: number;
}

/** An input port of a node. */
export interface InputPort {
  name: string;
  type: PortType;
  required: boolean;
  /** Whether an edge feeds it. */
  fed: boolean;
}

export interface PlanNode {
  id: string;
  /** For people. */
  title: string;
  work: Work;
  /** Ports that can carry values, by slot. */
  inputs: InputPort[];
  outputs: { name: string; type: PortType; required: boolean }[];
  /** Values that the node itself gives to its ports, by input slot. */
  constants: (Value | undefined)[];
  /** What stands where nothing else does: defaults of the manifest or the body, by input slot. */
  presets: (Value | undefined)[];
  timeoutMs: number | undefined;
  retry: RetryPlan;
  onFailure: FailureRule;
  /** Index of the node that runs in its place when it fails, or -1. */
  fallback: number;
  /** Whether it only runs in another's place. */
  isFallback: boolean;
  /** Its extension isn't installed; never so in a sound plan. */
  unknown: boolean;
}

/** A sound melody (or body of one), ready to run. Node numbers are their order in the file. */
export interface Plan {
  id: string;
  name: string;
  inputs: MelodyPort[];
  outputs: MelodyPort[];
  nodes: PlanNode[];
  /** Edges between nodes; those from the melody's inputs and to its outputs stand apart. */
  graph: Graph;
  /** Slots at the ends of each edge of `graph`; -1 on an edge that only orders. */
  fromSlot: Int32Array;
  toSlot: Int32Array;
  conditions: (Condition | undefined)[];
  /** For each edge from an input: input number, node, slot, condition. */
  entry: { input: number; node: number; slot: number; condition: Condition | undefined }[];
  /** For each edge to an output: node and slot (or node -1 and input number), output number. */
  exit: { node: number; slot: number; output: number; condition: Condition | undefined }[];
  order: Uint32Array;
  timeoutMs: number | undefined;
}

/** What one check of a melody shares among its bodies. */
export interface Context {
  catalogue: Catalogue;
  faults: Fault[];
  /** By place: what was left out of a level. */
  levels: ReadonlyMap<string, LevelRead>;
  /** ` (did you mean ...?)` for the first faults; looking for near names takes long where thousands are wrong. */
  near: (word: string, known: Iterable<string>) => string;
  /** Plans the body of a map or sub-melody; `base` is its place in the file. */
  planBody: (body: MelodyBody, base: string, context: Context, inherited: "stop" | "continue") => Plan;
}
