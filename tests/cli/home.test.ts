// One process owns a home: others hand it their runs, follow them and steer them, and take over when it is gone.
import { describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { createFrameReader, packFrames } from "../../runtime/transport/frames.ts";
import { join } from "node:path";
import { BOTH, finalOf, folder, folderOf, melody, PUBLISH, type Running, start, symphony, test, useCommand, warmHome } from "./command.ts";

useCommand();

const TEST_MS = 60_000;

const runsOf = (home: string): string[] => (existsSync(join(home, "runs")) ? readdirSync(join(home, "runs")) : []);
const runOf = (stdout: string): string => /"run":"([0-9a-f-]{36})"/.exec(stdout)?.[1] as string;

/** Waits so long, twice. */
const waiting = (delayMs: number): string =>
  melody({
    inputs: { x: { type: "number", default: 7 } },
    outputs: { o: { type: "number" } },
    nodes: ["first", "second"].map((id) => ({ id, kind: "control", control: "delay", delayMs })),
    edges: [
      { from: "inputs.x", to: "first.value" },
      { from: "first.value", to: "second.value" },
      { from: "second.value", to: "outputs.o" },
    ],
  });

async function outputOf(running: Running, passes: (stdout: string) => boolean): Promise<string> {
  let seen = "";
  await running.until((stdout) => {
    seen = stdout;
    return passes(stdout);
  });
  return seen;
}

for (const [first, second] of [
  ["bun", "deno"],
  ["deno", "bun"],
] as const)
  test(
    `a run that is handed to another process (${first}) goes on in its own (${second}) when that one is killed, and ends without a gap`,
    async () => {
      const home = folder();
      const owner = start(["run", waiting(8000), "--json"], { home, runtime: first });
      await owner.until((stdout) => stdout.includes("node.waiting"));
      const handed = start(["run", waiting(1500), "--json"], { home, runtime: second });
      const run = runOf(await outputOf(handed, (stdout) => stdout.includes("node.waiting")));
      expect(Number(readFileSync(join(home, "owner/pid"), "utf8"))).toBe(owner.child.pid as number);
      owner.child.kill("SIGKILL");
      const ended = await handed.ended;
      expect({ code: ended.code, ...finalOf(ended) }).toEqual({ code: 0, run, state: "completed", outputs: { o: 7 } });
      expect(ended.stderr).toContain("going on with the run here");
      const events = ended.objects.slice(0, -1) as { n: number; event: string }[];
      expect(events.map(({ n }) => n)).toEqual(events.map((_, n) => n));
      expect(events.map(({ event }) => event)).toContain("run.resumed");
      const left = (await symphony(["runs", "list", "--json"], { home })).objects as { run: string; state: string }[];
      expect(left.map(({ state }) => state).sort()).toEqual(["completed", "interrupted"]);
    },
    TEST_MS,
  );

test(
  "several processes begin runs in a new home at once, one owns it, and all runs end",
  async () => {
    const home = folder();
    const all = await Promise.all(Array.from({ length: 6 }, (_, i) => symphony(["run", waiting(200), "--json"], { home, runtime: i % 3 === 0 ? "deno" : "bun" })));
    expect(all.map(({ code }) => code)).toEqual(all.map(() => 0));
    expect(new Set(all.map((one) => finalOf(one).run)).size).toBe(all.length);
    expect(runsOf(home).sort()).toEqual(all.map((one) => finalOf(one).run).sort());
  },
  TEST_MS,
);

describe("runs", () => {
  for (const runtime of BOTH)
    test(
      `steers a run of another process: paused, continued, approved with a reason, on ${runtime}`,
      async () => {
        const home = warmHome();
        const running = start(["run", PUBLISH, "--wait", "--json"], { home, runtime });
        const run = runOf(await outputOf(running, (stdout) => stdout.includes("node.waiting")));
        const order = async (...args: string[]): Promise<[number | null, string]> => {
          const { code, stderr } = await symphony(["runs", ...args], { home });
          return [code, stderr];
        };
        expect((await order("pause", run))[0]).toBe(0);
        expect(await order("pause", run)).toEqual([2, "run/control: Cannot pause the run: it is paused\n"]);
        expect((await symphony(["runs", "list", "--json"], { home })).objects[0]).toMatchObject({ run, state: "paused" });
        expect((await order("approve", run, "reviw"))[1]).toContain('it doesn\'t wait for a person (did you mean "review"?)');
        expect((await order("approve", run, "review", "--reason", "well said"))[0]).toBe(0);
        expect((await order("continue", run))[0]).toBe(0);
        const ended = await running.ended;
        expect(finalOf(ended)).toMatchObject({ run, state: "completed" });
        expect(ended.objects.find(({ event }) => event === "node.decided")).toMatchObject({ node: "review", approved: true, reason: "well said" });
        expect(await order("continue", run)).toEqual([2, expect.stringContaining(`Cannot continue the run ${run}: it isn't under way`)]);
      },
      TEST_MS,
    );

  test(
    "rejects with a reason, and cancels with one",
    async () => {
      const home = warmHome();
      const asked = start(["run", PUBLISH, "--wait", "--json"], { home });
      const first = runOf(await outputOf(asked, (stdout) => stdout.includes("node.waiting")));
      await symphony(["runs", "reject", first, "review", "--reason", "too short"], { home });
      expect(finalOf(await asked.ended)).toMatchObject({ state: "failed", error: { detail: "approve/rejected", message: "review failed: review was rejected: too short" } });
      const slow = start(["run", waiting(60_000), "--json"], { home });
      const second = runOf(await outputOf(slow, (stdout) => stdout.includes("node.waiting")));
      await symphony(["runs", "cancel", second, "--reason", "enough"], { home });
      const ended = await slow.ended;
      expect([ended.code, finalOf(ended).state, finalOf(ended).error?.message]).toEqual([130, "cancelled", "enough"]);
    },
    TEST_MS,
  );

  test(
    "watch comes late and is told a snapshot and all that follows, without a gap; of an ended run it tells the end",
    async () => {
      const home = folder();
      const running = start(["run", waiting(1500), "--json"], { home });
      const run = runOf(await outputOf(running, (stdout) => stdout.includes("node.waiting")));
      const late = await symphony(["runs", "watch", run.slice(0, 6), "--json"], { home, runtime: "deno" });
      const ended = await running.ended;
      const [{ snapshot }, ...rest] = late.objects as [{ snapshot: { next: number; nodes: { node: string; state: string }[] } }, ...{ n: number }[]];
      expect(snapshot.nodes[0]).toMatchObject({ node: "first", state: "waiting" });
      expect(rest.slice(0, -1).map(({ n }) => n)).toEqual(ended.objects.slice(snapshot.next, -1).map(({ n }) => n as number));
      expect(rest.at(-1) as unknown).toEqual(finalOf(ended));
      const after = await symphony(["runs", "watch", run, "--json"], { home });
      expect(finalOf(after)).toEqual(finalOf(ended));
    },
    TEST_MS,
  );
});

test(
  "what is no question ends the connection or is answered as an error, and the owner goes on",
  async () => {
    const home = folder();
    const running = start(["run", waiting(3000), "--json"], { home });
    await running.until((stdout) => stdout.includes("node.waiting"));
    /** All that the owner says after its greeting. */
    const sayBytes = (bytes: Uint8Array): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = createConnection(join(home, "owner/socket"), () => socket.write(bytes));
        const said: string[] = [];
        const reader = createFrameReader((frame) => {
          said.push(new TextDecoder().decode(frame));
          if (said.length > 1) socket.end();
        });
        socket.on("data", (chunk: Uint8Array) => void reader.push(chunk));
        socket.on("close", () => resolve(said.slice(1).join("\n")));
        socket.on("error", reject);
      });
    const say = (text: string): Promise<string> => sayBytes(packFrames([new TextEncoder().encode(text)])[0] as Uint8Array);
    expect(await sayBytes(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"))).toBe("");
    expect(await say("not json")).toBe("");
    expect(await say("null")).toBe("");
    expect(await say('{"id":1,"ask":"nothing"}')).toContain('"code":"cli/usage"');
    expect(await say('{"id":1,"ask":"remove","run":"../../etc"}')).toContain('"code":"cli/usage"');
    expect(await say('{"id":1,"ask":"follow","run":"00000000-0000-0000-0000-000000000000"}')).toContain('"code":"run/unknown"');
    expect(
      await say(
        `{"id":1,"ask":"begin","order":{"run":"00000000-0000-0000-0000-000000000000","durability":"process","approved":[],"attended":false,"start":{"origin":{},"inputs":{}}}}`,
      ),
    ).toContain('"error"');
    expect(finalOf(await running.ended).state).toBe("completed");
  },
  TEST_MS,
);

test(
  "an owner that is stopped and says nothing is told, with what to do",
  async () => {
    const home = folder();
    const running = start(["run", waiting(3000), "--json"], { home });
    await running.until((stdout) => stdout.includes("node.waiting"));
    process.kill(Number(readFileSync(join(home, "owner/pid"), "utf8")), "SIGSTOP");
    const { code, stderr } = await symphony(["run", waiting(1)], { home });
    process.kill(Number(readFileSync(join(home, "owner/pid"), "utf8")), "SIGCONT");
    expect([code, stderr]).toEqual([3, expect.stringMatching(/^home\/unreachable: /)]);
    expect(finalOf(await running.ended).state).toBe("completed");
  },
  TEST_MS,
);

test(
  "a home whose path is too long for a socket has one elsewhere, that is this user's alone",
  async () => {
    const home = join(folder(), "x".repeat(120));
    const running = start(["run", waiting(1500), "--json"], { home });
    const run = runOf(await outputOf(running, (stdout) => stdout.includes("node.waiting")));
    expect((await symphony(["runs", "list"], { home })).stdout).toContain("running");
    expect((await symphony(["runs", "cancel", run], { home })).code).toBe(0);
    expect((await running.ended).code).toBe(130);
  },
  TEST_MS,
);

/** A map over so many numbers, each of which waits. */
const counting = (delayMs: number): string =>
  melody({
    inputs: { list: { type: "list<number>" } },
    outputs: { o: { type: "list<number>" } },
    nodes: [
      {
        id: "each",
        kind: "control",
        control: "map",
        concurrency: 500,
        body: {
          inputs: { item: { type: "number" } },
          outputs: { o: { type: "number" } },
          nodes: [{ id: "wait", kind: "control", control: "delay", delayMs }],
          edges: [
            { from: "inputs.item", to: "wait.value" },
            { from: "wait.value", to: "outputs.o" },
          ],
        },
      },
    ],
    edges: [
      { from: "inputs.list", to: "each.items" },
      { from: "each.o", to: "outputs.o" },
    ],
  });
const numbers = (count: number): string => join(folderOf({ "list.json": JSON.stringify(Array.from({ length: count }, (_, i) => i)) }), "list.json");

for (const runtime of BOTH)
  test(
    `a run whose journal has been compacted is listed, shown, taken over and resumed as any other, on ${runtime}`,
    async () => {
      const home = folder();
      const items = 80_000;
      const owner = start(["run", waiting(60_000), "--json"], { home, runtime });
      await owner.until((stdout) => stdout.includes("node.waiting"));
      const handed = start(["run", counting(20), "--input", `list=@${numbers(items)}`, "--json"], { home, runtime });
      const run = runOf(await outputOf(handed, (stdout) => stdout.includes('"each/0/wait"')));
      const at = join(home, "runs", run);
      await handed.until(() => existsSync(at) && !readdirSync(at).includes("journal"));
      expect(readdirSync(at).some((name) => name.startsWith("snapshot-"))).toBe(true);
      expect((await symphony(["runs", "list"], { home })).stdout).toContain(run);
      owner.child.kill("SIGKILL");
      await owner.ended;
      const ended = await handed.ended;
      const events = ended.objects.slice(0, -1) as { n: number; event: string; node?: string }[];
      expect(finalOf(ended).state).toBe("completed");
      expect((finalOf(ended).outputs["o"] as number[]).length).toBe(items);
      expect(events.some(({ event }) => event === "run.resumed")).toBe(true);
      const finished = events.flatMap(({ event, node }) => (event === "node.finished" ? [node] : []));
      expect(new Set(finished).size).toBe(finished.length);
      expect(events.map(({ n }) => n)).toEqual([...new Set(events.map(({ n }) => n))].sort((a, b) => a - b));
      expect(finalOf(await symphony(["resume", run, "--json"], { home, runtime }))).toEqual(finalOf(ended));
    },
    TEST_MS * 2,
  );

test(
  "no step comes near the home: a granted folder that holds it doesn't show it, and the home itself isn't granted",
  async () => {
    const around = folderOf({ "seen.txt": "x" });
    const home = join(around, "home");
    const list = melody({
      inputs: { folder: { type: "folder" }, wait: { type: "number", default: 1 } },
      outputs: { paths: { type: "list<text>" } },
      nodes: [{ id: "list", kind: "operator", uses: "files" }],
      edges: [
        { from: "inputs.folder", to: "list.folder" },
        { from: "list.paths", to: "outputs.paths" },
      ],
    });
    const listed = await symphony(["run", list, "--input", `folder=${around}`, "--json"], { home });
    expect(finalOf(listed).outputs).toEqual({ paths: ["seen.txt"] });
    for (const inside of [home, join(home, "owner")]) {
      const refused = await symphony(["run", list, "--input", `folder=${inside}`], { home });
      expect([refused.code, refused.stderr.includes("inside of Symphony's own home")]).toEqual([2, true]);
    }
    const read = melody({
      inputs: { folder: { type: "folder" } },
      outputs: { text: { type: "text" } },
      nodes: [{ id: "read", kind: "operator", uses: "files", inputs: { path: "home/owner/lock" } }],
      edges: [
        { from: "inputs.folder", to: "read.folder" },
        { from: "read.text", to: "outputs.text" },
      ],
    });
    expect(finalOf(await symphony(["run", read, "--input", `folder=${around}`, "--json"], { home })).error?.detail).toBe("files.not-found");
  },
  TEST_MS,
);

for (const runtime of BOTH)
  test(
    `an owner whose output nobody reads serves the home all the same, and a watcher that reads late gets all to the end, on ${runtime}`,
    async () => {
      const home = folder();
      const owner = start(["run", counting(100), "--input", `list=@${numbers(20_000)}`, "--json"], { home, runtime });
      await owner.until((stdout) => stdout.includes("node.waiting"));
      owner.child.stdout?.pause();
      const run = readdirSync(join(home, "runs"))[0] as string;
      const watcher = start(["runs", "watch", run, "--json"], { home, runtime: runtime === "bun" ? "deno" : "bun" });
      await watcher.until((stdout) => stdout.includes("snapshot"));
      watcher.child.stdout?.pause();
      const other = await symphony(["run", waiting(200), "--json"], { home });
      expect(finalOf(other).state).toBe("completed");
      const hasEnded = async (): Promise<boolean> => (await symphony(["runs", "list", "--state", "completed"], { home })).stdout.includes(run);
      while (!(await hasEnded()));
      watcher.child.stdout?.resume();
      const seen = await watcher.ended;
      expect([seen.code, finalOf(seen).state]).toEqual([0, "completed"]);
      const told = seen.objects.slice(0, -1) as { n?: number; snapshot?: { next: number } }[];
      let next = 0;
      for (const one of told) {
        if (one.n !== undefined) expect(one.n).toBe(next);
        next = one.snapshot ? one.snapshot.next : next + 1;
      }
      owner.child.stdout?.resume();
      expect(finalOf(await owner.ended).state).toBe("completed");
    },
    TEST_MS,
  );

test(
  "a resume that is handed over is carried out once, also when the process that took it is killed",
  async () => {
    const home = folder();
    const failing = melody({
      inputs: { x: { type: "number", default: 7 } },
      outputs: { o: { type: "number" } },
      nodes: [
        { id: "first", kind: "control", control: "delay", delayMs: 1 },
        { id: "second", kind: "control", control: "delay", delayMs: 1500 },
        { id: "ask", kind: "control", control: "approve" },
      ],
      edges: [
        { from: "inputs.x", to: "first.value" },
        { from: "first.value", to: "second.value" },
        { from: "second.value", to: "ask.value" },
        { from: "ask.value", to: "outputs.o" },
      ],
    });
    const { run } = finalOf(await symphony(["run", failing, "--json"], { home }));
    const owner = start(["run", waiting(60_000), "--json"], { home });
    await owner.until((stdout) => stdout.includes("node.waiting"));
    const handed = start(["resume", run, "--from", "first", "--approve", "ask", "--json"], { home });
    await handed.until((stdout) => stdout.includes('"node":"second"'));
    owner.child.kill("SIGKILL");
    const ended = await handed.ended;
    expect(finalOf(ended)).toMatchObject({ run, state: "completed", outputs: { o: 7 } });
    const events = ended.objects as { event?: string; node?: string }[];
    expect(events.filter(({ event, node }) => event === "node.started" && node === "first")).toHaveLength(1);
    expect(events.filter(({ event }) => event === "run.resumed")).toHaveLength(2);
  },
  TEST_MS,
);

test(
  "a pause outlasts the process that it was told, and a watcher's end isn't the run's",
  async () => {
    const home = folder();
    const owner = start(["run", waiting(60_000), "--json"], { home });
    await owner.until((stdout) => stdout.includes("node.waiting"));
    const handed = start(["run", waiting(2500), "--json"], { home });
    const run = runOf(await outputOf(handed, (stdout) => stdout.includes("node.waiting")));
    await symphony(["runs", "pause", run], { home });
    owner.child.kill("SIGKILL");
    await handed.until((stdout) => stdout.split("run.paused").length === 3);
    const watcher = start(["runs", "watch", run], { home });
    await watcher.until((_, stderr) => stderr.includes("first"));
    watcher.child.kill("SIGINT");
    expect((await watcher.ended).code).toBe(130);
    expect((await symphony(["runs", "list", "--state", "paused"], { home })).stdout).toContain(run);
    await symphony(["runs", "continue", run], { home });
    expect(finalOf(await handed.ended)).toMatchObject({ state: "completed", outputs: { o: 7 } });
  },
  TEST_MS,
);

test(
  "an order with a large input is handed over, and one that comes before the run has begun leaves a run that can be read",
  async () => {
    const home = folder();
    const owner = start(["run", waiting(6000), "--json"], { home });
    await owner.until((stdout) => stdout.includes("node.waiting"));
    const large = join(folderOf({ "large.txt": "\n".repeat(40_000_000) }), "large.txt");
    const echo = melody({
      inputs: { t: { type: "text" } },
      outputs: { t: { type: "text" } },
      nodes: [{ id: "d", kind: "control", control: "delay", delayMs: 1 }],
      edges: [
        { from: "inputs.t", to: "d.value" },
        { from: "d.value", to: "outputs.t" },
      ],
    });
    const handed = await symphony(["run", echo, "--input", `t=@${large}`, "--quiet"], { home });
    expect(handed.code).toBe(0);
    const late = await symphony(["run", echo, "--input", `t=@${large}`, "--timeout", "1", "--json"], { home });
    expect([late.code, finalOf(late).error?.code]).toEqual([1, "run/timeout"]);
    expect((await symphony(["runs", "show", finalOf(late).run], { home })).stdout).toContain("failed");
    expect((await owner.ended).code).toBe(0);
  },
  TEST_MS,
);
