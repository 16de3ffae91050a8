import { expect, test } from "bun:test";
import { callExtension } from "../../tests/call.ts";

async function keywords(text: string, settings: Record<string, unknown> = {}, language?: string): Promise<string[]> {
  const result = await callExtension("keywords", { text: { tag: "text", val: text }, ...(language ? { language: { tag: "text" as const, val: language } } : {}) }, settings);
  if ("error" in result) throw new Error(result.error.code);
  const list = (result.outputs.get("keywords") as { val: { val: string }[] }).val.map(({ val }) => val);
  const scored = JSON.parse((result.outputs.get("scored") as { val: string }).val) as { keyword: string; score: number }[];
  expect(scored.map(({ keyword }) => keyword)).toEqual(list);
  for (const { score } of scored) expect(score).toBe(Math.round(score * 10_000) / 10_000);
  if (scored.length) expect(scored[0]?.score).toBe(1);
  return list;
}

const ENGLISH =
  "Honey bees live in large colonies. A colony of honey bees holds one queen, and the queen lays all eggs. Worker bees gather nectar and pollen. When honey bees find a rich source of nectar, they dance in the hive. The waggle dance tells other worker bees how far the nectar is. Beekeepers watch the waggle dance to learn where the nectar comes from. In winter the colony lives on honey.";

const cases: [string, string, string[]][] = [
  ["English", ENGLISH, ["honey bees", "nectar", "waggle dance"]],
  [
    "German",
    "Die Eisenbahn fährt über die Alpen. Der Bau der Eisenbahn dauerte zwanzig Jahre, weil die Alpen so hoch sind. Ein Tunnel führt unter den Alpen hindurch, und die Eisenbahn braucht den Tunnel auch im Winter.",
    ["Eisenbahn", "Alpen", "Tunnel"],
  ],
  ["Japanese", "東京タワーは東京にあります。私は東京タワーが好きです。東京は大きいです。", ["東京"]],
  ["Chinese", "人工智能正在改变世界。人工智能的发展和应用。人工智能和教育。", ["人工智能"]],
];
for (const [name, text, expected] of cases) test(`finds what a text in ${name} is about`, async () => expect(await keywords(text)).toEqual(expect.arrayContaining(expected)));

test("leaves out language keywords, numbers, units and single letters in code", async () => {
  const code =
    "export function createBus(options) {\n  const queueMax = options.queueMax;\n  for (let i = 0; i < 100; i++) { send(i, 0x1f); }\n  return createBus(queueMax);\n}\nconst bus = createBus({ queueMax: 64 });\n".repeat(
      2,
    );
  const found = await keywords(code, { count: 20, maxWords: 1 });
  expect(found).toContain("createBus");
  expect(found).toContain("queueMax");
  for (const word of ["const", "return", "function", "export", "i", "64", "0x1f"]) expect(found).not.toContain(word);
  expect(await keywords("It weighs 12 MB and 13 MB and 14 MB", {})).toEqual(["weighs"]);
});

test("takes the stop words of the language it is told", async () => {
  expect(await keywords("die. die. die. kostet", {}, "en")).toContain("die");
  expect(await keywords("die. die. die. kostet", {}, "de")).toEqual(["kostet"]);
});

test("gives at most count keywords of at most maxWords words, of which none contains another", async () => {
  expect(await keywords(ENGLISH, { count: 2 })).toHaveLength(2);
  const found = await keywords(ENGLISH, { count: 50, maxWords: 1 });
  for (const one of found) expect(one).not.toContain(" ");
  for (const one of found) for (const other of found) if (one !== other) expect(` ${one.toLowerCase()} `).not.toContain(` ${other.toLowerCase()} `);
});

test("gives none for a text without words", async () => expect(await keywords(" 1, 2... \n the of")).toEqual([]));

test("takes a text of 6 MiB", async () => {
  let seed = 7;
  const words = Array.from({ length: 1_000_000 }, (_, i) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return `wo${((seed >> 8) % 20_000).toString(36).replace(/\d/g, "x")}${i % 9 === 8 ? "." : ""} `;
  });
  expect(await keywords(words.join(""))).toHaveLength(8);
});
