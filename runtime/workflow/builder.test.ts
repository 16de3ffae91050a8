// Melodies built in code: what is built is sound, and what is wrong doesn't compile: `npm run check` proves each @ts-expect-error.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { SHIPPED } from "../../extensions/shapes.ts";
import { parseManifest } from "../extension/manifest/manifest.ts";
import { createMelody } from "./builder.ts";
import { readMelody } from "./melody.ts";
import { planMelody } from "./plan-melody.ts";
import { spellMelody } from "./spell.ts";

const root = join(import.meta.dirname, "../..");
const manifests = new Map(Object.keys(SHIPPED).map((id) => [id, parseManifest(readFileSync(join(root, "extensions", id, "manifest.toml"), "utf8"), id)]));
const catalogue = { get: (id: string) => manifests.get(id), ids: () => [...manifests.keys()] };

function faultsOf(file: Parameters<typeof spellMelody>[0]): string[] {
  const read = readMelody(spellMelody(file));
  return [...read.faults, ...(read.melody ? planMelody(read.melody, catalogue, read).faults : [])].map(({ path, message }) => `${path}: ${message}`);
}

test("a melody with each sort of node is sound", () => {
  const melody = createMelody("built", SHIPPED, { name: "Built", timeoutMs: 60_000 });
  const folder = melody.input("folder", "folder", { default: "." });
  const list = melody.operator("list", "files", { inputs: { folder } });
  const cards = melody.map("cards", list.out("paths"), { concurrency: 2, onItemFailure: "skip", inputs: { folder } }, (path, given, body) => {
    const read = body.operator("read", "files", { inputs: { folder: given.folder, path } });
    const tongue = body.instrument("tongue", "language", { inputs: { text: read.out("text") } });
    return { path, words: tongue.out("language"), size: read.out("size") };
  });
  const spare = melody.operator("spare", "csv", { inputs: { text: "a,b\n" } });
  const rows = melody.operator("rows", "csv", { inputs: { text: "a\n1\n" }, settings: { ragged: "pad", header: true }, retry: { attempts: 2 }, onFailure: { fallback: spare } });
  const which = melody.branch("which", rows.out("count"), { many: "value > 10.0", some: "value > 0.0" });
  const sub = melody.group("sub", { inputs: { count: which.out("some") } }, ({ count }, body) => ({ later: body.delay("wait", count, 5).out("value") }));
  const asked = melody.approve("asked", which.out("many").when("value < 1000.0"), "So many?", { after: [cards], timeoutMs: 1000 });
  const all = melody.merge("all", "object", { paths: cards.out("path"), words: cards.out("words"), later: sub.out("later"), asked: asked.out("value") });
  const numbers = melody.merge("numbers", "list", { sizes: cards.out("size") });
  const built = melody.output("all", all.out("value")).output("numbers", numbers.out("value"), { optional: true }).output("count", rows.out("count")).build();
  expect(faultsOf(built)).toEqual([]);
  expect(built.outputs).toEqual({ all: { type: "json" }, numbers: { type: "list<number>", optional: true }, count: { type: "number" } });
});

test("an extension whose shape isn't known is taken as it is", () => {
  const melody = createMelody("loose", SHIPPED);
  const one = melody.step("one", "operator", "csv", { inputs: { text: "a\n" } });
  const two = melody.operator("two", "template", { inputs: { items: one.out("rows") as never }, settings: { template: "x" } });
  expect(faultsOf(melody.output("text", two.out("document")).build())).toEqual([]);
});

test("what is wrong doesn't compile", () => {
  const melody = createMelody("wrong", SHIPPED);
  const folder = melody.input("folder", "folder");
  const number = melody.input("number", "number", { default: 1 });
  const rows = melody.operator("rows", "csv", { inputs: { text: "a" } });
  // @ts-expect-error no extension of that name
  melody.operator("a", "cvs", { inputs: { text: "a" } });
  // @ts-expect-error it is an instrument
  melody.operator("a", "keywords", { inputs: { text: "a" } });
  // @ts-expect-error a required port isn't fed
  melody.operator("a", "csv", { inputs: {} });
  // @ts-expect-error no port of that name
  melody.operator("a", "csv", { inputs: { text: "a", txt: "b" } });
  // @ts-expect-error a number doesn't fit a text
  melody.operator("a", "csv", { inputs: { text: number } });
  // @ts-expect-error nor does a list
  melody.operator("a", "csv", { inputs: { text: rows.out("rows") } });
  // @ts-expect-error a folder is a right, and can't be written down
  melody.operator("a", "files", { inputs: { folder: "." } });
  // @ts-expect-error nor does it come from a text
  melody.operator("a", "files", { inputs: { folder: melody.input("text", "text") } });
  // @ts-expect-error no output of that name
  rows.out("row");
  // @ts-expect-error no setting of that name
  melody.operator("a", "csv", { inputs: { text: "a" }, settings: { delimeter: ";" } });
  // @ts-expect-error not one of its values
  melody.operator("a", "csv", { inputs: { text: "a" }, settings: { ragged: "cut" } });
  // @ts-expect-error a map takes a list
  melody.map("a", number, {}, (item) => ({ item }));
  // @ts-expect-error there are no lists of lists
  melody.map("a", rows.out("rows"), {}, (_, __, body) => ({ rows: body.operator("b", "csv", { inputs: { text: "a" } }).out("rows") }));
  // @ts-expect-error no case of that name
  melody.branch("a", number, { big: "value > 1" }).out("small");
  // @ts-expect-error a default of another type
  melody.input("b", "number", { default: "1" });
  // @ts-expect-error no output of the body
  melody.group("a", { inputs: { number } }, ({ number: inner }) => ({ same: inner })).out("other");
  expect(folder.type).toBe("folder");
});

test("what the compiler can't see is refused when it is built", () => {
  const melody = createMelody("seen", SHIPPED);
  const text = melody.input("text", "text");
  const number = melody.input("number", "number");
  expect(() => melody.input("text", "json")).toThrow('has an input "text" already');
  expect(() => melody.branch("b", number, { small: "value < 1.0", "1": "value > 2.0" })).toThrow("whole numbers lose their place");
  expect(() => melody.group("g", { inputs: { text } }, (_, body) => ({ text: body.delay("d", text, 1).out("value") }))).toThrow("belongs to another level");
  expect(() => createMelody("other", SHIPPED).output("o", text)).toThrow("belongs to another level");
  const twice = melody.operator("rows", "csv", { inputs: { text: text.when("size(value) > 1").when("size(value) < 9") } });
  const either = melody.merge("either", "first", { text, rows: twice.out("count") as never });
  const built = melody.output("either", either.out("value")).build();
  expect(built.outputs).toEqual({ either: { type: "any" } });
  expect(built.edges?.find(({ to }) => to === "rows.text")?.when).toBe("(size(value) > 1) && (size(value) < 9)");
  expect(() => melody.output("either", text)).toThrow("already");
});
