// Melodies as text: equal ones share it, and reading it gives the melody again.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { createRandom } from "../../tests/random.ts";
import { applyEdit } from "./edit.ts";
import { type MelodyFile, readMelody } from "./melody.ts";
import { spellMelody } from "./spell.ts";

const examples = join(import.meta.dirname, "../../examples");
const melodies = readdirSync(examples, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => readMelody(readFileSync(join(examples, name, "melody.json"), "utf8")).melody as MelodyFile);

/** The same with the keys of the format in another order. */
function shuffled(value: unknown, random: (below: number) => number, isNames = false): unknown {
  if (Array.isArray(value)) return value.map((one) => shuffled(one, random));
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value);
  for (let at = isNames ? 0 : keys.length - 1; at > 0; at--) {
    const other = random(at + 1);
    [keys[at], keys[other]] = [keys[other] as string, keys[at] as string];
  }
  const isOwn = (key: string): boolean => key === "settings" || key === "metadata" || key === "default" || (key === "inputs" && "kind" in value);
  return Object.fromEntries(
    keys.map((key) => [
      key,
      !isNames && isOwn(key)
        ? (value as Record<string, unknown>)[key]
        : shuffled((value as Record<string, unknown>)[key], random, !isNames && (key === "inputs" || key === "outputs")),
    ]),
  );
}

test("reading the text gives the melody again, and the same text", () => {
  for (const melody of melodies) {
    const text = spellMelody(melody);
    const again = readMelody(text);
    expect(again.faults).toEqual([]);
    expect(again.melody).toEqual(melody);
    expect(spellMelody(again.melody as MelodyFile)).toBe(text);
  }
});

test("the order of keys in memory doesn't show", () => {
  const random = createRandom(5);
  for (const melody of melodies) for (let round = 0; round < 50; round++) expect(spellMelody(shuffled({ ...melody }, random) as MelodyFile)).toBe(spellMelody(melody));
});

test("what steps can see keeps its order and its numbers", () => {
  const constants = { data: { zeta: 1, to: 2, from: [{ id: 1, a: -0 }], id: 1.5e300 } };
  const settings = { z: 1, a: { y: 1, b: 2 } };
  const melody: MelodyFile = {
    symphony: 1,
    id: "order",
    nodes: [{ id: "n", kind: "operator", uses: "x", settings, inputs: constants }],
    inputs: { z: { default: { b: 1, a: 2 }, type: "json" }, a: { type: "json" } },
  };
  const again = JSON.parse(spellMelody(melody)) as MelodyFile;
  expect(JSON.stringify(again.nodes[0]?.inputs)).toBe(JSON.stringify(constants));
  expect(JSON.stringify((again.nodes[0] as { settings: object }).settings)).toBe(JSON.stringify(settings));
  expect(JSON.stringify(again.inputs)).toBe('{"z":{"type":"json","default":{"b":1,"a":2}},"a":{"type":"json"}}');
  expect(Object.is((again.nodes as unknown as { inputs: typeof constants }[])[0]?.inputs.data.from[0]?.a, -0)).toBe(true);
});

test("a change of one node is a difference of one line, and of an edge too", () => {
  const [melody] = melodies as [MelodyFile];
  const lines = (one: MelodyFile): string[] => spellMelody(one).split("\n");
  const differing = (one: MelodyFile, other: MelodyFile): number => lines(other).filter((line) => !lines(one).includes(line)).length;
  const id = melody.nodes[0]?.id as string;
  const titled = applyEdit(melody, { do: "set", id, path: ["title"], value: "Another" }).melody as MelodyFile;
  expect(differing(melody, titled)).toBe(1);
  const connected = applyEdit(melody, { do: "connect", edge: { from: id, to: melody.nodes[1]?.id as string } }).melody as MelodyFile;
  expect(differing(melody, connected)).toBeLessThanOrEqual(2);
});
