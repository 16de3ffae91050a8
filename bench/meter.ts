// What does the meter cost? The same component plain and gated, in this process, where it computes: text in AssemblyScript,
// an interpreter (QuickJS) and C that lifts, copies and lowers a thousand values.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseManifest } from "../runtime/mod.ts";
import type { Entry } from "../runtime/value.ts";
import { guest } from "../tests/components.ts";
import { type Contestant, each, head, race, same, versionOf } from "./figures.ts";
import { transpiled } from "./in-process.ts";

const root = join(import.meta.dirname, "..");
const SENTENCES = 400;
const VALUES = 1000;

interface Work {
  what: string;
  component: Uint8Array;
  inputs: Entry[];
  settings: Entry[];
}

export async function bench(): Promise<void> {
  head("meter", "what does the meter cost?", [versionOf("@bytecodealliance/jco-transpile", ".")]);
  const many: Entry[] = Array.from({ length: VALUES }, (_, i) => ({ name: i % 2 ? "value" : "list", value: { tag: "text", val: `value ${i}` } }));
  const works: Work[] = [
    shipped("text-split", "text"),
    shipped("summarize", "text"),
    shipped("keywords", "text"),
    { what: `echo-c, ${VALUES} values`, component: await guest("echo-c"), inputs: many, settings: [] },
    { what: `echo-js, ${VALUES} values (QuickJS)`, component: await guest("echo-js"), inputs: many, settings: [] },
  ];
  const contestants: Contestant[] = [];
  for (const { what, component, inputs, settings } of works) {
    const plain = (await transpiled(component, { metered: false }))();
    const metered = (await transpiled(component, { metered: true }))();
    same(`metered ${what}`, metered(inputs, settings), plain(inputs, settings));
    contestants.push(
      { what: `${what}, plain`, block: () => each(4, () => plain(inputs, settings)) },
      { what: `${what}, metered`, block: () => each(4, () => metered(inputs, settings)), beside: [`${what}, plain`] },
    );
  }
  await race({ title: "Computing", unit: "ms", sample: "one call", warmUp: 8, rounds: 15, contestants });
}

/** An extension that ships, on a text of some thousand words, with the settings that its manifest names. */
function shipped(id: string, port: string): Work {
  const folder = join(root, "extensions", id);
  const manifest = parseManifest(readFileSync(join(folder, "manifest.toml"), "utf8"), `${folder}/manifest.toml`);
  const settings = [...manifest.settings.values()].flatMap(({ name, default: value }) => (value ? [{ name, value }] : []));
  return {
    what: `${id}, ${SENTENCES} sentences`,
    component: new Uint8Array(readFileSync(join(folder, manifest.component))),
    inputs: [{ name: port, value: { tag: "text", val: prose(SENTENCES) } }],
    settings,
  };
}

/** The same sentences every time. */
function prose(sentences: number): string {
  const words = "river stone garden letter engine winter signal market silver window harbour forest music paper shadow bridge".split(" ");
  return Array.from({ length: sentences }, (_, i) => `The ${Array.from({ length: 9 }, (_, k) => words[(i * (k + 3) + k * k) % words.length]).join(" ")} ends.`).join(" ");
}
