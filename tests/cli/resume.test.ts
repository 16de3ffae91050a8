// `symphony resume` and `symphony runs`: a run goes on after its process was killed, is refused while it lives, and tells its
// end again; what failed is tried again on demand.
import { describe, expect } from "bun:test";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../random.ts";
import { BOTH, corpus, DIGEST, finalOf, folder, folderOf, GUESTS, LOOP, melody, PUBLISH, type Running, SALES, start, symphony, test, useCommand, warmHome } from "./command.ts";

useCommand();

const TEST_MS = 60_000;
/** `soak` asks for more. */
const KILLS = Number(process.env["SYMPHONY_KILLS"] ?? 5);

const runsOf = (home: string): string[] => (existsSync(join(home, "runs")) ? readdirSync(join(home, "runs")) : []);
const journalOf = (home: string, run: string): string => join(home, "runs", run, "journal");

/** The events that a journal holds. */
function eventsOf(home: string, run: string): { event: string; node?: string; again?: true }[] {
  const lines = readFileSync(journalOf(home, run), "utf8").split("\n").slice(1, -1);
  return lines.map((line) => JSON.parse(line.slice(9)) as { event: string; node?: string });
}

/** Melodies of several kinds, each with what it is run with. */
const KINDS: Record<string, () => string[]> = {
  "a digest of many files": () => [DIGEST, "--input", `folder=${corpus().folder}`],
  "a short chain": () => [SALES],
  "approvals and artifacts": () => [PUBLISH, "--approve", "all"],
  "waits, failures, bodies in bodies": () => [mixed()],
  "large values": () => [large()],
};

/** Waits at once and one after the other, items that fail and are left out, retries, a fallback, a body in a body. */
function mixed(): string {
  const step = (id: string, text: string): object => ({ id, kind: "operator", uses: "csv", inputs: { text } });
  const body = {
    inputs: { item: { type: "text" } },
    outputs: { count: { type: "number" } },
    nodes: [
      { id: "wait", kind: "control", control: "delay", delayMs: 20 },
      { id: "rows", kind: "operator", uses: "csv", retry: { attempts: 2, delayMs: 10 } },
    ],
    edges: [
      { from: "inputs.item", to: "wait.value" },
      { from: "wait.value", to: "rows.text" },
      { from: "rows.count", to: "outputs.count" },
    ],
  };
  return melody({
    onFailure: "continue",
    inputs: { texts: { type: "list<text>", default: Array.from({ length: 12 }, (_, i) => (i % 5 === 3 ? "a,b\n1\n" : `a\n${"x\n".repeat(i)}`)) } },
    outputs: { counts: { type: "list<number>" }, spare: { type: "number" }, all: { type: "json" } },
    nodes: [
      { id: "each", kind: "control", control: "map", over: "item", concurrency: 3, onItemFailure: "skip", body },
      { ...step("broken", "a,b\n1\n"), onFailure: { fallback: "spare" } },
      { id: "spare", kind: "operator", uses: "csv", inputs: { text: "a\n1\n" } },
      { id: "later", kind: "control", control: "delay", delayMs: 150 },
      {
        id: "sub",
        kind: "control",
        control: "melody",
        body: {
          inputs: { n: { type: "list<number>" } },
          outputs: { n: { type: "list<number>" } },
          nodes: [{ id: "rest", kind: "control", control: "delay", delayMs: 30 }],
          edges: [
            { from: "inputs.n", to: "rest.value" },
            { from: "rest.value", to: "outputs.n" },
          ],
        },
      },
      { id: "all", kind: "control", control: "merge", mode: "object" },
    ],
    edges: [
      { from: "inputs.texts", to: "each.items" },
      { from: "each.count", to: "outputs.counts" },
      { from: "each.count", to: "sub.n" },
      { from: "sub.n", to: "later.value" },
      { from: "later.value", to: "all.numbers" },
      { from: "broken.count", to: "outputs.spare" },
      { from: "broken.count", to: "all.spare" },
      { from: "all.value", to: "outputs.all" },
    ],
  });
}

/** Lists of rows that stand in the journal by their hashes. */
function large(): string {
  return melody({
    inputs: { text: { type: "text", default: `a,b\n${"left,right\n".repeat(1500)}` } },
    outputs: { one: { type: "number" }, two: { type: "list<json>" } },
    nodes: [
      { id: "rows", kind: "operator", uses: "csv" },
      { id: "wait", kind: "control", control: "delay", delayMs: 50 },
      { id: "again", kind: "control", control: "merge", mode: "list" },
    ],
    edges: [
      { from: "inputs.text", to: "rows.text" },
      { from: "rows.rows", to: "wait.value" },
      { from: "rows.rows", to: "again.one" },
      { from: "wait.value", to: "again.two" },
      { from: "rows.count", to: "outputs.one" },
      { from: "again.value", to: "outputs.two" },
    ],
  });
}

for (const runtime of BOTH)
  test(
    `runs of several kinds that are killed at any moment, and killed again, go on and end as if nothing had been, and finish no node twice, on ${runtime}`,
    async () => {
      const home = warmHome();
      const random = createRandom(runtime === "bun" ? 1 : 2);
      const kinds = Object.entries(KINDS).map(([name, args]) => ({
        name,
        args: [...args(), "--json"],
        expected: undefined as { state: string; outputs: object; events: number } | undefined,
      }));
      for (let round = 0; round < KILLS; round++) {
        const kind = kinds[round % kinds.length] as (typeof kinds)[number];
        if (!kind.expected) {
          const whole = await symphony(["run", ...kind.args], { home, runtime });
          kind.expected = { state: finalOf(whole).state, outputs: finalOf(whole).outputs, events: whole.objects.length };
        }
        const { state, outputs, events } = kind.expected;
        const before = new Set(runsOf(home));
        let run: string | undefined;
        for (let kills = 1 + (round % 3); kills > 0; kills--) {
          const killed: Running = start(run ? ["resume", run, "--json"] : ["run", ...kind.args], { home, runtime });
          const lines = 1 + random(Math.max(1, events - 2));
          await killed.until((stdout) => stdout.split("\n").length > lines).catch(() => {});
          // not only right after an event
          if (random(2)) await Promise.race([killed.ended, new Promise((resolve) => setTimeout(resolve, random(30)))]);
          killed.child.kill("SIGKILL");
          await killed.ended;
          run ??= runsOf(home).find((one) => !before.has(one));
        }
        const resumed = await symphony(["resume", run as string, "--json"], { home, runtime });
        expect({ kind: kind.name, round, ...finalOf(resumed) }).toMatchObject({ kind: kind.name, round, run: run as string, state, outputs });
        const finished = eventsOf(home, run as string).flatMap(({ event, node }) => (event === "node.finished" ? [node] : []));
        expect(new Set(finished).size).toBe(finished.length);
        expect((await symphony(["runs", "delete", run as string], { home })).code).toBe(0);
      }
    },
    TEST_MS * (2 + KILLS / 2),
  );

describe("resume", () => {
  test(
    "of a run that has ended tells its end again, copies its outputs, and exits as it did",
    async () => {
      const home = warmHome();
      const first = await symphony(["run", SALES, "--json"], { home });
      const [run] = runsOf(home) as [string];
      const out = join(folder(), "out");
      const again = await symphony(["resume", run.slice(0, 8), "--json", "--out", out], { home });
      expect(again.code).toBe(0);
      expect(again.objects).toEqual([finalOf(first) as never]);
      expect(readdirSync(out).sort()).toEqual(["open.json", "report.md"]);
      const failed = await symphony(["run", SALES, "--json", "--input", "table=nowhere.csv"], { home });
      const told = await symphony(["resume", finalOf(failed).run, "--json"], { home });
      expect([told.code, finalOf(told)]).toEqual([1, finalOf(failed)]);
    },
    TEST_MS,
  );

  test(
    "of a run that another process runs is refused, and of one that was killed isn't",
    async () => {
      const home = warmHome();
      const running = start(["run", LOOP(), ...GUESTS, "--json"], { home });
      await running.until((stdout) => stdout.includes("node.started"));
      const [run] = runsOf(home) as [string];
      const refused = await symphony(["resume", run], { home });
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(`process ${running.child.pid} runs it`);
      expect((await symphony(["runs", "list"], { home })).stdout).toContain("running");
      expect((await symphony(["runs", "delete", run], { home })).code).toBe(2);
      running.child.kill("SIGKILL");
      await running.ended;
      expect((await symphony(["runs", "list"], { home })).stdout).toContain("interrupted");
      const resumed = start(["resume", run, ...GUESTS, "--json"], { home });
      await resumed.until((stdout) => stdout.includes('"again":true'));
      resumed.child.kill("SIGINT");
      expect((await resumed.ended).code).toBe(130);
    },
    TEST_MS,
  );

  test(
    "cuts a torn end and says so",
    async () => {
      const home = warmHome();
      const first = await symphony(["run", SALES, "--json"], { home });
      const [run] = runsOf(home) as [string];
      truncateSync(journalOf(home, run), statSync(journalOf(home, run)).size - 3);
      appendFileSync(journalOf(home, run), "garbage");
      const { code, stderr, ...ended } = await symphony(["resume", run, "--json"], { home });
      expect(code).toBe(0);
      expect(stderr).toMatch(/warning: \d+ bytes at the end of the journal are left out: its last line is torn/);
      expect(finalOf({ code, stderr, ...ended })).toEqual(finalOf(first));
      expect(eventsOf(home, run).filter(({ event }) => event === "run.ended")).toHaveLength(1);
    },
    TEST_MS,
  );

  test(
    "of a failed run tries again what failed, with --retry, and keeps what was done",
    async () => {
      const home = warmHome();
      const table = folderOf({ "orders.csv": "order,region,amount,status\n1,north,2.5,open\n2,south\n" });
      const failed = await symphony(["run", SALES, "--json", "--input", `folder=${table}`], { home });
      expect(failed.code).toBe(1);
      const { run } = finalOf(failed);
      writeFileSync(join(table, "orders.csv"), "order,region,amount,status\n1,north,2.5,open\n2,south,1,open\n");
      // what failed got its text from a node that had finished: that one is run again on demand
      expect((await symphony(["resume", run, "--retry", "--json"], { home })).code).toBe(1);
      const retried = await symphony(["resume", run, "--from", "read", "--json"], { home });
      expect(finalOf(retried)).toMatchObject({ run, state: "completed" });
      const begun = eventsOf(home, run).flatMap(({ event, node }) => (event === "node.started" ? [node] : []));
      expect(begun.filter((node) => node === "read")).toHaveLength(2);
      expect(begun.filter((node) => node === "rows")).toHaveLength(3);
    },
    TEST_MS,
  );

  test(
    "asks again where the question was open, and takes a yes in advance",
    async () => {
      const home = warmHome();
      const failed = await symphony(["run", PUBLISH, "--json"], { home });
      const resumed = await symphony(["resume", finalOf(failed).run, "--retry", "--approve", "review", "--json"], { home });
      expect(finalOf(resumed)).toMatchObject({ state: "completed", outputs: { page: { mediaType: "text/markdown" } } });
    },
    TEST_MS,
  );

  const WRONG: [string, (home: string, run: string) => string[], number, string][] = [
    ["no run", () => ["resume"], 2, "no run is named"],
    ["an unknown run", () => ["resume", "0000"], 2, 'Cannot find the run "0000"'],
    ["something that is no id", () => ["resume", "../../etc"], 2, "Cannot find the run"],
    ["an unknown node", (_, run) => ["resume", run, "--from", "raed"], 2, 'there is no such node (did you mean "read"?)'],
    ["an unknown durability", (_, run) => ["resume", run, "--durability", "sure"], 2, "expected process or power"],
  ];
  for (const [what, args, exit, expected] of WRONG)
    test(
      `of ${what} ends with ${exit}`,
      async () => {
        const home = warmHome();
        await symphony(["run", SALES, "--quiet"], { home });
        const { code, stderr } = await symphony(args(home, runsOf(home)[0] as string), { home });
        expect(code).toBe(exit);
        expect(stderr).toContain(expected);
      },
      TEST_MS,
    );

  test(
    "is refused when a component, the granted folder or the journal isn't what it was",
    async () => {
      const home = warmHome();
      const table = folderOf({ "orders.csv": "order,region,amount,status\n1,north\n" });
      const { run } = finalOf(await symphony(["run", SALES, "--json", "--input", `folder=${table}`], { home }));
      rmSync(table, { recursive: true });
      expect((await symphony(["resume", run, "--retry"], { home })).stderr).toContain("isn't there any more");
      const text = readFileSync(journalOf(home, run), "utf8");
      writeFileSync(journalOf(home, run), text.slice(text.indexOf("\n") + 1));
      const damaged = await symphony(["resume", run], { home });
      expect([damaged.code, damaged.stderr.includes("journal/damaged")]).toEqual([1, true]);
      expect((await symphony(["runs", "list"], { home })).stdout).toContain("unreadable");
      expect((await symphony(["runs", "delete", run], { home })).code).toBe(0);
      expect(runsOf(home)).toEqual([]);
    },
    TEST_MS,
  );
});

test(
  "with --durability power a run ends the same",
  async () => {
    const home = warmHome();
    expect(finalOf(await symphony(["run", SALES, "--json", "--durability", "power"], { home })).state).toBe("completed");
    expect((await symphony(["runs", "show", runsOf(home)[0] as string], { home })).stdout).toMatch(/^ {2}report: completed$/m);
  },
  TEST_MS,
);

test(
  "a value that is large is kept as an artifact, and comes back in a resume",
  async () => {
    const home = warmHome();
    const table = join(folderOf({ "t.csv": `a\n${"0123456789\n".repeat(3000)}` }), "t.csv");
    const file = melody({
      inputs: { text: { type: "text" } },
      outputs: { count: { type: "number" }, rows: { type: "list<json>" } },
      nodes: [{ id: "rows", kind: "operator", uses: "csv" }],
      edges: [
        { from: "inputs.text", to: "rows.text" },
        { from: "rows.count", to: "outputs.count" },
        { from: "rows.rows", to: "outputs.rows" },
      ],
    });
    const first = await symphony(["run", file, "--json", "--input", `text=@${table}`], { home });
    const { run } = finalOf(first);
    expect(statSync(journalOf(home, run)).size).toBeLessThan(4000);
    expect(finalOf(await symphony(["resume", run, "--json"], { home }))).toEqual(finalOf(first));
  },
  TEST_MS,
);

test(
  "large items of a list come back one by one, and a map that is run again from can be gone on with",
  async () => {
    const home = warmHome();
    const items = Array.from({ length: 3 }, (_, i) => ({ i, text: "x".repeat(6000) }));
    const list = join(folderOf({ "list.json": JSON.stringify(items) }), "list.json");
    const file = melody({
      inputs: { list: { type: "list<json>" } },
      outputs: { o: { type: "list<json>" } },
      nodes: [
        {
          id: "each",
          kind: "control",
          control: "map",
          body: {
            inputs: { item: { type: "json" } },
            outputs: { x: { type: "json" } },
            nodes: [{ id: "x", kind: "operator", uses: "json-transform", settings: { expression: "@" } }],
            edges: [
              { from: "inputs.item", to: "x.data" },
              { from: "x.result", to: "outputs.x" },
            ],
          },
        },
      ],
      edges: [
        { from: "inputs.list", to: "each.items" },
        { from: "each.x", to: "outputs.o" },
      ],
    });
    const first = finalOf(await symphony(["run", file, "--json", "--input", `list=@${list}`], { home }));
    expect(first.outputs).toEqual({ o: items });
    expect(finalOf(await symphony(["resume", first.run, "--json"], { home }))).toEqual(first);
    expect(finalOf(await symphony(["resume", first.run, "--from", "each", "--json"], { home }))).toEqual(first);
    expect(finalOf(await symphony(["resume", first.run, "--json"], { home }))).toEqual(first);
    const line = JSON.parse((await symphony(["runs", "list", "--json"], { home })).stdout) as object;
    expect(line).toMatchObject({ run: first.run, state: "completed" });
  },
  TEST_MS,
);
