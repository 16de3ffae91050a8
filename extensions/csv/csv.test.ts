import { expect, test } from "bun:test";
import { callExtension } from "../../tests/call.ts";

async function read(
  text: string,
  settings: Record<string, unknown> = {},
): Promise<{ rows: unknown[]; columns: unknown; error?: never } | { error: { kind: string; code: string; message: string; name?: string | undefined } }> {
  const result = await callExtension("csv", { text: { tag: "text", val: text } }, settings);
  if ("error" in result) return { error: result.error };
  const rows = (result.outputs.get("rows") as { val: { tag: string; val: string }[] }).val.map(({ val }) => JSON.parse(val) as unknown);
  expect(result.outputs.get("count")).toEqual({ tag: "number", val: rows.length });
  return { rows, columns: JSON.parse((result.outputs.get("columns") as { val: string }).val) };
}

const tables: [string, string, Record<string, unknown>, unknown[]][] = [
  [
    "plain cells",
    "a,b\n1,x\n2,y",
    {},
    [
      { a: 1, b: "x" },
      { a: 2, b: "y" },
    ],
  ],
  [
    "CRLF, CR and a last line break",
    "a,b\r\n1,x\r2,y\r\n",
    {},
    [
      { a: 1, b: "x" },
      { a: 2, b: "y" },
    ],
  ],
  ["a byte order mark", "\ufeffa\n1", {}, [{ a: 1 }]],
  [
    "quotes, doubled quotes and quoted breaks",
    'a,b\n"x ""y"" z","1\n2"\n"",""""',
    {},
    [
      { a: 'x "y" z', b: "1\n2" },
      { a: "", b: '"' },
    ],
  ],
  ["quoted delimiters and names", '"a,1",b\n"x,y",2', {}, [{ "a,1": "x,y", b: 2 }]],
  [
    "empty cells and empty lines",
    "a,b,c\n,,\n\n1,,3\n\n",
    {},
    [
      { a: "", b: "", c: "" },
      { a: 1, b: "", c: 3 },
    ],
  ],
  [
    "numbers only where JSON has them",
    'a\n01\n1.5e3\n-0\n+1\n1.\n.5\n 1\nNaN\n"7"\n1180591620717411303424',
    {},
    ["01", 1500, -0, "+1", "1.", ".5", " 1", "NaN", "7", 2 ** 70].map((a) => ({ a })),
  ],
  ["texts when numbers is false", "a\n1", { numbers: false }, [{ a: "1" }]],
  [
    "lists when header is false",
    "1,x\n2,y",
    { header: false },
    [
      [1, "x"],
      [2, "y"],
    ],
  ],
  ["a tab", "a\tb\n1,5\t2", { delimiter: "tab" }, [{ a: "1,5", b: 2 }]],
  ["a delimiter of one's own", "a;b\n1;2", { delimiter: ";" }, [{ a: 1, b: 2 }]],
  ["a guessed delimiter", '"a,b,c";d\n1;2', { delimiter: "auto" }, [{ "a,b,c": 1, d: 2 }]],
  ["characters that JSON escapes", 'a\n\\ \t \u0001 é 😀 "q', {}, [{ a: '\\ \t \u0001 é 😀 "q' }]],
  ["text after a closing quote", 'a,b\n"x"y,2', {}, [{ a: "xy", b: 2 }]],
  [
    "short rows when ragged is pad",
    "a,b,c\n1\n1,2",
    { ragged: "pad" },
    [
      { a: 1, b: "", c: "" },
      { a: 1, b: 2, c: "" },
    ],
  ],
  [
    "rows of any width when ragged is pad without a header",
    "1\n1,2\n",
    { ragged: "pad", header: false },
    [
      [1, ""],
      [1, 2],
    ],
  ],
  ["only a header", "a,b\n", {}, []],
  ["nothing", "", {}, []],
];
for (const [name, text, settings, rows] of tables) test(`reads ${name}`, async () => expect((await read(text, settings)) as unknown).toMatchObject({ rows }));

test("names the columns", async () => {
  expect(await read('a,"b ""c"""\n1,2')).toMatchObject({ columns: ["a", 'b "c"'] });
  expect(await read("1,2\n", { header: false })).toMatchObject({ columns: ["1", "2"] });
});

const faults: [string, string, Record<string, unknown>, string, string][] = [
  ["a quote that is never closed", 'a,b\n"1\n2",x\n"y,2\n', {}, "csv.unterminated-quote", "line 4"],
  ["one in the header", '"a', {}, "csv.unterminated-quote", "line 1"],
  ["a short row", 'a,b\n"1\n\n2",x\n5\n', {}, "csv.ragged-row", "Line 5 has 1 cell"],
  ["a long row", "a,b\n1,2,3\n", {}, "csv.ragged-row", "Line 2 has 3 cells"],
  ["a long row when ragged is pad", "a,b\n1,2,3\n", { ragged: "pad" }, "csv.ragged-row", "Line 2"],
  ["a name that stands twice", "a,b,a\n", {}, "csv.header", "column 3"],
  ["an empty name", "a,,b\n", {}, "csv.header", "column 2"],
  ["a delimiter of two characters", "a", { delimiter: ";;" }, "csv.delimiter", ";;"],
  ["a quote as delimiter", "a", { delimiter: '"' }, "csv.delimiter", "quote"],
];
for (const [name, text, settings, code, place] of faults) {
  test(`refuses ${name}`, async () => {
    const { error } = await read(text, settings);
    expect(error?.code).toBe(code);
    expect(error?.message).toContain(place);
  });
}

test("gives what was written, for random tables", async () => {
  let seed = 11;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  const pieces = ["", "a", '"', ",", "\n", "\r\n", "é", "😀", " ", "1", "\\", "\t"];
  for (let round = 0; round < 50; round++) {
    const width = 1 + random(4);
    const rows = Array.from({ length: 1 + random(6) }, () =>
      Array.from({ length: width }, () => `x${Array.from({ length: random(5) }, () => pieces[random(pieces.length)]).join("")}`),
    );
    const text = rows.map((row) => row.map((cell) => (/[",\r\n]/.test(cell) || random(3) === 0 ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")).join("\n");
    expect(await read(text, { header: false })).toMatchObject({ rows });
  }
});

test("takes 5 MiB", async () => {
  const text = `id,name,note\n${Array.from({ length: 130_000 }, (_, i) => `${i},name ${i},"a note, of ""${i}"""`).join("\n")}`;
  expect(text.length).toBeGreaterThan(4_900_000);
  const { rows } = (await read(text)) as { rows: unknown[] };
  expect(rows).toHaveLength(130_000);
  expect(rows[129_999]).toEqual({ id: 129_999, name: "name 129999", note: 'a note, of "129999"' });
});
