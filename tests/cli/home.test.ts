// One process owns a home: others hand it their runs, follow them and steer them, and take over when it is gone.
import { describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { BOTH, finalOf, folder, melody, PUBLISH, type Running, start, symphony, test, useCommand, warmHome } from "./command.ts";

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
        expect(await order("continue", run)).toEqual([2, `run/control: Cannot continue the run ${run}: it isn't under way\n`]);
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
    const say = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = createConnection(join(home, "owner/socket"), () => socket.write(text));
        let said = "";
        socket.on("data", (chunk: Uint8Array) => {
          said += new TextDecoder().decode(chunk);
          if (said.split("\n").length > 2) socket.end();
        });
        socket.on("close", () => resolve(said.split("\n").slice(1).join("\n")));
        socket.on("error", reject);
      });
    expect(await say("not json\n")).toBe("");
    expect(await say("null\n")).toBe("");
    expect(await say('{"id":1,"ask":"nothing"}\n')).toContain('"code":"cli/usage"');
    expect(await say('{"id":1,"ask":"remove","run":"../../etc"}\n')).toContain('"code":"cli/usage"');
    expect(await say('{"id":1,"ask":"follow","run":"00000000-0000-0000-0000-000000000000"}\n')).toContain('"code":"run/unknown"');
    expect(
      await say(
        `{"id":1,"ask":"begin","order":{"run":"00000000-0000-0000-0000-000000000000","durability":"process","approved":[],"attended":false,"start":{"origin":{},"inputs":{}}}}\n`,
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
