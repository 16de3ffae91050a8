// Steps that fail: what is said, and what the melody makes of it.
import { describe, expect } from "bun:test";
import { BOTH, finalOf, folderOf, melody, SALES, symphony, test, useCommand } from "./command.ts";

useCommand();

describe("a step that fails", () => {
  const ragged = () => folderOf({ "orders.csv": "order,region,amount,status\n1,north,2.5,open\n2,south\n" });

  test("is named with its code and the place", async () => {
    const { code, stdout, stderr } = await symphony(["run", SALES, "--input", `folder=${ragged()}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    for (const part of ["rows", "csv.ragged-row", "Line 3 has 2 cells"]) expect(stderr).toContain(part);
  }, 20_000);

  test("is named with its code and the place in JSON", async () => {
    const ended = await symphony(["run", SALES, "--json", "--input", `folder=${ragged()}`]);
    expect(ended.code).toBe(1);
    expect(ended.objects.find(({ event }) => event === "node.failed")).toMatchObject({ node: "rows", detail: "csv.ragged-row", message: expect.stringContaining("Line 3") });
    expect(finalOf(ended)).toMatchObject({ state: "failed", outputs: {}, error: { detail: "csv.ragged-row", message: expect.stringContaining("rows failed") } });
    expect(Object.keys(finalOf(ended))).toEqual(["run", "state", "outputs", "error"]);
  }, 20_000);

  test("in a map is named with its item", async () => {
    const file = melody({
      outputs: { counts: { type: "list<number>" } },
      nodes: [
        {
          id: "each",
          kind: "control",
          control: "map",
          over: "text",
          inputs: { items: ["a,b\n1,2\n", "a,b\n1\n"] },
          body: {
            inputs: { text: { type: "text" } },
            outputs: { count: { type: "number" } },
            nodes: [{ id: "rows", kind: "operator", uses: "csv" }],
            edges: [
              { from: "inputs.text", to: "rows.text" },
              { from: "rows.count", to: "outputs.count" },
            ],
          },
        },
      ],
      edges: [{ from: "each.count", to: "outputs.counts" }],
    });
    const ended = await symphony(["run", file, "--json"]);
    expect(ended.code).toBe(1);
    const failed = ended.objects.filter(({ event }) => event === "node.failed");
    expect(failed.map(({ node }) => node)).toEqual(["each/1/rows", "each"]);
    expect(finalOf(ended).error).toMatchObject({ detail: "csv.ragged-row" });
  }, 20_000);

  const SPARE = [{ a: 1, b: "" }];
  const RULES: [string, unknown, { code: number; state: string; outputs: object }][] = [
    ["stop: the run fails", "stop", { code: 1, state: "failed", outputs: {} }],
    ["continue: the run fails after all the rest", "continue", { code: 1, state: "failed", outputs: { later: 1 } }],
    ["skip: the run completes without it", "skip", { code: 0, state: "completed", outputs: { later: 1 } }],
    ["fallback: the run completes with what stands in", { fallback: "spare" }, { code: 0, state: "completed", outputs: { later: 1, rows: SPARE } }],
  ];
  for (const runtime of BOTH)
    for (const [what, onFailure, { code, ...expected }] of RULES)
      test(`${what}, on ${runtime}`, async () => {
        const fallback = typeof onFailure === "object";
        const file = melody({
          outputs: { rows: { type: "list<json>", optional: true }, later: { type: "number", optional: true } },
          nodes: [
            { id: "rows", kind: "operator", uses: "csv", inputs: { text: "a,b\n1\n" }, onFailure },
            ...(fallback ? [{ id: "spare", kind: "operator", uses: "csv", settings: { ragged: "pad" } }] : []),
            // far behind the failure
            { id: "wait", kind: "control", control: "delay", delayMs: 300, inputs: { value: "x,y\n1,2\n" } },
            { id: "later", kind: "operator", uses: "csv" },
          ],
          edges: [
            { from: "rows.rows", to: "outputs.rows" },
            { from: "wait.value", to: "later.text" },
            { from: "later.count", to: "outputs.later" },
          ],
        });
        const ended = await symphony(["run", file, "--json"], { runtime });
        expect({ code: ended.code, state: finalOf(ended).state, outputs: finalOf(ended).outputs }).toEqual({ code, ...expected } as never);
      }, 20_000);
});
