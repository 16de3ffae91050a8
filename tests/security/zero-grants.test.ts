// With nothing granted, a guest that tries every function of every interface makes no system call about files, sockets or processes that a
// guest which does nothing doesn't make too; seen from outside, by strace.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { root } from "../platform.ts";
import { MARKS } from "./zero-grants-run.ts";

const hasStrace = spawnSync("strace", ["-V"], { stdio: "ignore" }).status === 0;

/** Kinds of calls between the marks, with numbers and results taken out. */
function callsOf(mode: string, folder: string): { kinds: Set<string>; functions: number; came: string } {
  const trace = join(folder, `${mode}.trace`);
  const { stdout, status, stderr } = spawnSync(
    "strace",
    ["-f", "-qq", "-e", "trace=%file,%network,%process", "-e", "signal=none", "-o", trace, process.execPath, join(root, "tests/security/zero-grants-run.ts"), mode],
    {
      encoding: "utf8",
      timeout: 240_000,
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  if (status !== 0) throw new Error(`the ${mode} run ended with ${status}: ${stderr.slice(-2000)}`);
  const lines = readFileSync(trace, "utf8").split("\n");
  const at = MARKS.map((mark) => lines.findIndex((line) => line.includes(mark)));
  const kinds = whole(lines.slice((at[0] as number) + 1, at[1])).flatMap((line) => {
    const call = /^\d+\s+(\w+)\((.*?)(?:<unfinished|\) += |$)/.exec(line);
    // the pipe to the guest's process is a pair of sockets on Bun: what is said over it differs, that it is said doesn't
    if (call && /^(sendto|recvfrom|sendmsg|recvmsg)$/.test(call[1] as string)) return [call[1] as string];
    return call ? [`${call[1]} ${(call[2] ?? "").replace(/0x[0-9a-f]+|\d+/g, "N").replace(/\/symphony-[\w-]+/g, "/symphony")}`] : [];
  });
  return { kinds: new Set(kinds), ...(JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as { functions: number; came: string }) };
}

/** Calls that another thread's cut in two, put together again. What had begun before the first line was looked at there. */
function whole(lines: string[]): string[] {
  const begun = new Map<string, string>();
  const joined: string[] = [];
  for (const line of lines) {
    const thread = /^\d+/.exec(line)?.[0] ?? "";
    const rest = /^\d+\s+<\.\.\. \w+ resumed>(.*)$/.exec(line)?.[1];
    if (rest !== undefined) {
      const first = begun.get(thread);
      begun.delete(thread);
      if (first !== undefined) joined.push(first + rest);
    } else if (line.includes(" <unfinished ...>")) begun.set(thread, line.replace(/ ?<unfinished \.\.\.>.*$/, ""));
    else joined.push(line);
  }
  return [...joined, ...begun.values()];
}

test.skipIf(!hasStrace)(
  "trying every import of every interface leaves no trace in the system",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "symphony-strace-"));
    try {
      const empty = callsOf("empty", folder);
      const all = callsOf("all", folder);
      expect(all.functions).toBeGreaterThan(150);
      // it does try: some calls answer, many are refused, some trap on a handle that isn't there
      expect(all.came.match(/ ok$/gm)?.length).toBeGreaterThan(40);
      // threads of the engine, and its collector's look at its own size
      const more = [...all.kinds].filter(
        (kind) => !empty.kinds.has(kind) && !/^(exit|exit_group|wait4|waitid|futex|tgkill) |CLONE_THREAD|\/proc\/self\/statm|^newfstatat (N, ""|\{st_mode)/.test(kind),
      );
      expect(more).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  600_000,
);
