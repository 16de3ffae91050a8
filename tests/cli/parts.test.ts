// Parts of melodies, memory of results, dry runs, explanations, history, comparison and pictures, by the real command.
import { describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOTH, type Ended, finalOf, folder, folderOf, melody, PUBLISH, SALES, start, symphony, test, useCommand, warmHome } from "./command.ts";

useCommand();

const TEST_MS = 60_000;

interface Told {
  event?: string;
  node?: string;
  hit?: boolean;
  why?: string;
  explain?: { node: string; ran: boolean; why: string };
}
const told = ({ objects }: Ended): Told[] => objects as Told[];
const explained = (ended: Ended): Record<string, [boolean, string]> =>
  Object.fromEntries(told(ended).flatMap(({ explain }) => (explain ? [[explain.node, [explain.ran, explain.why] as [boolean, string]]] : [])));
const hits = (ended: Ended): (string | undefined)[] => told(ended).flatMap(({ event, hit, node }) => (event === "node.memory" && hit ? [node] : []));
/** The final object stands before the explanations. */
const endOf = (ended: Ended): { run: string; state: string; outputs: Record<string, unknown> } =>
  ended.objects.find((one) => "outputs" in one && "state" in one && !("event" in one)) as never;

const orders = "order,region,amount,status\n1,north,2.5,open\n2,south,1,closed\n";

describe("memory", () => {
  for (const [first, second] of [
    ["bun", "deno"],
    ["deno", "bun"],
  ] as const)
    test(
      `what ${first} ran, ${second} takes from the store, and what changed is run and said`,
      async () => {
        const home = warmHome();
        const files = folderOf({ "orders.csv": orders });
        const run = (runtime: "bun" | "deno", ...more: string[]) =>
          symphony(["run", SALES, "--input", `folder=${files}`, "--json", "--explain", ...more], { home, runtime, memory: true });
        const one = await run(first);
        expect(hits(one)).toEqual([]);
        const two = await run(second);
        expect(hits(two).sort()).toEqual(["open", "report", "rows"]);
        expect(endOf(two).outputs).toEqual(endOf(one).outputs);
        const why = explained(two);
        expect(why["read"]).toEqual([true, "files doesn't declare itself pure"]);
        expect(why["rows"]).toEqual([false, `its answer was kept: component, settings and inputs are those of run ${endOf(one).run.slice(0, 8)}`]);
        // the same rows in another file: only what hangs on what changed is run
        writeFileSync(join(files, "orders.csv"), `${orders}\n`);
        const three = explained(await run(first));
        expect(three["rows"]).toEqual([true, `its input text changed since run ${endOf(one).run.slice(0, 8)}`]);
        expect(three["report"]?.[0]).toBe(false);
        const fresh = explained(await run(second, "--fresh"));
        expect(Object.values(fresh).map(([ran]) => ran)).toEqual([true, true, true, true]);
      },
      TEST_MS,
    );

  test(
    "an artifact that is gone is made again, and a damaged store is put aside",
    async () => {
      const home = warmHome();
      const run = () => symphony(["run", SALES, "--json", "--explain"], { home, memory: true });
      const one = endOf(await run());
      const { artifact } = one.outputs["report"] as { artifact: string };
      const { rmSync } = await import("node:fs");
      rmSync(join(home, "artifacts", artifact.slice(0, 2), artifact));
      const two = await run();
      expect(explained(two)["report"]).toEqual([true, "what it gave before isn't stored any more"]);
      expect(endOf(two).outputs).toEqual(one.outputs);
      for (const name of readdirSync(join(home, "cache")))
        if (name.startsWith("answers")) writeFileSync(join(home, "cache", name), "this is no database, however long it may be ".repeat(200));
      const three = await run();
      expect([three.code, hits(three)]).toEqual([0, []]);
      expect(existsSync(join(home, "cache/answers.sqlite.damaged"))).toBe(true);
    },
    TEST_MS,
  );

  test(
    "a node that is resumed by --from is run again, whatever is kept",
    async () => {
      const home = warmHome();
      const { run } = endOf(await symphony(["run", SALES, "--json"], { home, memory: true }));
      const again = await symphony(["resume", run, "--from", "rows", "--json", "--explain"], { home, memory: true });
      expect(explained(again)["rows"]).toEqual([true, "it is to be run again"]);
      expect(hits(again)).toEqual([]);
    },
    TEST_MS,
  );
});

describe("a part", () => {
  for (const runtime of BOTH)
    test(
      `runs up to a node, from a node with an earlier run's data, and with pins, on ${runtime}`,
      async () => {
        const home = warmHome();
        const whole = await symphony(["run", SALES, "--json"], { home, runtime });
        const to = await symphony(["run", SALES, "--to", "rows", "--json", "--explain"], { home, runtime });
        expect([to.code, endOf(to).state, endOf(to).outputs]).toEqual([0, "completed", {}]);
        expect(explained(to)["report"]).toEqual([false, "it is no part of what was asked for"]);
        const from = await symphony(["run", SALES, "--from", "report", "--data", finalOf(whole).run, "--json", "--explain"], { home, runtime });
        expect(endOf(from).outputs).toEqual({ report: finalOf(whole).outputs["report"] });
        expect(explained(from)["rows"]).toEqual([false, `its outputs were taken from run ${finalOf(whole).run.slice(0, 8)}`]);
        const pinned = await symphony(
          [
            "run",
            SALES,
            "--from",
            "open",
            "--pin",
            'rows.rows=[{"order":"9","region":"x","amount":1,"status":"open"}]',
            "--pin",
            "rows.columns=[]",
            "--pin",
            "rows.count=1",
            "--json",
          ],
          { home, runtime },
        );
        expect(finalOf(pinned).outputs).toEqual({ open: [{ order: "9", region: "x", amount: 1 }] });
        // a resume is of the same part
        expect(finalOf(await symphony(["resume", finalOf(pinned).run, "--from", "open", "--json"], { home, runtime }))).toEqual(finalOf(pinned));
      },
      TEST_MS,
    );

  const WRONG: [string, string[], string][] = [
    ["an unknown node", ["--to", "rwos"], 'the melody has no node "rwos" (did you mean "rows"?)'],
    ["an unknown port", ["--pin", "rows.row=[]"], 'rows has no output port "row" (did you mean "rows"?)'],
    ["a value of the wrong type", ["--pin", "rows.count=many"], '--pin rows.count: "many" is not of type number'],
    ["a pin without a value", ["--pin", "rows"], '"rows": expected NODE.PORT=VALUE'],
    ["a pin that lacks a port", ["--pin", "rows.count=1"], "rows is pinned without its output rows"],
    ["nothing given for what comes before", ["--from", "report"], "pin its outputs with --pin rows."],
    ["an unknown run", ["--from", "report", "--data", "0000"], 'Cannot find the run "0000"'],
    ["data for no part", ["--data", "0000"], "Cannot use --data alone"],
  ];
  for (const [what, args, expected] of WRONG)
    test(`with ${what} is refused`, async () => {
      const { code, stderr } = await symphony(["run", SALES, ...args]);
      expect([code, stderr.includes(expected)]).toEqual([2, true]);
    });
});

/** Splits by a number, and joins what arrives. */
function branching(cases: [string, string][], type = "number"): string {
  return melody({
    inputs: { x: { type } },
    outputs: { end: { type: "json" } },
    nodes: [
      { id: "which", kind: "control", control: "branch", cases: cases.map(([name, when]) => ({ name, when })) },
      ...cases.map(([name]) => ({ id: `d-${name}`, kind: "control", control: "delay", delayMs: 1 })),
      { id: "m", kind: "control", control: "merge", mode: "object" },
    ],
    edges: [
      { from: "inputs.x", to: "which.value" },
      ...cases.flatMap(([name]) => [
        { from: `which.${name}`, to: `d-${name}.value` },
        { from: `d-${name}.value`, to: `m.${name}` },
      ]),
      { from: "m.value", to: "outputs.end" },
    ],
  });
}

test(
  "data of an earlier run goes by the names of ports and their types, and knows what was skipped",
  async () => {
    const home = folder();
    const run = async (file: string, ...more: string[]) => symphony(["run", file, "--input", "x=3", "--json", ...more], { home });
    const lowFirst = branching([
      ["lo", "value < 5.0"],
      ["hi", "value >= 5.0"],
    ]);
    const whole = finalOf(await run(lowFirst));
    expect(whole.outputs).toEqual({ end: { lo: 3 } });
    expect(finalOf(await run(lowFirst, "--from", "m", "--data", whole.run)).outputs).toEqual({ end: { lo: 3 } });
    const swapped = branching([
      ["hi", "value >= 5.0"],
      ["lo", "value < 5.0"],
    ]);
    expect(finalOf(await run(swapped, "--from", "d-lo", "--from", "d-hi", "--data", whole.run)).outputs).toEqual({ end: { lo: 3 } });
    const other = branching(
      [
        ["lo", "size(value) < 5"],
        ["hi", "size(value) > 9"],
      ],
      "text",
    );
    const refused = await run(other, "--from", "d-lo", "--from", "d-hi", "--data", whole.run);
    expect([refused.code, refused.stderr.includes("which gave number as lo in the run")]).toEqual([2, true]);
    const nothing = await run(lowFirst, "--from", "d-hi", "--to", "d-lo");
    expect([nothing.code, nothing.stderr.includes("nothing is left to run")]).toEqual([2, true]);
    const unknown = await run(lowFirst, "--pin", `m.value={"artifact":"${"a".repeat(64)}"}`, "--pin", "m.value=1");
    expect([unknown.code, unknown.stderr.includes("given twice")]).toEqual([2, true]);
  },
  TEST_MS,
);

test(
  "what nobody may keep or read fails no run: databases that are damaged inside, emptied, or held by another process",
  async () => {
    const { DatabaseSync } = await import("node:sqlite");
    const home = warmHome();
    const run = () => symphony(["run", SALES, "--json"], { home, memory: true });
    const one = finalOf(await run());
    const spoil = (name: string): void => {
      const file = join(home, name);
      const whole = new DatabaseSync(file);
      whole.exec("PRAGMA journal_mode = DELETE; VACUUM");
      whole.close();
      const bytes = readFileSync(file);
      bytes.fill(0x5a, 4096);
      writeFileSync(file, bytes);
    };
    spoil("cache/answers.sqlite");
    spoil("history.sqlite");
    const two = await run();
    expect([two.code, finalOf(two).outputs]).toEqual([0, one.outputs]);
    expect((await symphony(["runs", "list", "--json"], { home })).objects).toHaveLength(2);
    const emptied = new DatabaseSync(join(home, "history.sqlite"));
    emptied.exec("DROP TABLE node; DROP TABLE run");
    emptied.close();
    expect((await symphony(["runs", "list", "--json"], { home })).objects).toHaveLength(2);
    const held = new DatabaseSync(join(home, "cache/answers.sqlite"));
    held.exec("BEGIN IMMEDIATE");
    try {
      const three = await symphony(["run", SALES, "--json"], { home });
      expect([three.code, finalOf(three).outputs]).toEqual([0, one.outputs]);
    } finally {
      held.close();
    }
    const lists = await Promise.all(Array.from({ length: 4 }, () => symphony(["runs", "list", "--json"], { home })));
    expect(lists.map(({ code, objects }) => [code, objects.length])).toEqual(lists.map(() => [0, 3]));
  },
  TEST_MS,
);

test(
  "--fresh holds for the resume of a run that was killed",
  async () => {
    const home = warmHome();
    const file = melody({
      inputs: { text: { type: "text", default: "a\n1\n" } },
      outputs: { count: { type: "number" } },
      nodes: [
        { id: "wait", kind: "control", control: "delay", delayMs: 700 },
        { id: "rows", kind: "operator", uses: "csv" },
      ],
      edges: [
        { from: "inputs.text", to: "wait.value" },
        { from: "wait.value", to: "rows.text" },
        { from: "rows.count", to: "outputs.count" },
      ],
    });
    await symphony(["run", file, "--json"], { home, memory: true });
    const killed = start(["run", file, "--json", "--fresh"], { home, memory: true });
    await killed.until((stdout) => stdout.includes("node.waiting"));
    killed.child.kill("SIGKILL");
    const { stdout } = await killed.ended;
    const run = /"run":"([0-9a-f-]{36})"/.exec(stdout)?.[1] as string;
    const resumed = await symphony(["resume", run, "--json", "--explain"], { home, memory: true });
    expect(explained(resumed)["rows"]).toEqual([true, "kept answers are not to be taken"]);
  },
  TEST_MS,
);

test(
  "--dry-run tells order, rights and expected times, and runs nothing",
  async () => {
    const home = warmHome();
    await symphony(["run", SALES, "--quiet"], { home });
    const before = readdirSync(join(home, "runs"));
    const { code, stdout } = await symphony(["run", SALES, "--dry-run", "--to", "rows"], { home });
    expect(code).toBe(0);
    expect(stdout).toContain("read the folders that it is given");
    expect(stdout).toContain("2 of 4 nodes in 2 waves; at least");
    expect(stdout).toContain("would be granted as folder");
    const [dry] = (await symphony(["run", PUBLISH, "--dry-run", "--json"], { home })).objects as [{ nodes: { node: string; wave: number; notes: string[] }[]; waves: number }];
    expect(dry.nodes.find(({ node }) => node === "review")?.notes).toContain("asks a person");
    expect(readdirSync(join(home, "runs"))).toEqual(before);
  },
  TEST_MS,
);

test(
  "history answers queries, changes nothing, follows what is deleted, and is made anew when it is damaged",
  async () => {
    const home = warmHome();
    const one = finalOf(await symphony(["run", SALES, "--json"], { home }));
    const failed = finalOf(await symphony(["run", SALES, "--json", "--input", "table=none.csv"], { home }));
    const query = (sql: string) => symphony(["history", sql, "--json"], { home });
    expect((await query("SELECT run, state, completed, failed FROM run ORDER BY began")).objects).toEqual([
      { run: one.run, state: "completed", completed: 4, failed: 0 },
      { run: failed.run, state: "failed", completed: 0, failed: 1 },
    ]);
    expect((await query("SELECT node, code FROM node WHERE state = 'failed'")).objects).toEqual([{ node: "read", code: "files.not-found" }]);
    for (const sql of ["DELETE FROM run", "DROP TABLE run", "nonsense", "ATTACH 'x' AS y; SELECT 1"]) expect([sql, (await query(sql)).code]).toEqual([sql, 2]);
    expect((await symphony(["runs", "list", "--state", "failed", "--json"], { home })).objects).toMatchObject([{ run: failed.run }]);
    expect((await symphony(["runs", "list", "--melody", "sales", "--limit", "1", "--json"], { home })).objects).toMatchObject([{ run: failed.run }]);
    expect((await symphony(["runs", "list", "--since", "2100-01-01", "--json"], { home })).objects).toEqual([]);
    expect((await symphony(["runs", "list", "--since", "yesterday"], { home })).code).toBe(2);
    expect((await symphony(["runs", "list", "--state", "faild"], { home })).stderr).toContain('did you mean "failed"?');
    await symphony(["runs", "delete", failed.run], { home });
    expect((await query("SELECT count(*) AS n FROM run")).objects).toEqual([{ n: 1 }]);
    writeFileSync(join(home, "history.sqlite"), "no database at all ".repeat(500));
    expect((await query("SELECT count(*) AS n FROM node")).objects).toEqual([{ n: 4 }]);
  },
  TEST_MS,
);

test(
  "two runs are compared node by node",
  async () => {
    const home = warmHome();
    const files = folderOf({ "orders.csv": orders });
    const run = async () => finalOf(await symphony(["run", SALES, "--input", `folder=${files}`, "--json"], { home })).run;
    const [one, two] = [await run(), await run()];
    writeFileSync(join(files, "orders.csv"), `${orders}3,west,7,open\n`);
    const three = await run();
    const same = await symphony(["runs", "compare", one, two, "--json"], { home });
    expect([same.code, same.objects.map(({ node, output, outputs, is }) => [node ?? output, outputs ?? is])]).toEqual([
      0,
      expect.arrayContaining([
        ["rows", "same"],
        ["report", "same"],
      ]),
    ]);
    const other = await symphony(["runs", "compare", one, three], { home });
    expect([other.code, /rows: completed .* outputs differ/.test(other.stdout), other.stdout.includes("output open: differ")]).toEqual([1, true, true]);
  },
  TEST_MS,
);

test(
  "a melody is drawn as Mermaid and as SVG, a run with its states, and names can't break out",
  async () => {
    const home = warmHome();
    const failed = finalOf(await symphony(["run", SALES, "--json", "--input", "table=none.csv"], { home }));
    const text = (await symphony(["graph", failed.run], { home })).stdout;
    expect(text).toMatch(/^flowchart LR\n/);
    expect(text).toContain("✗ Read the table");
    expect(text).toContain("class n0 failed");
    const out = join(folder(), "run.svg");
    expect((await symphony(["graph", failed.run.slice(0, 8), "--out", out], { home })).code).toBe(0);
    const svg = readFileSync(out, "utf8");
    expect(svg).toMatch(/^<svg [^>]*>/);
    expect(svg).toContain("✗ Read the table");
    const evil = melody({
      nodes: [{ id: "a", title: '"]; click a "javascript:1" <script>&\n#quot; %%{init: {"theme":"x"}}%% `b`\ufffe', kind: "control", control: "delay", delayMs: 1 }],
      inputs: { x: { type: "any" } },
      edges: [{ from: "inputs.x", to: "a.value" }],
    });
    for (const format of ["mermaid", "svg"]) {
      const { code, stdout } = await symphony(["graph", evil, "--format", format]);
      expect([code, (format === "svg" ? /<script|"javascript/ : /<script|"javascript|%%\{|`/).test(stdout)]).toEqual([0, false]);
      // in Mermaid a name after # is a character; in XML there are five names after &
      expect(format === "svg" ? /&(?!(amp|lt|gt|quot|apos);)/.test(stdout) : /#(?!\d+;)/.test(stdout.replaceAll(/(fill|stroke|color):#/g, ""))).toBe(false);
    }
    expect((await symphony(["graph", SALES, "--format", "png"])).code).toBe(2);
    expect((await symphony(["graph", "nowhere.json"])).code).toBe(3);
  },
  TEST_MS,
);

test("format gives equal melodies one form, checks without a change, and leaves what is faulty", async () => {
  const file = join(folderOf({ "m.json": readFileSync(SALES, "utf8").replace(/\n\s*/g, "") }), "m.json");
  expect((await symphony(["format", "--check", file])).code).toBe(1);
  expect((await symphony(["format", file])).code).toBe(0);
  const text = readFileSync(file, "utf8");
  expect((await symphony(["format", "--check", file])).code).toBe(0);
  expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(SALES, "utf8")));
  writeFileSync(file, '{"symphony":1,"id":"x","nodes":[{"id":1}]}');
  const faulty = await symphony(["format", file]);
  expect([faulty.code, readFileSync(file, "utf8")]).toEqual([2, '{"symphony":1,"id":"x","nodes":[{"id":1}]}']);
});

test("ext shapes writes a module that the builder takes", async () => {
  const { code, stdout } = await symphony(["ext", "shapes"]);
  expect(code).toBe(0);
  const file = join(folderOf({ "shapes.ts": stdout }), "shapes.ts");
  const { SHAPES } = (await import(file)) as { SHAPES: Record<string, { inputs: object }> };
  expect(SHAPES["csv"]?.inputs).toEqual({ text: "text" });
});
