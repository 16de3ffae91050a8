// Inputs of a run and the folders that they grant.
import { describe, expect } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { BOTH, finalOf, folderOf, melody, SALES, symphony, test, useCommand } from "./command.ts";

useCommand();

describe("inputs", () => {
  const typed = () =>
    melody({
      inputs: {
        text: { type: "text", description: "What is read." },
        header: { type: "boolean", required: false },
        rows: { type: "list<number>", required: false },
        place: { type: "folder", required: false },
      },
      outputs: { count: { type: "number" } },
      nodes: [{ id: "rows", kind: "operator", uses: "csv" }],
      edges: [
        { from: "inputs.text", to: "rows.text" },
        { from: "rows.count", to: "outputs.count" },
      ],
    });

  const WRONG: [string, string[], string][] = [
    ["that are missing", [], "input text: it is missing; give it with --input text=... (text: What is read.)"],
    ["that are unknown", ["text=x", "txet=y"], 'the melody has no input "txet" (did you mean "text"?)'],
    ["that are unknown and like none", ["text=x", "colour=y"], "it has text, header, rows, place"],
    ["of the wrong type", ["text=x", "header=perhaps"], 'input header: "perhaps" is not of type boolean; expected true or false'],
    ["with a list of the wrong type", ["text=x", 'rows=[1,"two"]'], "is not of type list<number>"],
    ["without a value", ["text"], '--input "text": expected NAME=VALUE'],
    ["given twice", ["text=x", "text=y"], "it is given twice"],
    ["from a file that isn't there", ["text=@/nowhere/at/all"], '"/nowhere/at/all"'],
    ["with a folder that isn't there", ["text=x", "place=/nowhere/at/all"], '"/nowhere/at/all" isn\'t there; expected a folder'],
    ["with a folder that is a file", ["text=x", `place=${SALES}`], "is no folder"],
  ];
  for (const [what, given, expected] of WRONG)
    test(`${what} end with 2 before anything runs`, async () => {
      const { code, stdout, stderr } = await symphony(["run", typed(), ...given.flatMap((one) => ["--input", one])]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain(expected);
      expect(stderr).toStartWith("melody/input: ");
    });

  test("that are wrong are told all together", async () => {
    const { stderr } = await symphony(["run", typed(), "--input", "header=perhaps", "--input", "colour=red"]);
    for (const part of ["input text:", "input header:", "input colour:"]) expect(stderr).toContain(part);
  });

  test("with @ come from a file", async () => {
    const table = join(folderOf({ "a table.csv": "a,b\n1,2\n3,4\n5,6\n" }), "a table.csv");
    const ended = await symphony(["run", typed(), "--json", "--input", `text=@${table}`]);
    expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { count: 3 } });
  }, 20_000);

  test("may hold equals signs and lines", async () => {
    const ended = await symphony(["run", typed(), "--json", "--input", "text=a=b,c\n1,2"]);
    expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { count: 1 } });
  }, 20_000);
});

describe("a folder", () => {
  const listing = (preset: string) =>
    JSON.stringify({
      symphony: 1,
      id: "listing",
      inputs: { folder: { type: "folder", default: preset } },
      outputs: { paths: { type: "list<text>" } },
      nodes: [{ id: "files", kind: "operator", uses: "files" }],
      edges: [
        { from: "inputs.folder", to: "files.folder" },
        { from: "files.paths", to: "outputs.paths" },
      ],
    });
  const project = (preset: string): string => {
    const at = folderOf({ "outside/note.md": "x", "project/symphony.toml": "", "project/docs/page.md": "x", "project/melodies/deep/melody.json": listing(preset) });
    symlinkSync("../outside", join(at, "project/link"));
    return at;
  };
  const MELODY = "project/melodies/deep/melody.json";

  test("named by a melody is granted inside its project", async () => {
    const ended = await symphony(["run", join(project("../../docs"), MELODY), "--json"]);
    expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { paths: ["page.md"] } });
  }, 20_000);

  for (const [what, preset] of [
    ["by steps upwards", "../../../outside"],
    ["through a link", "../../link"],
    ["by an absolute path", "/usr"],
    ["above its project", "../../.."],
  ] as const)
    for (const runtime of BOTH)
      test(`named by a melody ${what} outside its project is refused on ${runtime}`, async () => {
        const { code, stdout, stderr } = await symphony(["run", join(project(preset), MELODY)], { runtime });
        expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
        expect(stderr).toContain("leads out of the melody's project");
        expect(stderr).toContain("give the folder on the command line");
      });

  test("outside the project is granted when a person gives it", async () => {
    const at = project("../../../outside");
    for (const path of [join(at, "outside"), join(at, "project/link")]) {
      const ended = await symphony(["run", join(at, MELODY), "--json", "--input", `folder=${path}`]);
      expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { paths: ["note.md"] } });
    }
    const relative = await symphony(["run", MELODY, "--json", "--input", "folder=outside"], { cwd: at });
    expect(finalOf(relative)).toMatchObject({ state: "completed", outputs: { paths: ["note.md"] } });
  }, 20_000);

  test("without a project around it is the melody's own at most", async () => {
    const at = folderOf({ "outside/note.md": "x", "own/melody.json": listing("../outside"), "own/sound.json": listing(".") });
    expect((await symphony(["run", join(at, "own/melody.json")])).code).toBe(2);
    expect(finalOf(await symphony(["run", join(at, "own/sound.json"), "--json"]))).toMatchObject({ outputs: { paths: ["melody.json", "sound.json"] } });
  }, 20_000);
});
