// Melodies as text: equal ones share it, and reading it gives the melody again.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { createRandom } from "../../tests/components.ts";
import { applyEdit } from "./edit.ts";
import { type MelodyFile, readMelody } from "./melody.ts";
import { spellMelody } from "./spell.ts";

const examples = join(import.meta.dirname, "../../examples");
const melodies = readdirSync(examples, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => readMelody(readFileSync(join(examples, name, "melody.json"), "utf8")).melody as MelodyFile);

/** The same with its keys in another order, but for names, whose order is a person's. */
function shuffled(value: unknown, random: (below: number) => number, isNames = false): unknown {
  if (Array.isArray(value)) return value.map((one) => shuffled(one, random));
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value);
  for (let at = isNames ? 0 : keys.length - 1; at > 0; at--) {
    const other = random(at + 1);
    [keys[at], keys[other]] = [keys[other] as string, keys[at] as string];
  }
  return Object.fromEntries(keys.map((key) => [key, shuffled((value as Record<string, unknown>)[key], random, !isNames && (key === "inputs" || key === "outputs"))]));
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
