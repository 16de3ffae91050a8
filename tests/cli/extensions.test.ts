// Extensions from other folders, broken ones among them.
import { describe, expect } from "bun:test";
import { BOTH, finalOf, folderOf, melody, SALES, symphony, test, useCommand } from "./command.ts";

useCommand();

describe("extensions", () => {
  const broken = () =>
    folderOf({
      "not-toml/manifest.toml": "id = = 1",
      "unknown-key/manifest.toml": 'id = "mine"\nversion = "1.0.0"\nkind = "operator"\ncolour = "red"\n[outputs.x]\ntype = "text"\n',
      "taken/manifest.toml": 'id = "csv"\nversion = "9.0.0"\nkind = "operator"\n[outputs.x]\ntype = "text"\n',
      "unbuilt/manifest.toml": 'id = "unbuilt"\nversion = "1.0.0"\nkind = "operator"\n[outputs.x]\ntype = "text"\n',
      "no-extension/readme.md": "",
      "a file": "",
    });

  test("with a broken manifest are told and hinder nobody", async () => {
    const at = broken();
    const ended = await symphony(["run", SALES, "--json", "--extensions", at]);
    expect(finalOf(ended).state).toBe("completed");
    for (const part of ["not-toml", "it is not TOML (line 1", "unknown-key", '"colour" is no key here', 'the id "csv" is taken by']) expect(ended.stderr).toContain(part);
    expect(ended.stderr).not.toContain("no-extension");
    const list = await symphony(["ext", "list", "--json", "--extensions", at]);
    expect(list.code).toBe(2);
    expect(list.objects.map(({ id }) => id)).toEqual([
      "chat",
      "csv",
      "embed",
      "files",
      "http",
      "json-transform",
      "keywords",
      "language",
      "remember",
      "sign",
      "summarize",
      "template",
      "text-split",
      "unbuilt",
    ]);
    expect(list.objects.find(({ id }) => id === "csv")).toMatchObject({ version: expect.not.stringContaining("9.0.0") });
  }, 20_000);

  test("that aren't built fail with their code when they are used, and are no fault before", async () => {
    const file = melody({ outputs: { x: { type: "text" } }, nodes: [{ id: "one", kind: "operator", uses: "unbuilt" }], edges: [{ from: "one.x", to: "outputs.x" }] });
    const at = broken();
    expect((await symphony(["validate", file, "--extensions", at])).code).toBe(0);
    const ended = await symphony(["run", file, "--json", "--extensions", at]);
    expect(ended.code).toBe(1);
    expect(finalOf(ended).error).toMatchObject({ detail: "extension/unbuilt" });
  });

  test("that are a folder that isn't there are told", async () => {
    const { stdout, stderr } = await symphony(["ext", "list", "--extensions", "/nowhere/at/all"]);
    expect(stdout).toContain("csv ");
    expect(stderr).toContain("/nowhere/at/all");
  });

  for (const runtime of BOTH)
    test(`that ship are listed with ports and rights, on ${runtime}`, async () => {
      const { code, stdout } = await symphony(["ext", "list"], { runtime });
      expect(code).toBe(0);
      expect(stdout).toContain("files 0.1.0  operator");
      expect(stdout).toContain("read the folders that it is given");
      expect(stdout).toContain("compute, and nothing else");
    });
});
