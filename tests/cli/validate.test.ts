// `symphony validate`, and files that are no melodies.
import { describe, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../platform.ts";
import { BOTH, DIGEST, folderOf, PUBLISH, SALES, symphony, test, useCommand } from "./command.ts";

useCommand();

const BAD = JSON.stringify({
  symphony: 1,
  id: "bad",
  nodes: [
    { id: "a", kind: "operator", uses: "fles" },
    { id: "b", kind: "operator", uses: "csv", settings: { header: "yes" }, inputs: { text: "x" } },
  ],
  edges: [{ from: "c.text", to: "b.text" }],
});
const BAD_FAULTS = ['nodes[0].uses: no extension "fles" is installed (did you mean "files"?)', "nodes[1].settings.header", 'there is no node "c"'];

describe("validate", () => {
  for (const runtime of BOTH)
    test(`says that the examples are sound, on ${runtime}`, async () => {
      const { code, stdout, stderr } = await symphony(["validate", DIGEST, PUBLISH, SALES], { runtime });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.trim().split("\n")).toHaveLength(3);
      for (const line of stdout.trim().split("\n")) expect(line).toMatch(/: sound, \d+ nodes, \d+ edges$/);
    });

  test("tells all faults of a bad melody together, and the others are still checked", async () => {
    const bad = join(folderOf({ "bad.json": BAD }), "bad.json");
    const { code, stdout, stderr } = await symphony(["validate", bad, SALES]);
    expect(code).toBe(2);
    for (const fault of BAD_FAULTS) expect(stderr).toContain(fault);
    expect(stdout).toBe(`${SALES}: sound, 4 nodes, 7 edges\n`);
  });

  test("gives one object a file with --json", async () => {
    const bad = join(folderOf({ "bad.json": BAD }), "bad.json");
    const { code, objects, stderr } = await symphony(["validate", bad, SALES, "--json"]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
    expect(objects).toMatchObject([
      { file: bad, sound: false },
      { file: SALES, sound: true, nodes: 4, edges: 7, faults: [] },
    ]);
    const faults = (objects[0] as { faults: { path: string; message: string }[] }).faults;
    expect(faults.length).toBeGreaterThanOrEqual(BAD_FAULTS.length);
    for (const { path, message } of faults) expect([typeof path, typeof message]).toEqual(["string", "string"]);
  });

  test("prints the JSON Schema of the format, which is the published one", async () => {
    const { code, stdout } = await symphony(["validate", "--schema"]);
    const schema = JSON.parse(stdout) as { type: string; properties: object; required: string[] };
    expect(code).toBe(0);
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(["symphony", "id", "inputs", "outputs", "nodes", "edges"]));
    expect(schema.required).toEqual(expect.arrayContaining(["symphony", "id", "nodes"]));
    const published = join(root, "docs/melody-1.schema.json");
    if (existsSync(published)) expect(JSON.parse(readFileSync(published, "utf8"))).toEqual(schema);
  });

  const UNREADABLE: [string, string, number, string][] = [
    ["a file that isn't there", "nowhere.json", 3, "nothing stands there"],
    ["a folder", ".", 3, "it is a folder"],
    ["a file that is no JSON", "text.json", 2, "it is not JSON"],
    ["an empty file", "empty.json", 2, "it is not JSON"],
    ["a binary file", "binary.json", 2, "it is not JSON"],
  ];
  for (const command of ["validate", "run"])
    for (const [what, name, exit, expected] of UNREADABLE)
      test(`${command} of ${what} ends with ${exit}`, async () => {
        const at = folderOf({ "text.json": "Once upon a time", "empty.json": "", "binary.json": "\0\u{1}\xff" });
        const { code, stdout, stderr } = await symphony([command, join(at, name)]);
        expect({ code, stdout }).toEqual({ code: exit, stdout: "" });
        expect(stderr).toContain(expected);
      });
});
