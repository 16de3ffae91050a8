// `symphony run`: what it prints, with and without --json, what it copies, and the digest on both runtimes.
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCorpus } from "../corpus.ts";
import { root } from "../platform.ts";
import {
  BOTH,
  CORPUS_FILES,
  DIGEST,
  digested,
  filesBelow,
  finalOf,
  folder,
  folderOf,
  GUESTS,
  LOOP,
  place,
  SALES,
  SECRET,
  start,
  symphony,
  test,
  TEST_MS,
  useCommand,
  warmHome,
} from "./command.ts";

useCommand();

test("the corpus is the same each time for the same seed, and another for another", () => {
  const bytesOf = (seed: number): string => {
    const { folder: at, paths } = createCorpus(join(folder(), "corpus"), { seed, files: CORPUS_FILES });
    return JSON.stringify(paths.sort().map((path) => [path, readFileSync(join(at, path), "base64")]));
  };
  const first = bytesOf(3);
  expect(bytesOf(3)).toBe(first);
  expect(bytesOf(4)).not.toBe(first);
});

describe("digest", () => {
  test(
    "gives the same report on Bun and on Deno",
    async () => {
      const [bun, onDeno] = [await digested("bun"), await digested("deno")];
      expect([bun.code, onDeno.code]).toEqual([0, 0]);
      expect(finalOf(bun).outputs).toMatchObject({ report: { artifact: expect.stringMatching(/^[0-9a-f]{64}$/), mediaType: "text/markdown" } });
      expect(finalOf(onDeno).outputs).toEqual(finalOf(bun).outputs);
      expect(readFileSync(join(onDeno.out, "report.md"), "utf8")).toBe(readFileSync(join(bun.out, "report.md"), "utf8"));
    },
    TEST_MS,
  );

  test(
    "has every file once, and nothing that a link leads to",
    async () => {
      const { out } = await digested("bun");
      const report = readFileSync(join(out, "report.md"), "utf8");
      expect(report).toMatch(new RegExp(`\\b${CORPUS_FILES} files\\b`));
      // a heading for each, or a line in a list where there is nothing to say
      expect(report.match(/^(### |- )/gm)).toHaveLength(CORPUS_FILES);
      expect(report).not.toContain(SECRET);
      expect(report).not.toContain("leads out");
      expect(report.match(/Only the beginning was read/g)).toHaveLength(1);
      for (const file of filesBelow(place.home)) expect(readFileSync(file).includes(SECRET)).toBe(false);
    },
    TEST_MS,
  );

  test(
    "names the keywords of a file once",
    async () => {
      const { out } = await digested("bun");
      for (const section of readFileSync(join(out, "report.md"), "utf8").split(/^### /m).slice(1))
        expect((section.match(/\*\*Keywords:\*\*/g) ?? []).length).toBeLessThanOrEqual(1);
    },
    TEST_MS,
  );

  test(
    "holds no absolute path, no time and no control characters",
    async () => {
      const { out } = await digested("bun");
      const report = readFileSync(join(out, "report.md"), "utf8");
      for (const path of [place.space, root, tmpdir(), "/proc/self"]) expect(report).not.toContain(path);
      expect(report).not.toMatch(/\b20\d\d-\d\d-\d\d|\b\d\d:\d\d:\d\d/);
      expect(report).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/);
    },
    TEST_MS,
  );

  test(
    "survives names that paths can't hold, and tells the rest",
    async () => {
      const at = folderOf({ "good.md": "The keeper of the lighthouse remembers the price of salt.", "back\\slash.md": "An old sailor could not find the map." });
      writeFileSync(Buffer.from(`${at}/not-utf8-\xff.md`, "latin1"), "not to be named");
      const ended = await symphony(["run", DIGEST, "--input", `folder=${at}`, "--json"]);
      expect(finalOf(ended)).toMatchObject({ state: "completed" });
      const { artifact } = (finalOf(ended).outputs as { report: { artifact: string } }).report;
      const { stdout } = await symphony(["artifacts", "get", artifact]);
      expect(stdout).toContain("good.md");
    },
    TEST_MS,
  );
});

describe("with --json", () => {
  for (const runtime of BOTH)
    test(
      `every line is an event that names its run, numbered without gaps, on ${runtime}`,
      async () => {
        const { objects, stderr } = await digested(runtime);
        expect(stderr).toBe("");
        const events = objects.slice(0, -1);
        expect(events.length).toBeGreaterThan(CORPUS_FILES * 6);
        expect(events.map(({ n }) => n)).toEqual(events.map((_, index) => index));
        expect(new Set(objects.map(({ run }) => run)).size).toBe(1);
        expect(events[0]).toMatchObject({ event: "run.started", melody: "digest" });
        expect(events.at(-1)).toMatchObject({ event: "run.ended", state: "completed" });
        for (const { event } of events) expect(event).toMatch(/^(run|node)\.[a-z]+$/);
      },
      TEST_MS,
    );

  test(
    "the last line is run, state and outputs with hashes, and holds no path and no time",
    async () => {
      const ended = await digested("bun");
      const final = finalOf(ended);
      expect(Object.keys(final)).toEqual(["run", "state", "outputs"]);
      expect(final.state).toBe("completed");
      expect(Object.keys(final.outputs["report"] as object).sort()).toEqual(["artifact", "mediaType", "size"]);
      const line = ended.stdout.trimEnd().split("\n").at(-1) as string;
      expect(line).not.toContain(place.space);
      expect(line).not.toMatch(/\b20\d\d-\d\d-\d\d|\b1[6-9]\d{11}\b/);
    },
    TEST_MS,
  );

  test("values come with their content", async () => {
    const ended = await symphony(["run", SALES, "--json"]);
    expect(ended.code).toBe(0);
    const { open } = finalOf(ended).outputs as { open: { order: unknown; amount: number }[] };
    expect(open.length).toBeGreaterThan(0);
    expect(open.map(({ amount }) => amount)).toEqual(open.map(({ amount }) => amount).sort((a, b) => b - a));
  }, 20_000);

  test("nothing stands on standard output when the run can't begin", async () => {
    const ended = await symphony(["run", SALES, "--json", "--input", "tabel=x"]);
    expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: "" });
  });

  test("lines are written when they happen", async () => {
    const running = start(["run", LOOP(), ...GUESTS, "--json"]);
    await running.until((stdout) => stdout.includes('"node.started"'));
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(130);
  }, 20_000);
});

describe("without --json", () => {
  test(
    "standard output holds the outputs, standard error what happened, and neither an escape sequence",
    async () => {
      const variables: Record<string, string>[] = [{}, { NO_COLOR: "1" }, { FORCE_COLOR: "1" }, { TERM: "dumb" }];
      for (const { code, stdout, stderr } of await Promise.all(variables.map((env) => symphony(["run", SALES], { env })))) {
        expect(code).toBe(0);
        expect(stdout).toMatch(/^report: text\/markdown, [\d.]+ k?B, symphony artifacts show [0-9a-f]{12}\nopen: \[.*\]\n$/);
        for (const node of ["read", "rows", "open", "report"]) expect(stderr).toMatch(new RegExp(`^${node}: done  (\\d+ ms|[\\d.]+ s)$`, "m"));
        expect(stderr).toMatch(/^completed in \d/m);
        expect(stdout + stderr).not.toContain("\x1b");
      }
    },
    TEST_MS,
  );

  test("--quiet leaves out the progress", async () => {
    const { code, stderr } = await symphony(["run", SALES, "--quiet"]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^(completed in .*\n)?$/);
  }, 20_000);
});

describe("--out", () => {
  test("copies every output in its own form", async () => {
    const out = join(folder(), "new/and/deep");
    expect((await symphony(["run", SALES, "--out", out])).code).toBe(0);
    expect(readdirSync(out).sort()).toEqual(["open.json", "report.md"]);
    expect(Array.isArray(JSON.parse(readFileSync(join(out, "open.json"), "utf8")))).toBe(true);
    expect(readFileSync(join(out, "report.md"), "utf8")).toStartWith("# Sales by region");
  }, 20_000);

  test("where nothing can be written ends with 3 before anything runs", async () => {
    const file = join(folderOf({ file: "" }), "file");
    const { code, stdout, stderr } = await symphony(["run", SALES, "--json", "--out", join(file, "out")]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain("cli/io: Cannot copy outputs to");
  }, 20_000);

  for (const json of [true, false])
    test(`where one output can't be written ends with 3, and all are told, ${json ? "with" : "without"} --json`, async () => {
      const own = warmHome();
      const out = folder();
      mkdirSync(join(out, "report.md"));
      const ended = await symphony(["run", SALES, "--out", out, ...(json ? ["--json"] : [])], { home: own });
      expect(ended.code).toBe(3);
      expect(ended.stderr).toContain("cli/io: Cannot copy the outputs");
      if (json) expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { report: { mediaType: "text/markdown" } } });
      else expect(ended.stdout).toMatch(/^open: \[/m);
      expect((await symphony(["artifacts", "list"], { home: own })).stdout).toContain("text/markdown");
    }, 20_000);

  test("is left alone by a run that fails", async () => {
    const out = join(folder(), "out");
    expect((await symphony(["run", SALES, "--out", out, "--input", "table=nowhere.csv"])).code).toBe(1);
    expect(existsSync(out)).toBe(false);
  }, 20_000);
});
