// Edits of a melody as values: each gives the new melody and the edit that takes it back, or throws `edit/conflict` with the name
// of what is in the way. Pure and browser-safe; serves board, undo and server alike. Leaves out what a melody means (plan).
import { SymphonyError } from "../error.ts";
import type { MelodyBody, MelodyEdge, MelodyNode } from "./melody.ts";

/** The level that an edit is about: ids of maps and sub-melodies on the way to it; the melody itself where it is left out. */
interface Level {
  in?: readonly string[];
}

export type Edit =
  /** `at` is the place among the nodes (edges), the end where it is left out. */
  | (Level & { do: "add"; node: MelodyNode; at?: number })
  /** Takes its edges with it. */
  | (Level & { do: "remove"; id: string })
  | (Level & { do: "connect"; edge: MelodyEdge; at?: number })
  | (Level & { do: "disconnect"; edge: Pick<MelodyEdge, "from" | "to"> })
  /** To another place among the nodes. */
  | (Level & { do: "move"; id: string; to: number })
  /** A field of a node (of the melody, without `id`), by its path; nothing takes it away. */
  | (Level & { do: "set"; id?: string; path: readonly string[]; value?: unknown })
  /** Edges and fallbacks follow. */
  | (Level & { do: "rename"; id: string; to: string })
  /** Puts nodes into a sub-melody of this id. `types` are those of the ports that edges cross at, by `node.port`; `any` where they aren't given. */
  | (Level & { do: "group"; ids: readonly string[]; id: string; types?: Readonly<Record<string, string>> })
  /** One after the other, or none of them. */
  | { do: "all"; edits: readonly Edit[] };

export interface Edited<M extends MelodyBody> {
  melody: M;
  inverse: Edit;
}

function conflict(message: string): SymphonyError {
  return new SymphonyError("edit/conflict", message);
}

const nodeOf = (end: string): string => end.split(".", 1)[0] as string;
const isOwn = (id: string): boolean => id === "inputs" || id === "outputs";

/** Applies an edit. What it doesn't touch is shared with the melody given, which stays as it is. Throws `edit/conflict`. */
export function applyEdit<M extends MelodyBody>(melody: M, edit: Edit): Edited<M> {
  if (edit.do === "all") {
    let now = melody;
    const inverses: Edit[] = [];
    for (const one of edit.edits) {
      const { melody: next, inverse } = applyEdit(now, one);
      now = next;
      inverses.unshift(inverse);
    }
    return { melody: now, inverse: { do: "all", edits: inverses } };
  }
  const [first, ...rest] = edit.in ?? [];
  if (first !== undefined) {
    const index = indexOf(melody, first);
    const node = melody.nodes[index] as MelodyNode;
    if (!("body" in node)) throw conflict(`Cannot edit inside ${JSON.stringify(first)}: it has no body`);
    const { melody: body, inverse } = applyEdit(node.body, { ...edit, in: rest });
    return { melody: { ...melody, nodes: melody.nodes.with(index, { ...node, body }) }, inverse: inside(inverse, first) };
  }
  const inverse = INVERSE[edit.do](melody, edit as never);
  const changed = CHANGE[edit.do](melody, edit as never);
  // setting a field of the melody may also take it away
  return { melody: (edit.do === "set" && edit.id === undefined ? changed : { ...melody, ...changed }) as M, inverse };
}

function inside(edit: Edit, id: string): Edit {
  return edit.do === "all" ? { ...edit, edits: edit.edits.map((one) => inside(one, id)) } : { ...edit, in: [id, ...(edit.in ?? [])] };
}

function indexOf(melody: MelodyBody, id: string): number {
  const index = melody.nodes.findIndex((node) => node.id === id);
  if (index < 0) throw conflict(`Cannot edit ${JSON.stringify(id)}: there is no such node`);
  return index;
}

function edgeAt(melody: MelodyBody, { from, to }: Pick<MelodyEdge, "from" | "to">): number {
  const index = (melody.edges ?? []).findIndex((edge) => edge.from === from && edge.to === to);
  if (index < 0) throw conflict(`Cannot take out the edge from ${JSON.stringify(from)} to ${JSON.stringify(to)}: there is none`);
  return index;
}

function mustBeFree(melody: MelodyBody, id: string): void {
  if (isOwn(id)) throw conflict(`Cannot use the id ${JSON.stringify(id)}: it stands for the melody's own ports`);
  if (melody.nodes.some((node) => node.id === id)) throw conflict(`Cannot use the id ${JSON.stringify(id)}: there is such a node already`);
}

/** The node that stands in, where a rule for failures names one; a melody that is edited need not be sound. */
function fallbackOf(rule: unknown): string | undefined {
  const fallback = (rule as { fallback?: unknown } | null | undefined)?.fallback;
  return typeof fallback === "string" ? fallback : undefined;
}

type One<K extends Edit["do"]> = Extract<Edit, { do: K }>;
type Changes = Partial<Pick<MelodyBody, "nodes" | "edges">> & Record<string, unknown>;
type Kinds = Exclude<Edit["do"], "all">;

const CHANGE: { [K in Kinds]: (melody: MelodyBody, edit: One<K>) => Changes } = {
  add(melody, { node, at = melody.nodes.length }) {
    mustBeFree(melody, node.id);
    return { nodes: melody.nodes.toSpliced(at, 0, node) };
  },
  remove(melody, { id }) {
    const edges = (melody.edges ?? []).filter(({ from, to }) => nodeOf(from) !== id && nodeOf(to) !== id);
    return { nodes: melody.nodes.toSpliced(indexOf(melody, id), 1), ...(melody.edges ? { edges } : {}) };
  },
  connect(melody, { edge, at }) {
    const edges = melody.edges ?? [];
    for (const end of [edge.from, edge.to]) if (!isOwn(nodeOf(end))) indexOf(melody, nodeOf(end));
    if (edges.some(({ from, to }) => from === edge.from && to === edge.to))
      throw conflict(`Cannot connect ${JSON.stringify(edge.from)} with ${JSON.stringify(edge.to)}: there is such an edge already`);
    return { edges: edges.toSpliced(at ?? edges.length, 0, edge) };
  },
  disconnect: (melody, { edge }) => ({ edges: (melody.edges ?? []).toSpliced(edgeAt(melody, edge), 1) }),
  move(melody, { id, to }) {
    const index = indexOf(melody, id);
    return { nodes: melody.nodes.toSpliced(index, 1).toSpliced(to, 0, melody.nodes[index] as MelodyNode) };
  },
  set(melody, { id, path, value }) {
    const [key] = path;
    if (key === undefined || (id === undefined ? key === "nodes" || key === "edges" : key === "id" || key === "body"))
      throw conflict(`Cannot set ${JSON.stringify(path.join("."))}: other edits do that`);
    if (id === undefined) return withAt(melody as unknown as Json, path, value) as Changes;
    const index = indexOf(melody, id);
    return { nodes: melody.nodes.with(index, withAt(melody.nodes[index] as unknown as Json, path, value) as unknown as MelodyNode) };
  },
  rename(melody, { id, to }) {
    indexOf(melody, id);
    if (id !== to) mustBeFree(melody, to);
    if (id !== to && melody.nodes.some((node) => fallbackOf(node.onFailure) === to))
      throw conflict(`Cannot use the id ${JSON.stringify(to)}: a node names it as its fallback, and would get this one`);
    const end = (text: string): string => (nodeOf(text) === id ? to + text.slice(id.length) : text);
    const nodes = melody.nodes.map((node): MelodyNode => {
      const renamed = node.id === id ? { ...node, id: to } : node;
      return fallbackOf(renamed.onFailure) === id ? { ...renamed, onFailure: { fallback: to } } : renamed;
    });
    return { nodes, ...(melody.edges ? { edges: melody.edges.map((edge) => ({ ...edge, from: end(edge.from), to: end(edge.to) })) } : {}) };
  },
  group: (melody, edit) => grouped(melody, edit),
};

const INVERSE: { [K in Kinds]: (melody: MelodyBody, edit: One<K>) => Edit } = {
  add: (_, { node }) => ({ do: "remove", id: node.id }),
  remove(melody, { id }) {
    const at = indexOf(melody, id);
    // in rising order, so that each finds its place
    const edges = (melody.edges ?? []).flatMap((edge, index): Edit[] => (nodeOf(edge.from) === id || nodeOf(edge.to) === id ? [{ do: "connect", edge, at: index }] : []));
    return { do: "all", edits: [{ do: "add", node: melody.nodes[at] as MelodyNode, at }, ...edges] };
  },
  connect: (_, { edge: { from, to } }) => ({ do: "disconnect", edge: { from, to } }),
  disconnect(melody, { edge }) {
    const at = edgeAt(melody, edge);
    return { do: "connect", edge: (melody.edges as MelodyEdge[])[at] as MelodyEdge, at };
  },
  move: (melody, { id }) => ({ do: "move", id, to: indexOf(melody, id) }),
  set(melody, { id, path }) {
    const from = id === undefined ? melody : melody.nodes[indexOf(melody, id)];
    const value = path.reduce<unknown>((value, key) => (typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Json)[key] : undefined), from);
    // objects that the path makes on its way are taken away with it
    const missing = path.findIndex((_, depth) => path.slice(0, depth + 1).reduce<unknown>((part, key) => (part as Json | undefined)?.[key], from) === undefined);
    const back = missing < 0 ? path : path.slice(0, missing + 1);
    return { do: "set", ...(id === undefined ? {} : { id }), path: back, ...(missing < 0 ? { value } : {}) };
  },
  rename: (_, { id, to }) => ({ do: "rename", id: to, to: id }),
  group(melody, { ids, id }) {
    const edges = melody.edges ?? [];
    const moved = melody.nodes.flatMap((node, at): Edit[] => (ids.includes(node.id) ? [{ do: "add", node, at }] : []));
    const back = edges.flatMap((edge, at): Edit[] => (ids.includes(nodeOf(edge.from)) || ids.includes(nodeOf(edge.to)) ? [{ do: "connect", edge, at }] : []));
    return { do: "all", edits: [{ do: "remove", id }, ...moved, ...back] };
  },
};

type Json = Record<string, unknown>;

function withAt(object: Json, [key, ...rest]: readonly string[], value: unknown): Json {
  const name = key as string;
  if (rest.length > 0) {
    const inner = object[name] ?? {};
    if (typeof inner !== "object" || Array.isArray(inner)) throw conflict(`Cannot set a field of ${JSON.stringify(name)}: it is no object`);
    return { ...object, [name]: withAt(inner as Json, rest, value) };
  }
  if (value !== undefined) return { ...object, [name]: value };
  const { [name]: _, ...others } = object;
  return others;
}

/** The nodes in a sub-melody of their own: each crossing port becomes a port of it, named `node-port`. */
function grouped(melody: MelodyBody, { ids, id, types = {} }: One<"group">): Changes {
  for (const one of ids) indexOf(melody, one);
  if (!ids.includes(id)) mustBeFree(melody, id);
  for (const node of melody.nodes) {
    const fallback = fallbackOf(node.onFailure);
    if (fallback !== undefined && ids.includes(node.id) !== ids.includes(fallback))
      throw conflict(`Cannot group ${JSON.stringify(node.id)} without its fallback ${JSON.stringify(fallback)}: one would be inside, the other outside`);
  }
  const isIn = (end: string): boolean => ids.includes(nodeOf(end));
  const nameOf = (end: string): string => end.replace(".", "-");
  const [kept, inner, outer]: [MelodyEdge[], MelodyEdge[], MelodyEdge[]] = [[], [], []];
  const inputs: Record<string, { type: string }> = {};
  const outputs: Record<string, { type: string; optional: true }> = {};
  const orders = new Set<string>();
  for (const edge of melody.edges ?? []) {
    const { from, to } = edge;
    if (isIn(from) && isIn(to)) inner.push(edge);
    else if (!isIn(from) && !isIn(to)) kept.push(edge);
    else if (!from.includes(".")) {
      // the group as a whole comes before or after
      const whole = isIn(from) ? { ...edge, from: id } : { ...edge, to: id };
      if (!orders.has(`${whole.from}>${whole.to}`)) outer.push(whole);
      orders.add(`${whole.from}>${whole.to}`);
    } else if (isIn(to)) {
      if (!inputs[nameOf(to)]) inner.push({ from: `inputs.${nameOf(to)}`, to });
      inputs[nameOf(to)] = { type: types[to] ?? "any" };
      outer.push({ ...edge, to: `${id}.${nameOf(to)}` });
    } else {
      if (!outputs[nameOf(from)]) inner.push({ from, to: `outputs.${nameOf(from)}` });
      outputs[nameOf(from)] = { type: types[from] ?? "any", optional: true };
      outer.push({ ...edge, from: `${id}.${nameOf(from)}` });
    }
  }
  const nodes = melody.nodes.filter((node) => ids.includes(node.id));
  const first = melody.nodes.findIndex((node) => ids.includes(node.id));
  const group = { id, kind: "control", control: "melody", body: { inputs, outputs, nodes, edges: inner } } as unknown as MelodyNode;
  return { nodes: melody.nodes.flatMap((node, at) => (at === first ? [group] : ids.includes(node.id) ? [] : [node])), edges: [...kept, ...outer] };
}

// ---- edits on the same base ----

/** What an edit needs to be as it was (reads) and what it changes (writes), as names. */
function touches(edit: Edit, melody: MelodyBody): { reads: string[]; writes: string[] } {
  if (edit.do === "all") {
    const all = edit.edits.map((one) => touches(one, melody));
    return { reads: all.flatMap(({ reads }) => reads), writes: all.flatMap(({ writes }) => writes) };
  }
  const place = (edit.in ?? []).map((id) => `node ${id}`).join(" / ");
  const node = (id: string): string => `${place ? `${place} / ` : ""}node ${id}`;
  const own = (what: string): string => `${place ? `${place} / ` : ""}${what}`;
  const above = (edit.in ?? []).map((_, depth) =>
    (edit.in ?? [])
      .slice(0, depth + 1)
      .map((id) => `node ${id}`)
      .join(" / "),
  );
  const ends = ({ from, to }: Pick<MelodyEdge, "from" | "to">): string[] =>
    [from, to]
      .map(nodeOf)
      .filter((id) => !isOwn(id))
      .map(node);
  const edge = ({ from, to }: Pick<MelodyEdge, "from" | "to">): string => own(`edge ${from} > ${to}`);
  switch (edit.do) {
    case "add":
      return { reads: above, writes: [node(edit.node.id)] };
    case "remove":
      return { reads: above, writes: [node(edit.id)] };
    case "connect":
      return { reads: [...above, ...ends(edit.edge)], writes: [edge(edit.edge)] };
    case "disconnect":
      return { reads: [...above, ...ends(edit.edge)], writes: [edge(edit.edge)] };
    case "move":
      return { reads: above, writes: [`${node(edit.id)} place`, own("order of nodes")] };
    case "set": {
      const fallback = edit.path[0] === "onFailure" ? (fallbackOf(edit.value) ?? (typeof edit.value === "string" ? edit.value : undefined)) : undefined;
      return {
        reads: [...above, ...(edit.id === undefined ? [] : [node(edit.id)]), ...(fallback === undefined ? [] : [node(fallback)])],
        writes: [`${edit.id === undefined ? own("melody") : node(edit.id)} field ${edit.path[0]}`],
      };
    }
    case "rename":
      return { reads: above, writes: [node(edit.id), node(edit.to)] };
    case "group": {
      const level = (edit.in ?? []).reduce<MelodyBody | undefined>((body, id) => (body?.nodes.find((one) => one.id === id) as { body?: MelodyBody } | undefined)?.body, melody);
      // the edges that cross its border are made anew
      const crossing = (level?.edges ?? []).filter(({ from, to }) => edit.ids.includes(nodeOf(from)) !== edit.ids.includes(nodeOf(to)));
      return { reads: [...above, ...crossing.flatMap(ends)], writes: [...edit.ids.map(node), node(edit.id), ...crossing.map(edge)] };
    }
  }
}

/**
 * An edit that was made on the same melody (`base`) as `over`, as it is to be applied after it. Edits that touch different things
 * commute and stay as they are; two that don't throw `edit/conflict`, which names what both touch.
 */
export function rebaseEdit(edit: Edit, over: Edit, base: MelodyBody): Edit {
  const [mine, theirs] = [touches(edit, base), touches(over, base)];
  const clash = (names: readonly string[], others: readonly string[]): string | undefined =>
    names.find((name) => others.some((other) => name === other || name.startsWith(`${other} /`) || name.startsWith(`${other} field`) || name.startsWith(`${other} place`)));
  const what = clash(mine.writes, theirs.writes) ?? clash(theirs.writes, mine.writes) ?? clash(mine.reads, theirs.writes) ?? clash(theirs.reads, mine.writes);
  if (what !== undefined) throw conflict(`Cannot join the edits: both are about ${what}`);
  return edit;
}
