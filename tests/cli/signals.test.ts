// Ends that are forced: Ctrl-C and time-outs, and that nothing is left behind.
import { describe, expect, test as everywhere } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { GUESTS, BOTH, finalOf, folder, GONE_MS_MAX, LOOP, SALES, start, symphony, test, TEST_MS, useCommand } from "./command.ts";

useCommand();

interface Seen {
  pid: number;
  parent: number;
  group: number;
  state: string;
  ticks: number;
}

/** All processes that there are. */
function processes(): Seen[] {
  const out: Seen[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      out.push({ pid: Number(name), state: rest[0] as string, parent: Number(rest[1]), group: Number(rest[2]), ticks: Number(rest[11]) });
    } catch {
      // it ended meanwhile
    }
  }
  return out;
}

/** A process and all below it. */
function family(of: number): Seen[] {
  const all = processes();
  const out = all.filter(({ pid }) => pid === of);
  for (let at = 0; at < out.length; at++) out.push(...all.filter(({ parent }) => parent === (out[at] as Seen).pid));
  return out;
}

/** Looks again and again until it holds. */
async function eventually(holds: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return holds();
}

/** Processor time, in hundredths of a second, after which a component certainly runs. */
const BUSY_TICKS = 15;

const linux = "Deno" in globalThis || !existsSync("/proc/self/stat") ? everywhere.skip : everywhere;

describe("Ctrl-C", () => {
  const WAYS: [string, (pid: number) => void][] = [
    ["sent to the command", (pid) => process.kill(pid, "SIGINT")],
    ["sent to all that it started, as a terminal does", (pid) => process.kill(-pid, "SIGINT")],
    ["sent twice", (pid) => [process.kill(pid, "SIGINT"), process.kill(pid, "SIGINT")]],
  ];
  for (const runtime of BOTH)
    for (const [way, send] of WAYS)
      linux(
        `${way} while a step runs ends with 130 and leaves nothing, on ${runtime}`,
        async () => {
          const temporary = folder();
          const running = start(["run", LOOP(), ...GUESTS, "--json"], { runtime, env: { TMPDIR: temporary } });
          const pid = running.child.pid as number;
          await running.until((stdout) => stdout.includes('"node.started"'));
          // the host itself is the first, whose own time is not the component's
          expect(await eventually(() => family(pid).some((one) => one.pid !== pid && one.ticks > BUSY_TICKS), 15_000)).toBe(true);
          const before = new Set(family(pid).map((one) => one.pid));
          send(pid);
          const ended = await running.ended;
          expect(ended.code).toBe(130);
          const left = (): Seen[] => processes().filter((one) => (before.has(one.pid) || one.group === pid) && !/[ZX]/.test(one.state));
          await eventually(() => left().length === 0, GONE_MS_MAX);
          expect(left()).toEqual([]);
          if (way === "sent twice") return;
          expect(finalOf(ended)).toMatchObject({ state: "cancelled", outputs: {}, error: { code: "run/cancelled" } });
          expect(ended.objects.at(-2)).toMatchObject({ event: "run.ended", state: "cancelled" });
          expect(readdirSync(temporary)).toEqual([]);
        },
        TEST_MS,
      );

  linux(
    "while a component is made ready ends with 130 and leaves nothing",
    async () => {
      const running = start(["run", LOOP(), ...GUESTS, "--json"], { home: folder() });
      const pid = running.child.pid as number;
      await running.until((stdout) => stdout.includes('"node.started"'));
      const before = new Set(family(pid).map((one) => one.pid));
      process.kill(pid, "SIGINT");
      const ended = await running.ended;
      expect(ended.code).toBe(130);
      expect(finalOf(ended)).toMatchObject({ state: "cancelled" });
      const left = (): Seen[] => processes().filter((one) => (before.has(one.pid) || one.group === pid) && !/[ZX]/.test(one.state));
      await eventually(() => left().length === 0, GONE_MS_MAX);
      expect(left()).toEqual([]);
    },
    TEST_MS,
  );
});

/** Processes that were started in a folder below this one, wherever they hang now. */
function startedBelow(path: string): number[] {
  return processes()
    .filter(({ pid, state }) => {
      try {
        return !/[ZX]/.test(state) && readlinkSync(`/proc/${pid}/cwd`).startsWith(`${path}/`);
      } catch {
        return false;
      }
    })
    .map(({ pid }) => pid);
}

/** Enough to meet the moment in which a process begins. */
const QUICK_RUNS = 40;

linux(
  "runs that end as soon as they begin leave no process and no folder behind",
  async () => {
    const temporary = folder();
    for (let left = QUICK_RUNS; left > 0; left -= 4)
      await Promise.all(Array.from({ length: 4 }, () => symphony(["run", SALES, "--input", "tabel=x"], { env: { TMPDIR: temporary } })));
    await eventually(() => startedBelow(temporary).length === 0, GONE_MS_MAX / 5);
    expect(startedBelow(temporary)).toEqual([]);
    expect(readdirSync(temporary)).toEqual([]);
  },
  TEST_MS,
);

describe("--timeout", () => {
  for (const runtime of BOTH)
    test(`ends the run with its code, on ${runtime}`, async () => {
      const ended = await symphony(["run", LOOP(), ...GUESTS, "--timeout", "400", "--json"], { runtime });
      expect(ended.code).toBe(1);
      expect(finalOf(ended)).toMatchObject({ state: "failed", outputs: {}, error: { code: "run/timeout" } });
    }, 20_000);
});
