import { expect, test } from "bun:test";
import { callExtension } from "../../tests/call.ts";

async function search(expression: string, data: unknown, asItems = false): Promise<unknown> {
  const json = (value: unknown): { tag: "json"; val: string } => ({ tag: "json", val: JSON.stringify(value) });
  const result = await callExtension("json-transform", data === undefined ? {} : asItems ? { items: { tag: "items", val: (data as unknown[]).map(json) } } : { data: json(data) }, {
    expression,
  });
  if ("error" in result) return result.error;
  const found = JSON.parse((result.outputs.get("result") as { val: string }).val) as unknown;
  const items = result.outputs.get("items") as { val: { val: string }[] } | undefined;
  expect(items?.val.map(({ val }) => JSON.parse(val) as unknown)).toEqual(Array.isArray(found) ? found : undefined);
  return found;
}

const people = {
  people: [
    { name: "Bo", age: 30, city: { id: "x" } },
    { name: "Al", age: 10, city: { id: "y" } },
    { name: "Cü 😀", age: 40 },
  ],
};

const cases: [string, unknown, unknown][] = [
  [
    "people[?age > `20`].{name: name, city: city.id}",
    people,
    [
      { name: "Bo", city: "x" },
      { name: "Cü 😀", city: null },
    ],
  ],
  ["sort_by(people, &age)[*].name", people, ["Al", "Bo", "Cü 😀"]],
  ["people[-1].name", people, "Cü 😀"],
  ["sum(people[].age)", people, 80],
  ["people[].city.id | [0]", people, "x"],
  ["nothing.at.all", people, null],
  ["@", null, null],
  ["@", [1, "a", null], [1, "a", null]],
  ["join(', ', people[].name)", people, "Bo, Al, Cü 😀"],
  ["length(@)", "abc", 3],
  ["people[?name == 'it\\'s'] | length(@)", people, 0],
  [
    "people[::-1].{n: name, list: [age]}",
    people,
    [
      { n: "Cü 😀", list: [40] },
      { n: "Al", list: [10] },
      { n: "Bo", list: [30] },
    ],
  ],
  ["sort(@)", [10, 9, 1, -1, 100], [-1, 1, 9, 10, 100]],
  ["sort(@)", ["b", "😀", "｡", "a"], ["a", "b", "｡", "😀"]],
  ["sort_by(@, &a)[].a", [{ a: 10 }, { a: 9 }, { a: 1 }], [1, 9, 10]],
  ["[toString, constructor, valueOf, hasOwnProperty]", { a: 1 }, [null, null, null, null]],
  ["a.constructor", { a: {} }, null],
  ["[max_by(@, &s).s, min_by(@, &s).s]", [{ s: "b" }, { s: "a" }, { s: "é" }], ["é", "a"]],
  ["[max_by(@, &@), min_by(@, &@)]", [0, -1, -5], [0, -5]],
  ["max_by(@, &a)", [], null],
  ["[length(@), reverse(@)]", "a😀b", [3, "b😀a"]],
  ["[to_number(''), to_number('0x10'), to_number('-1.5e2'), to_number(' 1')]", null, [null, null, -150, null]],
];
for (const [expression, data, expected] of cases) test(`evaluates ${expression} over ${typeof data}`, async () => expect(await search(expression, data)).toEqual(expected));

test("evaluates over the list at items when data is left out", async () => expect(await search("[?a > `1`]", [{ a: 1 }, { a: 2 }], true)).toEqual([{ a: 2 }]));

const faults: [string, unknown, string, string][] = [
  ["people[", people, "json-transform.syntax", "people["],
  ["a..b", people, "json-transform.syntax", "a..b"],
  ["'open", people, "json-transform.syntax", "' at character 1"],
  ['people[?name == `"x]', people, "json-transform.syntax", "` at character 17"],
  ["people[*].", people, "json-transform.syntax", "EOF"],
  ["", people, "json-transform.syntax", "EOF"],
  ["people[::0]", people, "json-transform.expression", "step"],
  ["nothing(@)", people, "json-transform.expression", "nothing"],
  ["{__proto__: people}", people, "json-transform.syntax", "__proto__"],
  ["length()", people, "json-transform.expression", "length"],
  ["abs(@)", people, "json-transform.type", "abs"],
  ["a", undefined, "json-transform.nothing", "data"],
];
for (const [expression, data, code, place] of faults) {
  test(`fails with ${code} on ${expression}`, async () => {
    const error = (await search(expression, data)) as { code: string; message: string };
    expect(error.code).toBe(code);
    expect(error.message).toContain(place);
  });
}

test("goes on after a failed call", async () => {
  await search("abs(@)", people);
  expect(await search("people[0].age", people)).toBe(30);
});

test("takes 3 MiB", async () => {
  const rows = Array.from({ length: 40_000 }, (_, i) => ({ id: i, name: `name ${i}`, tags: ["a", `t${i % 7}`], nested: { on: i % 2 === 0 } }));
  expect(await search("length([?nested.on && contains(tags, 't3')])", rows)).toBe(2857);
});
