import { expect, test } from "bun:test";
import { callExtension } from "../../tests/call.ts";

async function fill(template: string, data?: unknown, settings: Record<string, unknown> = {}, items?: unknown[]): Promise<unknown> {
  const result = await callExtension(
    "template",
    {
      ...(data === undefined ? {} : { data: { tag: "json" as const, val: JSON.stringify(data) } }),
      ...(items ? { items: { tag: "items" as const, val: items.map((item) => ({ tag: "json" as const, val: JSON.stringify(item) })) } } : {}),
    },
    { template, ...settings },
  );
  if ("error" in result) return result.error;
  const value = result.outputs.get("text") ?? result.outputs.get("document");
  return (value as { val: unknown }).val;
}

const people = {
  people: [
    { name: "Bo", age: 3, team: { id: "x" } },
    { name: "Al", age: 12, team: { id: "y" } },
    { name: "Cy", team: { id: "y" } },
  ],
};

const cases: [string, string, unknown, string][] = [
  ["a value", "Hello {{ name }}!", { name: "Ünï 😀" }, "Hello Ünï 😀!"],
  ["a dotted path with an index", "{{a.b.1}}", { a: { b: [1, 2.5] } }, "2.5"],
  ["a missing value", "[{{a.b.c}}{{x}}]", { a: 1 }, "[]"],
  ["null, false, lists and objects", "{{a}}|{{b}}|{{c}}|{{d}}", { a: null, b: false, c: [1, "x"], d: { "e\n": 1 } }, '|false|[1,"x"]|{"e\\n":1}'],
  ["escapes of JSON", "{{a}}", { a: 'tab\t "q" \\ é 😀 \u0001' }, 'tab\t "q" \\ é 😀 \u0001'],
  ["a list", "{{#people}}{{@index}}. {{name}}; {{/people}}", people, "1. Bo; 2. Al; 3. Cy; "],
  ["a list of texts", "{{#tags}}<{{.}}>{{/tags}}", { tags: ["a", "b"] }, "<a><b>"],
  ["an object", "{{#a}}{{b}}{{top}}{{@key}}{{/a}}", { a: { b: 1 }, top: 2 }, "12a"],
  ["truthy and falsy scalars", "{{#a}}A{{/a}}{{#b}}B{{/b}}{{#c}}C{{/c}}{{#d}}D{{/d}}{{#e}}E{{/e}}", { a: 1, b: 0, c: "", d: "x", e: -0.0 }, "AD"],
  ["an inverted section", "{{^a}}none{{/a}}{{^b}}no{{/b}}", { a: [], b: [1] }, "none"],
  ["comments", "a{{! not }}b", {}, "ab"],
  ["lines of their own", "<\n  {{#a}}  \n- {{.}}\n{{/a}}\n{{! gone }}\n>", { a: [1, 2] }, "<\n- 1\n- 2\n>"],
  ["lines of their own with CRLF", "<\r\n{{#a}}\r\n- {{.}}\r\n{{/a}}\r\n>", { a: [1, 2] }, "<\r\n- 1\r\n- 2\r\n>"],
  ["a section within its line", "x {{#a}}y{{/a}} z\n", { a: true }, "x y z\n"],
  ["a closing tag as the last thing", "{{#a}}\nx\n{{/a}}", { a: true }, "x\n"],
  ["nested lists see outwards", "{{#a}}{{#b}}{{.}}{{n}}{{/b}}{{/a}}", { n: "!", a: [{ b: [1, 2] }, { b: [3] }] }, "1!2!3!"],
  ["length", "{{people | length}} {{word | length}} {{nothing | length}}", { ...people, word: "a😀" }, "3 2 0"],
  ["group", "{{#people | group team.id}}{{key}}:{{length}}{{#items}} {{name}}{{/items}};{{/people}}", people, "y:2 Al Cy;x:1 Bo;"],
  ["group by equal counts in code point order", "{{#a | group .}}{{key}}{{/a}}", { a: ["ﬀ", "😀", "b", "a"] }, "abﬀ😀"],
  ["sort by numbers with missing first", "{{#people | sort age}}{{name}}{{/people}} {{#people | sort age desc}}{{name}}{{/people}}", people, "CyBoAl AlBoCy"],
  ["join", '{{tags | join " + "}} {{tags | join}}', { tags: ["a", 1, null] }, "a + 1 +  a, 1, "],
  ["first and last", "{{a | first 2 | json}} {{a | last 1 | json}} {{w | first 2}}", { a: [1, 2, 3], w: "😀bc" }, "[1,2] [3] 😀b"],
  [
    "number",
    "{{a | number 2}} {{b | number 0}} {{c | number 1}} {{d | number 2}} {{e | number 3}}",
    { a: 1.005, b: 2.5, c: -0.04, d: 999.999, e: 1.5e-2 },
    "1.01 3 0.0 1000.00 0.015",
  ],
  ["sum", "{{people | sum age}} {{a | sum}} {{b | sum}} {{c | sum}}", { ...people, a: [0.1, 0.2], b: [], c: [1e300, 1] }, "15 0.3 0 1e+300"],
  [
    "markdown",
    "{{a | markdown}} {{b | markdown}} {{c | markdown}}",
    { a: "*x* [y](z)\n<b> a_b | #", b: "1. x", c: "- x" },
    "\\*x\\* \\[y\\](z) \\<b\\> a\\_b \\| \\# 1\\. x \\- x",
  ],
  ["upper and default", '{{a | upper}} {{b | default "none"}} {{c | default "empty"}} {{d | default "x"}}', { a: "straße", c: "", d: 0 }, "STRASSE none empty 0"],
  ["entries", "{{#a | entries}}{{@key}}={{value}};{{/a}}", { a: { z: 1, b: 2 } }, "z=1;b=2;"],
  ["literals", '{{"{{"}}x{{"}}"}}', {}, "{{x}}"],
  ["large numbers as they are written", "{{a}}", { a: 2 ** 69 }, String(2 ** 69)],
];
for (const [name, template, data, expected] of cases) test(`fills ${name}`, async () => expect(await fill(template, data)).toBe(expected));

test("sees the list at items beside data", async () => {
  expect(await fill("{{t}}{{#items}}{{a}}{{/items}}", { t: "=" }, {}, [{ a: 1 }, { a: 2 }])).toBe("=12");
  expect(await fill("{{items | sum a}}", undefined, {}, [{ a: 1 }, { a: 2 }])).toBe("3");
  expect(await fill("plain")).toBe("plain");
});

test("writes an artifact", async () => {
  expect(await fill("ä{{a}}", { a: 1 }, { as: "artifact", mediaType: "text/markdown" })).toMatchObject({ size: 3, mediaType: "text/markdown" });
});

const faults: [string, string][] = [
  ["{{#a}}", "line 1, column 1"],
  ["x\n y{{/a}}", "line 2, column 3"],
  ["{{#a}}{{#b}}{{/a}}{{/b}}", "line 1, column 13"],
  ["{{a", "line 1, column 1"],
  ["{{}}", "column 1"],
  ["{{a b}}", "column 1"],
  ["{{{a}}}", "column 1"],
  ["{{a..b}}", "column 1"],
  ["{{a | nothing}}", "no filter"],
  ["{{a | first}}", "argument"],
  ["{{a | first x}}", "whole number"],
  ['{{a | join "x}}', "not closed"],
  ["{{! x", "comment"],
  ["{{@foo}}", "@index"],
  ["{{#a}}".repeat(65) + "{{/a}}".repeat(65), "64"],
];
for (const [template, where] of faults) {
  test(`refuses ${template.slice(0, 30)}`, async () => {
    const error = (await fill(template, {})) as { code: string; message: string };
    expect(error).toMatchObject({ code: "template.syntax" });
    expect(error.message).toContain(where);
  });
}

test("refuses an output without end", async () => {
  const a = Array.from({ length: 1000 }, () => "x".repeat(100));
  expect(await fill("{{#a}}{{#a}}{{.}}{{/a}}{{/a}}", { a })).toMatchObject({ code: "template.too-long" });
});

test("takes a few MiB of data", async () => {
  const rows = Array.from({ length: 40_000 }, (_, i) => ({ id: i, name: `name ${i}`, tag: `t${i % 7}`, list: [1, 2, 3] }));
  expect(await fill("{{#rows | group tag}}{{key}}{{length}} {{/rows}}", { rows })).toBe("t05715 t15715 t25714 t35714 t45714 t55714 t65714 ");
});
