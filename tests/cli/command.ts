// The real command in a process of its own, with a home of its own, on Bun and, where the runtime could tell, on Deno; and
// what runs and melodies are made of in these tests.
import { afterAll, beforeAll, expect, test as everywhere } from "bun:test";
import { type ChildProcess, spawnSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createCorpus } from "../corpus.ts";
import { root } from "../platform.ts";

/** Each starts both runtimes itself, so Bun alone runs them. */
export const test = everywhere.skipIf("Deno" in globalThis);

export const BOTH = ["bun", "deno"] as const;
export type RuntimeName = (typeof BOTH)[number];
/** For a test that starts several processes on a busy machine. */
export const TEST_MS = 30_000;
export const GONE_MS_MAX = 5000;

export const DIGEST = join(root, "examples/digest/melody.json");
export const PUBLISH = join(root, "examples/publish/melody.json");
export const SALES = join(root, "examples/sales/melody.json");
export const GUESTS = ["--extensions", join(root, "tests/guests")];

/** Where the tests of one file keep what they make; filled before the first of them. */
export const place = {
  /** Holds everything. */
  space: "",
  /** Shared by tests that don't look into it, so that components are prepared once. */
  home: "",
  /** The Deno program itself: the one that npm installs only starts it, and knows nothing of signals. */
  deno: "",
};

/** To be called by each file of tests: makes its place and clears it away. */
export function useCommand(): void {
  beforeAll(() => {
    if ("Deno" in globalThis) return;
    place.space = realpathSync(mkdtempSync(join(tmpdir(), "symphony-cli-")));
    place.home = join(place.space, "home");
    place.deno = spawnSync("node", [join(root, "node_modules/deno/bin.cjs"), "eval", "console.log(Deno.execPath())"], { encoding: "utf8" }).stdout.trim();
    // a set-up that is due is not what these tests are about
    spawnSync(join(root, "symphony"), ["--version"]);
  });
  afterAll(() => {
    if (place.space) rmSync(place.space, { recursive: true, force: true });
  });
}

// ---- starting the command ----

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** What stdout held, when it is asked for with `--json`. */
  objects: Record<string, unknown>[];
  bytes: Uint8Array;
}

export interface StartOptions {
  runtime?: RuntimeName;
  /** Given as `--home`. "" for none. */
  home?: string;
  env?: Record<string, string>;
  cwd?: string;
  /** Runs it at a terminal, whose output is `stdout`. */
  terminal?: boolean;
  /** Lets a run take answers that are kept; else everything is really run. */
  memory?: boolean;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when the output so far passes; rejects when the command ends before. */
  until(passes: (stdout: string, stderr: string) => boolean): Promise<void>;
}

/** Gives a program a terminal of 24 rows and 100 columns, whose keyboard and screen are standard input and output. */
export const TERMINAL = `
import fcntl, os, pty, struct, sys, termios, threading
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
def keyboard():
    while data := os.read(0, 1024):
        os.write(fd, data)
threading.Thread(target=keyboard, daemon=True).start()
try:
    while data := os.read(fd, 65536):
        os.write(1, data)
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xff)
`;

export function start(args: string[], { runtime = "bun", home: at = place.home, env = {}, cwd = root, terminal = false, memory = false }: StartOptions = {}): Running {
  const own = runtime === "bun" ? [join(root, "symphony")] : [place.deno, "run", "-A", "--no-prompt", join(root, "symphony.ts")];
  const argv = [
    ...(terminal ? ["python3", "-c", TERMINAL] : []),
    ...own,
    ...args,
    ...((args[0] === "run" || args[0] === "resume") && !memory ? ["--fresh"] : []),
    ...(at ? ["--home", at] : []),
  ];
  const { SYMPHONY_HOME: _, NO_COLOR: __, FORCE_COLOR: ___, ...outer } = process.env;
  const child = spawn(argv[0] as string, argv.slice(1), { cwd, env: { ...outer, TERM: "xterm", ...env }, stdio: [terminal ? "pipe" : "ignore", "pipe", "pipe"], detached: true });
  const chunks: Uint8Array[] = [];
  let stdout = "";
  let stderr = "";
  const watchers = new Set<() => void>();
  const decoder = new TextDecoder();
  child.stdout?.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
    stdout += decoder.decode(chunk, { stream: true });
    for (const watcher of watchers) watcher();
  });
  child.stderr?.on("data", (chunk: Uint8Array) => {
    stderr += new TextDecoder().decode(chunk);
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      // whatever happened: nobody who uses it sees a stack trace
      if (/^\s+at .*[:(]\d+|Traceback|fault of Symphony's own|panic/m.test(stderr)) reject(new Error(`symphony ${args.join(" ")} shows its inside:\n${stderr}`));
      else resolve({ code, stdout, stderr, objects: args.includes("--json") ? parseLines(stdout) : [], bytes: Buffer.concat(chunks) });
    });
  });
  ended.catch(() => {});
  return {
    child,
    ended,
    until: (passes) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!passes(stdout, stderr)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
        ended.then(() => reject(new Error(`it ended before:\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`)), reject);
      }),
  };
}

export const symphony = (args: string[], options?: StartOptions): Promise<Ended> => start(args, options).ended;

/** Every line is one JSON object. */
export function parseLines(stdout: string): Record<string, unknown>[] {
  expect(stdout === "" || stdout.endsWith("\n")).toBe(true);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The last object of a run, told by a script. */
export interface Final {
  run: string;
  state: string;
  outputs: Record<string, unknown>;
  error?: { code: string; detail?: string; message: string };
}
export const finalOf = ({ objects }: Ended): Final => objects.at(-1) as unknown as Final;

// ---- what runs and melodies are made of ----

let made = 0;
/** A new empty folder. */
export function folder(): string {
  const path = join(place.space, `folder-${made++}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** A folder with these files. */
export function folderOf(files: Record<string, string>): string {
  const path = folder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** A home of its own where all components of the shared one are prepared already. */
export function warmHome(): string {
  const path = folder();
  if (existsSync(join(place.home, "cache"))) cpSync(join(place.home, "cache"), join(path, "cache"), { recursive: true });
  return path;
}

export function melody(more: object): string {
  return join(folderOf({ "melody.json": JSON.stringify({ symphony: 1, id: "test", ...more }) }), "melody.json");
}

/** Every file below a folder, relative to it. */
export function filesBelow(path: string): string[] {
  return existsSync(path)
    ? readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
    : [];
}

export const LOOP = () =>
  melody({ outputs: { never: { type: "number" } }, nodes: [{ id: "loop", kind: "operator", uses: "loop-as" }], edges: [{ from: "loop.never", to: "outputs.never" }] });

/** Flips a bit in the middle of a file. */
export function damage(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

export const SECRET = "the-word-that-stands-outside";
export const CORPUS_FILES = 60;
export const corpora = new Map<string, { folder: string; paths: string[]; skipped: number }>();

export function corpus(seed = 1): { folder: string; paths: string[]; skipped: number } {
  // each file of tests has a place of its own
  const key = `${place.space} ${seed}`;
  let known = corpora.get(key);
  if (!known) {
    const outside = join(folderOf({ "secret.md": `${SECRET}. `.repeat(50) }), "secret.md");
    known = createCorpus(join(folder(), "corpus"), { seed, files: CORPUS_FILES, outside });
    corpora.set(key, known);
  }
  return known;
}

export const digests = new Map<RuntimeName, Promise<Ended & { out: string }>>();

/** The digest of the corpus, made once on each runtime. */
export function digested(runtime: RuntimeName): Promise<Ended & { out: string }> {
  let known = digests.get(runtime);
  if (!known) {
    const out = join(folder(), "out");
    known = symphony(["run", DIGEST, "--input", `folder=${corpus().folder}`, "--out", out, "--json"], { runtime }).then((ended) => ({ ...ended, out }));
    digests.set(runtime, known);
  }
  return known;
}
