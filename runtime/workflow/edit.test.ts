// Edits against an oracle that does the same by brute force on plain JSON, undone step by step; and edits on the same base, in
// both orders. SYMPHONY_EDITS sets the number of sequences.
import { describe, expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { createRandom } from "../../tests/random.ts";
import { applyEdit, type Edit, rebaseEdit } from "./edit.ts";
import type { MelodyBody } from "./melody.ts";

const SEQUENCES = Number(process.env["SYMPHONY_EDITS"] ?? 400);
const LENGTH = 30;

type Random = (below: number) => number;
interface Plain {
  nodes: { id: string; onFailure?: { fallback: string }; body?: Plain; [key: string]: unknown }[];
  edges: { from: string; to: string; when?: string }[];
  [key: string]: unknown;
}

const empty = (): MelodyBody => ({ nodes: [], edges: [] });
const step = (id: string) => ({ id, kind: "operator", uses: "csv" }) as never;

/** An edit of a melody, sound or not. */
function drawEdit(random: Random, melody: Plain): Edit {
  const ids = melody.nodes.map(({ id }) => id);
  const id = (): string => (ids.length && random(12) ? (ids[random(ids.length)] as string) : `n${random(12)}`);
  const end = (own: string): string => (random(6) ? `${id()}.${"ab"[random(2)]}` : `${own}.x`);
  const bodies = melody.nodes.filter(({ body }) => body);
  if (bodies.length && random(4) === 0) {
    const node = bodies[random(bodies.length)] as Plain["nodes"][number];
    const inner = drawEdit(random, node.body as Plain);
    return inner.do === "all" ? inner : { ...inner, in: [node.id, ...(inner.in ?? [])] };
  }
  switch (random(9)) {
    case 0:
    case 1:
      return { do: "add", node: step(`n${random(12)}`), ...(random(2) ? { at: random(ids.length + 1) } : {}) };
    case 2:
    case 3:
      return {
        do: "connect",
        edge: random(5) ? { from: end("inputs"), to: end("outputs"), ...(random(4) ? {} : { when: "value > 1.0" }) } : { from: id(), to: id() },
        ...(random(2) ? { at: random(melody.edges.length + 1) } : {}),
      };
    case 4:
      return random(2) && melody.edges.length ? { do: "disconnect", edge: melody.edges[random(melody.edges.length)] as never } : { do: "remove", id: id() };
    case 5:
      return { do: "move", id: id(), to: random(ids.length + 1) };
    case 6:
      return {
        do: "set",
        ...(random(4) ? { id: id() } : {}),
        path: [["title"], ["settings", "a"], ["metadata", "place", "x"], ["onFailure"], ["metadata"], ["id"], []][random(7)] as string[],
        ...(random(3) ? { value: [5, "x", { fallback: id() }, { y: 1 }][random(4)] } : {}),
      };
    case 7:
      return { do: "rename", id: id(), to: `n${random(12)}` };
    default:
      return random(3)
        ? { do: "group", ids: [...new Set(Array.from({ length: 1 + random(3) }, id))], id: `n${random(12)}` }
        : { do: "all", edits: Array.from({ length: random(3) }, () => drawEdit(random, melody)) };
  }
}

/** The same by brute force on a copy; undefined where it can't be. */
function oracle(melody: Plain, edit: Edit): Plain | undefined {
  const copy = structuredClone(melody);
  if (edit.do === "all") return edit.edits.reduce<Plain | undefined>((now, one) => now && oracle(now, one), copy);
  let level = copy;
  for (const id of edit.in ?? []) {
    const body = level.nodes.find((node) => node.id === id)?.body;
    if (!body) return undefined;
    level = body;
  }
  const at = (id: string): number => level.nodes.findIndex((node) => node.id === id);
  const node = (text: string): string => text.replace(/\..*/, "");
  const own = (id: string): boolean => id === "inputs" || id === "outputs";
  level.edges ??= [];
  switch (edit.do) {
    case "add":
      if (at(edit.node.id) >= 0) return undefined;
      level.nodes.splice(edit.at ?? level.nodes.length, 0, structuredClone(edit.node) as never);
      return copy;
    case "remove":
      if (at(edit.id) < 0) return undefined;
      level.nodes.splice(at(edit.id), 1);
      level.edges = level.edges.filter(({ from, to }) => node(from) !== edit.id && node(to) !== edit.id);
      return copy;
    case "connect":
      if ([edit.edge.from, edit.edge.to].some((end) => !own(node(end)) && at(node(end)) < 0)) return undefined;
      if (level.edges.some(({ from, to }) => from === edit.edge.from && to === edit.edge.to)) return undefined;
      level.edges.splice(edit.at ?? level.edges.length, 0, structuredClone(edit.edge) as never);
      return copy;
    case "disconnect": {
      const index = level.edges.findIndex(({ from, to }) => from === edit.edge.from && to === edit.edge.to);
      if (index < 0) return undefined;
      level.edges.splice(index, 1);
      return copy;
    }
    case "move": {
      const index = at(edit.id);
      if (index < 0) return undefined;
      const [moved] = level.nodes.splice(index, 1);
      level.nodes.splice(edit.to, 0, moved as never);
      return copy;
    }
    case "set": {
      const target = edit.id === undefined ? level : level.nodes[at(edit.id)];
      const [key] = edit.path;
      if (!target || key === undefined || (edit.id === undefined ? ["nodes", "edges"] : ["id", "body"]).includes(key)) return undefined;
      let part = target as Record<string, unknown>;
      for (const name of edit.path.slice(0, -1)) {
        part[name] ??= {};
        if (typeof part[name] !== "object") return undefined;
        part = part[name] as Record<string, unknown>;
      }
      const last = edit.path.at(-1) as string;
      if (edit.value === undefined) delete part[last];
      else part[last] = structuredClone(edit.value);
      return copy;
    }
    case "rename": {
      if (at(edit.id) < 0 || own(edit.to) || (edit.to !== edit.id && at(edit.to) >= 0)) return undefined;
      if (edit.to !== edit.id && level.nodes.some((one) => one.onFailure?.fallback === edit.to)) return undefined;
      (level.nodes[at(edit.id)] as { id: string }).id = edit.to;
      for (const one of level.nodes) if (one.onFailure?.fallback === edit.id) one.onFailure.fallback = edit.to;
      const end = (text: string): string => (node(text) === edit.id ? text.replace(edit.id, edit.to) : text);
      for (const one of level.edges) Object.assign(one, { from: end(one.from), to: end(one.to) });
      return copy;
    }
    case "group": {
      const { ids, id } = edit;
      const inside = (end: string): boolean => ids.includes(node(end));
      if (ids.some((one) => at(one) < 0) || own(id) || (!ids.includes(id) && at(id) >= 0)) return undefined;
      if (level.nodes.some((one) => one.onFailure?.fallback !== undefined && inside(one.id) !== inside(one.onFailure.fallback))) return undefined;
      const body: Plain = { inputs: {}, outputs: {}, nodes: level.nodes.filter((one) => inside(one.id)), edges: [] };
      const rest: Plain["edges"] = [];
      const crossing: Plain["edges"] = [];
      for (const one of level.edges) {
        const dash = (end: string): string => end.replace(".", "-");
        if (inside(one.from) && inside(one.to)) body.edges.push(one);
        else if (!inside(one.from) && !inside(one.to)) rest.push(one);
        else if (!one.from.includes(".")) {
          const whole = { ...one, ...(inside(one.from) ? { from: id } : { to: id }) };
          if (!crossing.some(({ from, to }) => from === whole.from && to === whole.to)) crossing.push(whole);
        } else if (inside(one.to)) {
          const inputs = body["inputs"] as Record<string, unknown>;
          if (!inputs[dash(one.to)]) body.edges.push({ from: `inputs.${dash(one.to)}`, to: one.to });
          inputs[dash(one.to)] = { type: "any" };
          crossing.push({ ...one, to: `${id}.${dash(one.to)}` });
        } else {
          const outputs = body["outputs"] as Record<string, unknown>;
          if (!outputs[dash(one.from)]) body.edges.push({ from: one.from, to: `outputs.${dash(one.from)}` });
          outputs[dash(one.from)] = { type: "any", optional: true };
          crossing.push({ ...one, from: `${id}.${dash(one.from)}` });
        }
      }
      const first = level.nodes.findIndex((one) => inside(one.id));
      level.nodes = level.nodes.flatMap((one, index) => (index === first ? [{ id, kind: "control", control: "melody", body }] : inside(one.id) ? [] : [one]));
      level.edges = [...rest, ...crossing];
      return copy;
    }
  }
}

test(`${SEQUENCES} sequences of edits give what an oracle gives, leave what they were given alone, and are undone step by step`, () => {
  let applied = 0;
  let refused = 0;
  for (let seed = 0; seed < SEQUENCES; seed++) {
    const random = createRandom(seed);
    let melody = empty();
    const undo: { edit: Edit; before: string }[] = [];
    for (let i = 0; i < LENGTH; i++) {
      const before = JSON.stringify(melody);
      const edit = drawEdit(random, melody as never);
      const expected = oracle(melody as never, edit);
      let edited: ReturnType<typeof applyEdit> | undefined;
      try {
        edited = applyEdit(melody, edit);
      } catch (cause) {
        expect((cause as { code: string }).code).toBe("edit/conflict");
      }
      if (JSON.stringify(melody) !== before) throw new Error(`seed ${seed}: ${JSON.stringify(edit)} changed the melody that it was given`);
      if ((edited === undefined) !== (expected === undefined) || (edited && !isDeepStrictEqual(JSON.parse(JSON.stringify(edited.melody)), expected)))
        throw new Error(`seed ${seed}: ${JSON.stringify(edit)} on ${before} gave ${JSON.stringify(edited?.melody)}, expected ${JSON.stringify(expected)}`);
      if (!edited) {
        refused++;
        continue;
      }
      applied++;
      undo.push({ edit: edited.inverse, before });
      melody = edited.melody;
    }
    for (const { edit, before } of undo.reverse()) {
      melody = applyEdit(melody, edit).melody;
      if (!isDeepStrictEqual(JSON.parse(JSON.stringify(melody)), JSON.parse(before)))
        throw new Error(`seed ${seed}: undone by ${JSON.stringify(edit)}: ${JSON.stringify(melody)}, expected ${before}`);
    }
  }
  expect(applied).toBeGreaterThan(SEQUENCES * 8);
  expect(refused).toBeGreaterThan(SEQUENCES);
});

/** Without the order of nodes and edges, which two people may each change in their own way. */
function sorted(melody: MelodyBody): unknown {
  const nodes = melody.nodes.map((node) => ("body" in node ? { ...node, body: sorted(node.body) } : node)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const edges = [...(melody.edges ?? [])].sort((a, b) => (`${a.from}>${a.to}` < `${b.from}>${b.to}` ? -1 : 1));
  return JSON.parse(JSON.stringify({ ...melody, nodes, edges }));
}

test(`two edits on the same base commute after a rebase, or conflict by name, whoever comes first`, () => {
  let joined = 0;
  let refused = 0;
  for (let seed = 0; seed < SEQUENCES * 4; seed++) {
    const random = createRandom(seed);
    let base = empty();
    const next = (): Edit | undefined => {
      const edit = drawEdit(random, base as never);
      try {
        applyEdit(base, edit);
        return edit;
      } catch {
        return undefined;
      }
    };
    for (let i = 0; i < 15; i++) {
      const edit = next();
      if (edit) base = applyEdit(base, edit).melody;
    }
    const [mine, theirs] = [next(), next()];
    if (!mine || !theirs) continue;
    const both = ([one, other]: [Edit, Edit]): unknown => {
      try {
        return sorted(applyEdit(applyEdit(base, one).melody, rebaseEdit(other, one, base)).melody);
      } catch (cause) {
        if ((cause as { code?: string }).code !== "edit/conflict") throw cause;
        // what a rebase lets through, applies
        if (!(cause as Error).message.startsWith("Cannot join the edits: both are about ")) throw cause;
        return "conflict";
      }
    };
    const [first, second] = [both([mine, theirs]), both([theirs, mine])];
    if (!isDeepStrictEqual(first, second))
      throw new Error(`seed ${seed}: ${JSON.stringify([mine, theirs])} on ${JSON.stringify(base)} give ${JSON.stringify(first)} and ${JSON.stringify(second)}`);
    if (first === "conflict") refused++;
    else joined++;
  }
  expect(joined).toBeGreaterThan(SEQUENCES / 4);
  expect(refused).toBeGreaterThan(SEQUENCES / 20);
});

describe("an edit that doesn't fit says what is in the way", () => {
  const base: MelodyBody = { nodes: [step("a"), step("b")], edges: [{ from: "a.rows", to: "b.text" }] };
  const WRONG: [Edit, string][] = [
    [{ do: "add", node: step("a") }, '"a"'],
    [{ do: "remove", id: "c" }, '"c": there is no such node'],
    [{ do: "connect", edge: { from: "a.rows", to: "c.text" } }, '"c"'],
    [{ do: "connect", edge: { from: "a.rows", to: "b.text" } }, "there is such an edge already"],
    [{ do: "disconnect", edge: { from: "a.rows", to: "b.x" } }, "there is none"],
    [{ do: "rename", id: "a", to: "inputs" }, "the melody's own ports"],
    [{ do: "set", id: "a", path: ["id"], value: "x" }, "other edits do that"],
    [{ do: "remove", id: "x", in: ["a"] }, '"a": it has no body'],
  ];
  for (const [edit, expected] of WRONG) test(JSON.stringify(edit), () => expect(() => applyEdit(base, edit)).toThrow(expected));
});
