// What a log says of a run: each node's last state, and what a resume needs of it. Pure; checks every change against the table
// of states. Leaves out reading the log.
import { type Plan, type PlanNode, type RunEvent, type RunGrant, type RunState, SymphonyError, type Value, valueToJson } from "../../runtime/mod.ts";
import type { StoredValue } from "./written.ts";
import { moveNode, moveRun, type NodeState } from "./states.ts";

export interface PastNode {
  state: NodeState;
  attempt: number;
  /** Of a completed one. */
  outputs: readonly (Value | undefined)[];
  /** Of a failed one, with what its failure led to. */
  error: SymphonyError | undefined;
  after: "stop" | "continue" | "skip" | "fallback" | undefined;
  /** When a delay or the wait before another attempt is over. */
  until: number;
  /** What a person said, if the node had not yet ended. */
  decided: { approved: boolean; reason: string } | undefined;
  /** Wall clock in milliseconds: when it was started last. 0 before. */
  began: number;
  /** How long it took, once it is completed. */
  ms: number;
  /** Of a map. */
  items: number;
  /** What a person is asked, while it waits, and what is shown beside, as JSON; a large value by its hash. */
  prompt: string | undefined;
  shown: unknown;
  /** Why it was run or not, as far as events say it. */
  why: { does: "memory" | "ran" | "skipped" | "pinned"; says: string } | undefined;
}

export interface Past {
  state: RunState;
  nodes: Map<string, PastNode>;
  /** The number of the next event. */
  next: number;
  /** Told by the resume. */
  cut: number;
  started: Extract<RunEvent, { event: "run.started" }> | undefined;
  ended: Extract<RunEvent, { event: "run.ended" }> | undefined;
  /** Wall clock of the last event. */
  last: number;
  /** Paths that were to be run again, whatever is kept of them. */
  resets: Set<string>;
  /** The last resume's. */
  order: string | undefined;
}

export function emptyPast(): Past {
  return { state: "pending", nodes: new Map(), next: 0, cut: 0, started: undefined, ended: undefined, last: 0, resets: new Set(), order: undefined };
}

/** Folds events, in their order, into the state that they leave. Throws `run/impossible`. */
export function foldEvents(events: Iterable<RunEvent>, past: Past = emptyPast()): Past {
  for (const event of events) foldEvent(past, event, true);
  return past;
}

/** Adds one event; without `outputs`, what nodes gave isn't held. Throws `run/impossible`. */
export function foldEvent(past: Past, event: RunEvent, outputs: boolean): void {
  past.next = event.n + 1;
  past.last = event.at;
  past.state = moveRun(past.state, event);
  if ("node" in event) foldNode(past.nodes, event, outputs);
  else if (event.event === "run.started") past.started = event;
  else if (event.event === "run.ended") past.ended = event;
  else if (event.event === "run.permitted") addGrants(past, event.grants);
  else if (event.event === "run.resumed") {
    past.ended = undefined;
    past.order = event.order;
    if (event.grants) addGrants(past, event.grants);
    for (const path of event.resets ?? []) {
      past.nodes.delete(path);
      past.resets.add(path);
    }
  }
}

/** What is granted later counts for all that comes after, resumes too. */
function addGrants(past: Past, grants: readonly RunGrant[]): void {
  const { started } = past;
  if (started?.origin) past.started = { ...started, origin: { ...started.origin, grants: [...(started.origin.grants ?? []), ...grants] } };
}

/** A copy that can be folded on by itself, without what nodes gave. */
export function withoutOutputs(past: Past): Past {
  return { ...past, resets: new Set(past.resets), nodes: new Map([...past.nodes].map(([path, node]) => [path, { ...node, outputs: [] }])) };
}

function foldNode(nodes: Map<string, PastNode>, event: Extract<RunEvent, { node: string }>, outputs: boolean): void {
  let node = nodes.get(event.node);
  if (!node) {
    node = {
      state: "pending",
      attempt: 0,
      outputs: [],
      error: undefined,
      after: undefined,
      until: 0,
      decided: undefined,
      began: 0,
      ms: 0,
      items: 0,
      prompt: undefined,
      shown: undefined,
      why: undefined,
    };
    nodes.set(event.node, node);
  }
  node.state = moveNode(node.state, event);
  switch (event.event) {
    case "node.started":
      node.attempt = event.attempt;
      node.began = event.at;
      node.items = event.items ?? 0;
      node.prompt = undefined;
      node.why = undefined;
      // one that is run again after its process ended keeps what a person said, and the end of its wait
      if (!event.again) {
        node.decided = undefined;
        node.until = 0;
      }
      return;
    case "node.finished":
      if (outputs) node.outputs = event.outputs;
      node.ms = event.ms;
      return;
    case "node.pinned":
      if (outputs) node.outputs = event.outputs;
      node.why = { does: "pinned", says: event.of ?? "" };
      return;
    case "node.skipped":
      node.why = { does: "skipped", says: event.why };
      return;
    case "node.memory":
      node.why = { does: event.hit ? "memory" : "ran", says: event.why };
      return;
    case "node.failed":
      node.error = new SymphonyError(event.code, event.message, { detail: event.detail, step: event.step });
      node.after = event.then;
      return;
    case "node.retrying":
      node.attempt = event.attempt;
      node.until = event.until;
      return;
    case "node.waiting":
      node.until = event.until ?? 0;
      node.prompt = event.prompt;
      node.shown = shownOf(event.value);
      return;
    case "node.decided":
      node.decided = { approved: event.approved, reason: event.reason };
  }
}

function shownOf(value: Value | StoredValue | undefined): unknown {
  return value === undefined ? undefined : value.tag === "stored" ? { stored: value.val } : valueToJson(value);
}

/** A run as it stands, for whoever comes late: all that follows are the events from number `next` on. */
export interface RunSnapshot {
  run: string;
  melody: string;
  state: RunState;
  next: number;
  /** Wall clock in milliseconds: of its beginning, and of its last event. */
  began: number;
  last: number;
  nodes: NodeSnapshot[];
}

export interface NodeSnapshot {
  node: string;
  state: NodeState;
  attempt: number;
  began?: number;
  ms?: number;
  items?: number;
  until?: number;
  prompt?: string;
  /** What a person is to say yes or no to, as JSON. */
  shown?: unknown;
  why?: PastNode["why"];
  code?: string;
  message?: string;
  /** What a failure led to. */
  after?: PastNode["after"];
}

export function snapshotOf(run: string, past: Past): RunSnapshot {
  const nodes = [...past.nodes].map(([node, one]): NodeSnapshot => {
    const { state, attempt, began, ms, items, until, prompt, shown, why, error, after } = one;
    return {
      node,
      state,
      attempt,
      ...(began ? { began } : {}),
      ...(state === "completed" ? { ms } : {}),
      ...(items ? { items } : {}),
      ...(until && (state === "waiting" || state === "retrying") ? { until } : {}),
      ...(prompt !== undefined && state === "waiting" ? { prompt, ...(shown === undefined ? {} : { shown }) } : {}),
      ...(why ? { why } : {}),
      ...(error && state === "failed" ? { code: error.detail ?? error.code, message: error.message, after } : {}),
    };
  });
  return { run, melody: past.started?.melody ?? "", state: past.state, next: past.next, began: past.started?.at ?? 0, last: past.last, nodes };
}

/**
 * The paths whose past must not count so that a run that has ended can end better: what failed or was cancelled and, with `from`,
 * those nodes; all that comes after them by edges or fallbacks; and the maps and sub-melodies around, whose other items stay.
 */
export function nodesToReset({ nodes }: Past, plan: Plan, from: readonly string[]): string[] {
  /** With all that is inside. */
  const whole = new Set<string>();
  /** The node alone. */
  const reopened = new Set<string>();
  const open: { path: string; all: boolean }[] = from.map((path) => ({ path, all: true }));
  if (from.length === 0) for (const [path, { state }] of nodes) if (state === "failed" || state === "cancelled") open.push({ path, all: false });
  for (let next = open.pop(); next; next = open.pop()) {
    const { path } = next;
    const place = placeOf(plan, path);
    if (!place) continue;
    const { level, index, prefix, around } = place;
    const node = level.nodes[index] as PlanNode;
    const all = next.all || !(node.work.does === "map" || node.work.does === "melody");
    const seen = all ? whole : reopened;
    if (seen.has(path) || whole.has(path)) continue;
    seen.add(path);
    const add = (at: number): void => void open.push({ path: prefix + (level.nodes[at] as PlanNode).id, all: true });
    const after = (at: number): void => {
      for (let e = level.graph.outStart[at] as number; e < (level.graph.outStart[at + 1] as number); e++) add(level.graph.to[level.graph.outEdges[e] as number] as number);
    };
    after(index);
    if (node.fallback >= 0) add(node.fallback);
    // what a fallback gives goes where the node that it stands for would have given
    for (const [at, { fallback }] of level.nodes.entries()) if (fallback === index) after(at);
    if (around !== undefined) open.push({ path: around, all: false });
  }
  const inside = (path: string): boolean => {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) if (whole.has(path.slice(0, slash))) return true;
    return false;
  };
  return [...nodes.keys()].filter((path) => whole.has(path) || reopened.has(path) || inside(path));
}

/** Where a node instance stands: its level of the plan, its number there, and the node around that level. */
function placeOf(plan: Plan, path: string): { level: Plan; index: number; prefix: string; around: string | undefined } | undefined {
  const parts = path.split("/");
  let level = plan;
  let prefix = "";
  let around: string | undefined;
  for (let at = 0; ; at++) {
    const index = level.nodes.findIndex(({ id }) => id === parts[at]);
    if (index < 0) return undefined;
    if (at === parts.length - 1) return { level, index, prefix, around };
    const { work } = level.nodes[index] as PlanNode;
    if (work.does !== "map" && work.does !== "melody") return undefined;
    around = `${prefix}${parts[at]}`;
    prefix = `${around}/`;
    if (work.does === "map") prefix += `${parts[++at]}/`;
    level = work.body;
  }
}
