import { expect, test } from "bun:test";
import { callExtension } from "../../tests/call.ts";

async function summarize(text: string | undefined, settings: Record<string, unknown> = {}, parts?: string[]): Promise<string[]> {
  const result = await callExtension(
    "summarize",
    {
      ...(text === undefined ? {} : { text: { tag: "text" as const, val: text } }),
      ...(parts ? { parts: { tag: "items" as const, val: parts.map((val) => ({ tag: "text" as const, val })) } } : {}),
    },
    settings,
  );
  if ("error" in result) throw new Error(`${result.error.kind} ${result.error.code}`);
  const sentences = result.outputs.get("sentences") as { val: { val: string }[] };
  const list = sentences.val.map(({ val }) => val);
  expect(result.outputs.get("summary")).toEqual({ tag: "text", val: list.join(" ") });
  return list;
}
/** Asks for more than there is: shows how a text is split. */
const split = (text: string): Promise<string[]> => summarize(text, { sentences: 50 });

const splits: [string, string, string[]][] = [
  [
    "abbreviations and decimals",
    "Dr. Smith paid 3.5 dollars to the U.S. government yesterday. Mrs. Jones, e.g. in Fig. 4, walked home alone.",
    ["Dr. Smith paid 3.5 dollars to the U.S. government yesterday.", "Mrs. Jones, e.g. in Fig. 4, walked home alone."],
  ],
  [
    "German ordinals and abbreviations",
    "Am 3. Oktober fuhr die Bahn nach Köln zurück. Das gilt z. B. auch für Herrn Müller aus Bonn.",
    ["Am 3. Oktober fuhr die Bahn nach Köln zurück.", "Das gilt z. B. auch für Herrn Müller aus Bonn."],
  ],
  [
    "initials, quotes and repeated marks",
    'She said "we must leave now!" Then J. R. Tolkien wrote another long book?! Nobody in the whole town believed it...',
    ['She said "we must leave now!"', "Then J. R. Tolkien wrote another long book?!", "Nobody in the whole town believed it..."],
  ],
  [
    "Chinese and Japanese",
    "今天天气很好。我们去公园散步！「明日は雨が降ります。」私は傘を買いました。",
    ["今天天气很好。", "我们去公园散步！", "「明日は雨が降ります。」", "私は傘を買いました。"],
  ],
  [
    "Markdown",
    "# Title of the text\n\nThe *quick* brown `fox` jumps [over](http://x.y/z) it.\n\n```\nignored code here, not prose.\n```\n- First item about green apples\n- [x] Second item about yellow bananas\n\n| a | b |\n|---|---|\n> A quoted line about blue plums.",
    ["The quick brown fox jumps over it.", "First item about green apples", "Second item about yellow bananas", "A quoted line about blue plums."],
  ],
  [
    "an underlined heading and front matter",
    "---\ntitle: x\n---\nHeading words that are many\n===\nThe body follows with several words.",
    ["The body follows with several words."],
  ],
  ["white space", "One  sentence\n  that runs\tover lines.\n\n\nAnother one after blank lines.", ["One sentence that runs over lines.", "Another one after blank lines."]],
  ["only headings", "# First heading\n## Second heading", ["First heading", "Second heading"]],
  ["only a word", "Hello", ["Hello"]],
  ["nothing", " \n ", []],
];
for (const [name, text, expected] of splits) test(`splits ${name}`, async () => expect(await split(text)).toEqual(expected));

test("chooses what the text is about, in its order", async () => {
  const text =
    "Bees pollinate most of the fruit trees in the valley. My uncle once owned a red bicycle. Without bees, the fruit trees of the valley would carry no fruit. The weather on Tuesday was mixed. Farmers protect the bees because fruit trees depend on pollination. A train left the station at noon.";
  const chosen = await summarize(text, { sentences: 3 });
  expect(chosen).toEqual([
    "Bees pollinate most of the fruit trees in the valley.",
    "Without bees, the fruit trees of the valley would carry no fruit.",
    "Farmers protect the bees because fruit trees depend on pollination.",
  ]);
});

test("passes over what was said already", async () => {
  const chosen = await summarize(
    "The server keeps all records in one journal. The server keeps all the records in one journal. Clients read the journal over a socket. The server keeps all records in one journal.",
    { sentences: 4 },
  );
  expect(chosen).toHaveLength(2);
});

test("takes comments of source code, and declarations when there are none", async () => {
  const code = `// Copyright 2026 Somebody\n\n/**\n * Parses the header of a message frame.\n * @param bytes\n */\nexport function parse(bytes) {\n  const x = 1;\n  // the length comes before the type here\n  return x;\n}\n`;
  expect(await split(code)).toEqual(["Parses the header of a message frame.", "the length comes before the type here"]);
  expect(await split('import os\n\ndef read(path):\n    """Reads the whole file into memory."""\n    x = open(path)\n    return x.read()\n')).toEqual([
    "Reads the whole file into memory.",
  ]);
  expect(await split("export const a = one;\nexport function b(one, two) {\n}\n")).toEqual(["export const a = one;", "export function b(one, two) {"]);
});

test("summarizes parts together with the text", async () => {
  expect(await summarize(undefined, { sentences: 50 }, ["Green apples grow in the garden", "Blue plums grow behind the house."])).toEqual([
    "Green apples grow in the garden",
    "Blue plums grow behind the house.",
  ]);
});

test("fails with summarize.nothing when nothing is fed", () => expect(summarize(undefined)).rejects.toThrow("invalid-input summarize.nothing"));

test("takes a text of 6 MiB", async () => {
  let seed = 7;
  const words = Array.from({ length: 120_000 * 8 }, (_, i) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return `w${seed % 5000}${i % 8 === 7 ? "." : ""}${i % 80 === 79 ? "\n\n" : " "}W`;
  });
  expect(await summarize(words.join(""))).toHaveLength(3);
});
