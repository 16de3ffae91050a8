// The command line as a person or a script meets it: the real command in a process of its own, with a home of its own,
// on Bun and, where the runtime could tell, on Deno. Leaves out what melodies and components may do, which have tests
// beside them.
import { afterAll, beforeAll, describe, expect, test as everywhere } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import version from "../package.json" with { type: "json" };
import { CODES } from "../runtime/mod.ts";
import { createCorpus } from "./corpus.ts";
import { createRandom } from "./components.ts";
import { root } from "./platform.ts";

// it starts both runtimes itself
const test = everywhere.skipIf("Deno" in globalThis);

const BOTH = ["bun", "deno"] as const;
type RuntimeName = (typeof BOTH)[number];
/** For a test that starts several processes on a busy machine. */
const TEST_MS = 30_000;
const GONE_MS_MAX = 5000;

const DIGEST = join(root, "examples/digest/melody.json");
const PUBLISH = join(root, "examples/publish/melody.json");
const SALES = join(root, "examples/sales/melody.json");
const GUESTS = ["--extensions", join(root, "tests/guests")];

/** Holds everything that these tests make. */
let space = "";
/** Shared by tests that don't look into it, so that components are prepared once. */
let home = "";
/** The Deno program itself: the one that npm installs only starts it, and knows nothing of signals. */
let deno = "";

beforeAll(() => {
  if ("Deno" in globalThis) return;
  space = realpathSync(mkdtempSync(join(tmpdir(), "symphony-cli-")));
  home = join(space, "home");
  deno = spawnSync("node", [join(root, "node_modules/deno/bin.cjs"), "eval", "console.log(Deno.execPath())"], { encoding: "utf8" }).stdout.trim();
  // a set-up that is due is not what these tests are about
  spawnSync(join(root, "symphony"), ["--version"]);
});
afterAll(() => {
  if (space) rmSync(space, { recursive: true, force: true });
});

// ---- starting the command ----

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** What stdout held, when it is asked for with `--json`. */
  objects: Record<string, unknown>[];
  bytes: Uint8Array;
}

interface StartOptions {
  runtime?: RuntimeName;
  /** Given as `--home`. "" for none. */
  home?: string;
  env?: Record<string, string>;
  cwd?: string;
  /** Runs it at a terminal, whose output is `stdout`. */
  terminal?: boolean;
}

interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when the output so far passes; rejects when the command ends before. */
  until(passes: (stdout: string, stderr: string) => boolean): Promise<void>;
}

/** Gives a program a terminal of 24 rows and 100 columns, whose keyboard and screen are standard input and output. */
const TERMINAL = `
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

function start(args: string[], { runtime = "bun", home: at = home, env = {}, cwd = root, terminal = false }: StartOptions = {}): Running {
  const own = runtime === "bun" ? [join(root, "symphony")] : [deno, "run", "-A", "--no-prompt", join(root, "symphony.ts")];
  const argv = [...(terminal ? ["python3", "-c", TERMINAL] : []), ...own, ...args, ...(at ? ["--home", at] : [])];
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
        ended.then(() => reject(new Error(`it ended before:\n${stdout}\n${stderr}`)), reject);
      }),
  };
}

const symphony = (args: string[], options?: StartOptions): Promise<Ended> => start(args, options).ended;

/** Every line is one JSON object. */
function parseLines(stdout: string): Record<string, unknown>[] {
  expect(stdout === "" || stdout.endsWith("\n")).toBe(true);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The last object of a run, told by a script. */
interface Final {
  run: string;
  state: string;
  outputs: Record<string, unknown>;
  error?: { code: string; detail?: string; message: string };
}
const finalOf = ({ objects }: Ended): Final => objects.at(-1) as unknown as Final;

// ---- what runs and melodies are made of ----

let made = 0;
/** A new empty folder. */
function folder(): string {
  const path = join(space, `folder-${made++}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** A folder with these files. */
function folderOf(files: Record<string, string>): string {
  const path = folder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** A home of its own where all components of the shared one are prepared already. */
function warmHome(): string {
  const path = folder();
  if (existsSync(join(home, "cache"))) cpSync(join(home, "cache"), join(path, "cache"), { recursive: true });
  return path;
}

function melody(more: object): string {
  return join(folderOf({ "melody.json": JSON.stringify({ symphony: 1, id: "test", ...more }) }), "melody.json");
}

/** Every file below a folder, relative to it. */
function filesBelow(path: string): string[] {
  return existsSync(path)
    ? readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
    : [];
}

const LOOP = () =>
  melody({ outputs: { never: { type: "number" } }, nodes: [{ id: "loop", kind: "operator", uses: "loop-as" }], edges: [{ from: "loop.never", to: "outputs.never" }] });

/** Flips a bit in the middle of a file. */
function damage(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

const SECRET = "the-word-that-stands-outside";
const CORPUS_FILES = 60;
const corpora = new Map<number, { folder: string; paths: string[]; skipped: number }>();

function corpus(seed = 1): { folder: string; paths: string[]; skipped: number } {
  let known = corpora.get(seed);
  if (!known) {
    const outside = join(folderOf({ "secret.md": `${SECRET}. `.repeat(50) }), "secret.md");
    known = createCorpus(join(folder(), "corpus"), { seed, files: CORPUS_FILES, outside });
    corpora.set(seed, known);
  }
  return known;
}

const digests = new Map<RuntimeName, Promise<Ended & { out: string }>>();

/** The digest of the corpus, made once on each runtime. */
function digested(runtime: RuntimeName): Promise<Ended & { out: string }> {
  let known = digests.get(runtime);
  if (!known) {
    const out = join(folder(), "out");
    known = symphony(["run", DIGEST, "--input", `folder=${corpus().folder}`, "--out", out, "--json"], { runtime }).then((ended) => ({ ...ended, out }));
    digests.set(runtime, known);
  }
  return known;
}

// ---- arguments ----

for (const runtime of BOTH)
  test(`--version tells name and version on ${runtime}`, async () => {
    expect(await symphony(["--version"], { runtime, home: "" })).toMatchObject({ code: 0, stdout: `symphony ${version.version}\n`, stderr: "" });
  });

test(
  "help stands on standard output, with examples",
  async () => {
    await Promise.all(
      [[], ["help"], ["--help"], ["-h"]].map(async (args) => {
        const { code, stdout, stderr } = await symphony(args, { home: "" });
        expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
        expect(stdout).toMatch(/^Example: symphony run /m);
      }),
    );
    await Promise.all(
      ["run", "validate", "artifacts", "ext"].map(async (command) => {
        const [topic, option] = await Promise.all([symphony(["help", command], { home: "" }), symphony([command, "--help"], { home: "" })]);
        expect(topic).toEqual(option);
        expect(topic).toMatchObject({ code: 0, stderr: "" });
        expect(topic.stdout).toMatch(/^Examples:\n {2}symphony /m);
      }),
    );
  },
  TEST_MS,
);

test("help exit-codes tells every code of error", async () => {
  const { stdout } = await symphony(["help", "exit-codes"], { home: "" });
  for (const [code, { exit, says }] of Object.entries(CODES)) expect(stdout).toMatch(new RegExp(`^ +${exit} {2}${code} +${says.replace(/[.*+?^$()]/g, "\\$&")}$`, "m"));
});

const MISUSES: [string, string[], string][] = [
  ["an unknown command", ["rnu"], 'there is no such command (did you mean "run"?)'],
  ["an unknown command like none", ["sing"], "`symphony help` lists them"],
  ["an unknown option before a command", ["--verison"], 'Cannot understand "--verison"'],
  ["an unknown topic of help", ["help", "validat"], '(did you mean "validate"?)'],
  ["an unknown option", ["run", "--jsn"], "did you mean --json?"],
  ["an unknown option of validate", ["validate", "--shema"], "did you mean --schema?"],
  ["an option that another command has", ["ext", "list", "--parallel", "2"], "symphony ext has no such option"],
  ["an unknown short option", ["run", "-x", DIGEST], "`symphony help run`"],
  ["an option without its value", ["run", "--input"], "--input"],
  ["a value for an option that takes none", ["run", "--json=yes", DIGEST], "--json"],
  ["no melody to run", ["run"], "no melody is named"],
  ["two melodies to run", ["run", DIGEST, SALES], "several melodies at once"],
  ["no melody to validate", ["validate"], "no melody is named"],
  ["no steps at once", ["run", DIGEST, "--parallel", "0"], '--parallel "0": expected a whole number from 1 to 1000'],
  ["steps at once that are no number", ["run", DIGEST, "--parallel", "many"], '--parallel "many"'],
  ["a time-out that is no whole number", ["run", DIGEST, "--timeout", "1.5"], '--timeout "1.5"'],
  ["no command of artifacts", ["artifacts"], "expected list, show ID or get ID"],
  ["an unknown command of artifacts", ["artifacts", "delete", "abcd"], "expected list, show ID or get ID"],
  ["artifacts show without an id", ["artifacts", "show"], "expected list, show ID or get ID"],
  ["an unknown command of ext", ["ext", "install"], "expected list"],
];

for (const [what, args, expected] of MISUSES)
  test(`${what} ends with 2 and says what would do`, async () => {
    const { code, stdout, stderr } = await symphony(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(expected);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

test("a home that can't be made ends with 3", async () => {
  const file = join(folderOf({ file: "" }), "file");
  const { code, stderr } = await symphony(["artifacts", "list"], { home: join(file, "home") });
  expect(code).toBe(3);
  expect(stderr).toContain("cli/io: Cannot make the folder");
});

test("SYMPHONY_HOME stands for --home", async () => {
  const path = join(folder(), "of-its-own");
  expect((await symphony(["run", PUBLISH, "--approve", "review", "--quiet"], { home: "", env: { SYMPHONY_HOME: path } })).code).toBe(0);
  expect((await symphony(["artifacts", "list"], { home: path })).stdout).toContain("text/markdown");
}, 20_000);

// ---- validate ----

const BAD = JSON.stringify({
  symphony: 1,
  id: "bad",
  nodes: [
    { id: "a", kind: "operator", uses: "fles" },
    { id: "b", kind: "operator", uses: "csv", settings: { header: "yes" }, inputs: { text: "x" } },
  ],
  edges: [{ from: "c.text", to: "b.text" }],
});
const BAD_FAULTS = ['nodes[0].uses: no extension "fles" is installed (did you mean "files"?)', "nodes[1].settings.header", 'there is no node "c"'];

describe("validate", () => {
  for (const runtime of BOTH)
    test(`says that the examples are sound, on ${runtime}`, async () => {
      const { code, stdout, stderr } = await symphony(["validate", DIGEST, PUBLISH, SALES], { runtime });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.trim().split("\n")).toHaveLength(3);
      for (const line of stdout.trim().split("\n")) expect(line).toMatch(/: sound, \d+ nodes, \d+ edges$/);
    });

  test("tells all faults of a bad melody together, and the others are still checked", async () => {
    const bad = join(folderOf({ "bad.json": BAD }), "bad.json");
    const { code, stdout, stderr } = await symphony(["validate", bad, SALES]);
    expect(code).toBe(2);
    for (const fault of BAD_FAULTS) expect(stderr).toContain(fault);
    expect(stdout).toBe(`${SALES}: sound, 4 nodes, 7 edges\n`);
  });

  test("gives one object a file with --json", async () => {
    const bad = join(folderOf({ "bad.json": BAD }), "bad.json");
    const { code, objects, stderr } = await symphony(["validate", bad, SALES, "--json"]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
    expect(objects).toMatchObject([
      { file: bad, sound: false },
      { file: SALES, sound: true, nodes: 4, edges: 7, faults: [] },
    ]);
    const faults = (objects[0] as { faults: { path: string; message: string }[] }).faults;
    expect(faults.length).toBeGreaterThanOrEqual(BAD_FAULTS.length);
    for (const { path, message } of faults) expect([typeof path, typeof message]).toEqual(["string", "string"]);
  });

  test("prints the JSON Schema of the format, which is the published one", async () => {
    const { code, stdout } = await symphony(["validate", "--schema"]);
    const schema = JSON.parse(stdout) as { type: string; properties: object; required: string[] };
    expect(code).toBe(0);
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(["symphony", "id", "inputs", "outputs", "nodes", "edges"]));
    expect(schema.required).toEqual(expect.arrayContaining(["symphony", "id", "nodes"]));
    const published = join(root, "docs/melody-1.schema.json");
    if (existsSync(published)) expect(JSON.parse(readFileSync(published, "utf8"))).toEqual(schema);
  });

  const UNREADABLE: [string, string, number, string][] = [
    ["a file that isn't there", "nowhere.json", 3, "nothing stands there"],
    ["a folder", ".", 3, "it is a folder"],
    ["a file that is no JSON", "text.json", 2, "it is not JSON"],
    ["an empty file", "empty.json", 2, "it is not JSON"],
    ["a binary file", "binary.json", 2, "it is not JSON"],
  ];
  for (const command of ["validate", "run"])
    for (const [what, name, exit, expected] of UNREADABLE)
      test(`${command} of ${what} ends with ${exit}`, async () => {
        const at = folderOf({ "text.json": "Once upon a time", "empty.json": "", "binary.json": "\0\u{1}\xff" });
        const { code, stdout, stderr } = await symphony([command, join(at, name)]);
        expect({ code, stdout }).toEqual({ code: exit, stdout: "" });
        expect(stderr).toContain(expected);
      });
});

// ---- runs ----

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
      for (const file of filesBelow(home)) expect(readFileSync(file).includes(SECRET)).toBe(false);
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
      for (const path of [space, root, tmpdir(), "/proc/self"]) expect(report).not.toContain(path);
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
      expect(line).not.toContain(space);
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
        for (const node of ["read", "rows", "open", "report"]) expect(stderr).toMatch(new RegExp(`^${node}: done  \\d+ ms$`, "m"));
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

  test("where nothing can be written ends with 3, and the outputs are kept", async () => {
    const own = warmHome();
    const file = join(folderOf({ file: "" }), "file");
    const { code, stderr } = await symphony(["run", SALES, "--out", join(file, "out")], { home: own });
    expect(code).toBe(3);
    expect(stderr).toContain("cli/io: Cannot copy the outputs");
    expect((await symphony(["artifacts", "list"], { home: own })).stdout).toContain("text/markdown");
  }, 20_000);

  test("where nothing can be written still ends --json with its last object", async () => {
    const file = join(folderOf({ file: "" }), "file");
    const ended = await symphony(["run", SALES, "--json", "--out", join(file, "out")]);
    expect(ended.code).toBe(3);
    expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { report: { mediaType: "text/markdown" } } });
  }, 20_000);

  test("is left alone by a run that fails", async () => {
    const out = join(folder(), "out");
    expect((await symphony(["run", SALES, "--out", out, "--input", "table=nowhere.csv"])).code).toBe(1);
    expect(existsSync(out)).toBe(false);
  }, 20_000);
});

// ---- inputs and grants ----

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

// ---- approvals ----

describe("approve", () => {
  for (const runtime of BOTH)
    test(`where nobody can be asked ends with 1 and the way out, on ${runtime}`, async () => {
      const { code, stderr } = await symphony(["run", PUBLISH], { runtime });
      expect(code).toBe(1);
      expect(stderr).toContain("approve/unattended");
      expect(stderr).toContain("--approve review");
    });

  for (const name of ["review", "all"])
    test(`--approve ${name} says yes in advance`, async () => {
      const ended = await symphony(["run", PUBLISH, "--approve", name, "--json"]);
      expect(ended.code).toBe(0);
      expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { page: { mediaType: "text/markdown" } } });
    });

  test("--approve of a node that isn't there is told", async () => {
    const { code, stderr } = await symphony(["run", PUBLISH, "--approve", "reviwe"]);
    expect(code).toBe(2);
    expect(stderr).toContain("review");
  });
});

const atTerminal = "Deno" in globalThis || spawnSync("python3", ["-c", "import pty"]).status !== 0 ? everywhere.skip : everywhere;

describe("at a terminal", () => {
  for (const runtime of BOTH) {
    atTerminal(`a person is asked and says yes, on ${runtime}`, async () => {
      const running = start(["run", PUBLISH], { terminal: true, runtime });
      await running.until((stdout) => stdout.includes("Approve?"));
      running.child.stdin?.write("y\r");
      const { code, stdout } = await running.ended;
      expect(code).toBe(0);
      expect(stdout).toContain("Publish this summary?");
      expect(stdout).toContain("completed");
    });

    atTerminal(`a person is asked and says no with a reason, on ${runtime}`, async () => {
      const running = start(["run", PUBLISH], { terminal: true, runtime });
      await running.until((stdout) => stdout.includes("Approve?"));
      running.child.stdin?.write("n too short\r");
      const { code, stdout } = await running.ended;
      expect(code).toBe(1);
      expect(stdout).toContain("approve/rejected");
      expect(stdout).toContain("too short");
    });

    atTerminal(`Ctrl-C at the question cancels the run, on ${runtime}`, async () => {
      const running = start(["run", PUBLISH], { terminal: true, runtime });
      await running.until((stdout) => stdout.includes("Approve?"));
      running.child.stdin?.write("\x03");
      const { code, stdout } = await running.ended;
      expect(code).toBe(130);
      expect(stdout).toContain("cancelled");
    });

    atTerminal(
      `Ctrl-C while a step runs cancels the run, on ${runtime}`,
      async () => {
        const running = start(["run", LOOP(), ...GUESTS], { terminal: true, runtime });
        await running.until((stdout) => /loop +\d+ ms[\s\S]*loop +\d+ ms[\s\S]*loop +\d+ ms/.test(stdout));
        running.child.stdin?.write("\x03");
        const { code, stdout } = await running.ended;
        expect(stdout.slice(-300)).toContain("cancelled");
        expect(code).toBe(130);
      },
      20_000,
    );
  }

  atTerminal("NO_COLOR is heeded", async () => {
    const { stdout } = await symphony(["run", SALES], { terminal: true, env: { NO_COLOR: "1" } });
    expect(stdout).toContain("completed");
    expect(stdout).not.toMatch(/\x1b\[[\d;]*m/);
  });

  atTerminal(
    "what an artifact holds doesn't steer it",
    async () => {
      const table = join(folderOf({ "table.csv": 'a\n"\x1b]0;mine\x07\x1b[2J\x1b[31mred"\n' }), "table.csv");
      const file = melody({
        inputs: { text: { type: "text" } },
        outputs: { page: { type: "content" }, text: { type: "list<json>" } },
        nodes: [
          { id: "rows", kind: "operator", uses: "csv" },
          { id: "page", kind: "operator", uses: "template", settings: { as: "artifact", mediaType: "text/markdown", template: "{{#items}}{{a}}{{/items}}" } },
        ],
        edges: [
          { from: "inputs.text", to: "rows.text" },
          { from: "rows.rows", to: "page.items" },
          { from: "rows.rows", to: "outputs.text" },
          { from: "page.document", to: "outputs.page" },
        ],
      });
      const ended = await symphony(["run", file, "--input", `text=@${table}`, "--json"]);
      const { artifact } = (finalOf(ended).outputs as { page: { artifact: string } }).page;
      const { stdout } = await symphony(["artifacts", "show", artifact], { terminal: true });
      expect(stdout).toContain("red");
      expect(stdout).not.toMatch(/\x1b\[2J|\x1b\]0|\x1b\[31m/);
    },
    20_000,
  );
});

// ---- ends that are forced ----

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

// ---- extensions ----

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
    expect(list.objects.map(({ id }) => id)).toEqual(["csv", "files", "json-transform", "keywords", "language", "summarize", "template", "text-split", "unbuilt"]);
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
      expect(stdout).toContain("read granted folders");
      expect(stdout).toContain("compute, and nothing else");
    });
});

// ---- artifacts ----

describe("artifacts", () => {
  /** A home with one run in it, and what it stored. */
  async function stored(): Promise<{ own: string; id: string; text: string }> {
    const own = warmHome();
    const out = join(folder(), "out");
    const ended = await symphony(["run", SALES, "--json", "--out", out], { home: own });
    const { artifact } = (finalOf(ended).outputs as { report: { artifact: string } }).report;
    return { own, id: artifact, text: readFileSync(join(out, "report.md"), "utf8") };
  }

  test(
    "are listed, shown and got by their id or its beginning",
    async () => {
      const { own, id, text } = await stored();
      expect((await symphony(["artifacts", "list"], { home: own })).stdout).toMatch(new RegExp(`^${id} +[\\d.]+ k?B {2}text/markdown$`, "m"));
      expect((await symphony(["artifacts", "list", "--json"], { home: own })).objects).toContainEqual({ id, size: Buffer.byteLength(text), mediaType: "text/markdown" });
      for (const name of [id, id.slice(0, 12), id.slice(0, 4)]) {
        const shown = await symphony(["artifacts", "show", name], { home: own });
        expect(shown).toMatchObject({ code: 0, stdout: text.endsWith("\n") ? text : `${text}\n` });
        expect((await symphony(["artifacts", "get", name], { home: own })).stdout).toBe(text);
      }
      const file = join(folder(), "copy.md");
      expect(await symphony(["artifacts", "get", id, "--out", file], { home: own })).toMatchObject({ code: 0, stdout: "" });
      expect(readFileSync(file, "utf8")).toBe(text);
      expect((await symphony(["artifacts", "get", id, "--out", join(file, "below")], { home: own })).code).toBe(3);
    },
    TEST_MS,
  );

  test("that aren't stored end with 2", async () => {
    const own = folder();
    const names = [
      ["0123456789abcdef", "Cannot find the artifact 0123456789abcdef"],
      ["ABCD", "hexadecimal"],
      ["012", "at least the first 4"],
      ["../../etc/passwd", "hexadecimal"],
    ] as const;
    await Promise.all(
      names.map(async ([name, expected], index) => {
        const { code, stdout, stderr } = await symphony(["artifacts", index % 2 ? "show" : "get", name], { home: own });
        expect({ name, code, stdout }).toEqual({ name, code: 2, stdout: "" });
        expect(stderr).toContain(expected);
      }),
    );
    expect(await symphony(["artifacts", "list"], { home: own })).toMatchObject({ code: 0, stdout: "" });
  }, 20_000);

  test(
    "that are damaged are told so, never shown, and made again by the next run",
    async () => {
      const { own, id, text } = await stored();
      const file = filesBelow(own).find((path) => path.endsWith(`/${id}`)) as string;
      damage(file);
      for (const action of ["show", "get"]) {
        const { code, stdout, stderr } = await symphony(["artifacts", action, id], { home: own });
        expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
        expect(stderr).toStartWith("artifact/damaged: ");
      }
      expect((await symphony(["run", SALES, "--quiet"], { home: own })).code).toBe(0);
      expect((await symphony(["artifacts", "get", id], { home: own })).stdout).toBe(text);
    },
    TEST_MS,
  );

  test("in binary come out byte for byte, and are not thrown at a terminal", async () => {
    const random = createRandom(5);
    const data = Uint8Array.from({ length: 70_000 }, () => random(256));
    const own = folder();
    // stored as the store would
    const id = createHash("sha256").update(data).digest("hex");
    mkdirSync(join(own, "artifacts", id.slice(0, 2)), { recursive: true });
    writeFileSync(join(own, "artifacts", id.slice(0, 2), id), data);
    expect(Buffer.compare((await symphony(["artifacts", "get", id], { home: own })).bytes, data)).toBe(0);
    const shown = await symphony(["artifacts", "show", id], { home: own });
    expect(shown).toMatchObject({ code: 0, stdout: "" });
    expect(shown.stderr).toContain("It is not text");
  }, 20_000);
});

// ---- what is kept between runs ----

test(
  "damaged entries of the cache are noticed and made again",
  async () => {
    const own = warmHome();
    const first = await symphony(["run", SALES, "--json"], { home: own });
    const cache = filesBelow(join(own, "cache"));
    expect(cache.length).toBeGreaterThan(0);
    const before = new Map(cache.map((file) => [file, readFileSync(file)]));
    const ways: ((file: string) => void)[] = [damage, (file) => writeFileSync(file, ""), (file) => writeFileSync(file, (before.get(file) as Buffer).subarray(0, 1000))];
    for (const [index, file] of cache.entries()) (ways[index % ways.length] as (file: string) => void)(file);
    const again = await symphony(["run", SALES, "--json"], { home: own });
    expect(again.code).toBe(0);
    expect(finalOf(again).outputs).toEqual(finalOf(first).outputs);
    const used = cache.filter((file) => Buffer.compare(readFileSync(file), before.get(file) as Buffer) === 0);
    // those of the sales melody: files, csv, json-transform, template
    expect(used.length).toBeGreaterThanOrEqual(4);
  },
  TEST_MS,
);

test(
  "runs that begin at the same moment on an empty home don't collide",
  async () => {
    const own = join(folder(), "cold");
    const all = await Promise.all(BOTH.flatMap((runtime) => [runtime, runtime]).map((runtime) => symphony(["run", SALES, "--json"], { home: own, runtime })));
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(new Set(all.map((ended) => JSON.stringify(finalOf(ended).outputs))).size).toBe(1);
    expect(new Set(all.map((ended) => finalOf(ended).run)).size).toBe(4);
    // nothing half written is left
    for (const part of ["artifacts", "cache/components"]) expect(filesBelow(join(own, part, "tmp"))).toEqual([]);
  },
  TEST_MS,
);

// ---- failures ----

describe("a step that fails", () => {
  const ragged = () => folderOf({ "orders.csv": "order,region,amount,status\n1,north,2.5,open\n2,south\n" });

  test("is named with its code and the place", async () => {
    const { code, stdout, stderr } = await symphony(["run", SALES, "--input", `folder=${ragged()}`]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    for (const part of ["rows", "csv.ragged-row", "Line 3 has 2 cells"]) expect(stderr).toContain(part);
  }, 20_000);

  test("is named with its code and the place in JSON", async () => {
    const ended = await symphony(["run", SALES, "--json", "--input", `folder=${ragged()}`]);
    expect(ended.code).toBe(1);
    expect(ended.objects.find(({ event }) => event === "node.failed")).toMatchObject({ node: "rows", detail: "csv.ragged-row", message: expect.stringContaining("Line 3") });
    expect(finalOf(ended)).toMatchObject({ state: "failed", outputs: {}, error: { detail: "csv.ragged-row", message: expect.stringContaining("rows failed") } });
    expect(Object.keys(finalOf(ended))).toEqual(["run", "state", "outputs", "error"]);
  }, 20_000);

  test("in a map is named with its item", async () => {
    const file = melody({
      outputs: { counts: { type: "list<number>" } },
      nodes: [
        {
          id: "each",
          kind: "control",
          control: "map",
          over: "text",
          inputs: { items: ["a,b\n1,2\n", "a,b\n1\n"] },
          body: {
            inputs: { text: { type: "text" } },
            outputs: { count: { type: "number" } },
            nodes: [{ id: "rows", kind: "operator", uses: "csv" }],
            edges: [
              { from: "inputs.text", to: "rows.text" },
              { from: "rows.count", to: "outputs.count" },
            ],
          },
        },
      ],
      edges: [{ from: "each.count", to: "outputs.counts" }],
    });
    const ended = await symphony(["run", file, "--json"]);
    expect(ended.code).toBe(1);
    const failed = ended.objects.filter(({ event }) => event === "node.failed");
    expect(failed.map(({ node }) => node)).toEqual(["each/1/rows", "each"]);
    expect(finalOf(ended).error).toMatchObject({ detail: "csv.ragged-row" });
  }, 20_000);

  const SPARE = [{ a: 1, b: "" }];
  const RULES: [string, unknown, { code: number; state: string; outputs: object }][] = [
    ["stop: the run fails", "stop", { code: 1, state: "failed", outputs: {} }],
    ["continue: the run fails after all the rest", "continue", { code: 1, state: "failed", outputs: { later: 1 } }],
    ["skip: the run completes without it", "skip", { code: 0, state: "completed", outputs: { later: 1 } }],
    ["fallback: the run completes with what stands in", { fallback: "spare" }, { code: 0, state: "completed", outputs: { later: 1, rows: SPARE } }],
  ];
  for (const runtime of BOTH)
    for (const [what, onFailure, { code, ...expected }] of RULES)
      test(`${what}, on ${runtime}`, async () => {
        const fallback = typeof onFailure === "object";
        const file = melody({
          outputs: { rows: { type: "list<json>", optional: true }, later: { type: "number", optional: true } },
          nodes: [
            { id: "rows", kind: "operator", uses: "csv", inputs: { text: "a,b\n1\n" }, onFailure },
            ...(fallback ? [{ id: "spare", kind: "operator", uses: "csv", settings: { ragged: "pad" } }] : []),
            // far behind the failure
            { id: "wait", kind: "control", control: "delay", delayMs: 300, inputs: { value: "x,y\n1,2\n" } },
            { id: "later", kind: "operator", uses: "csv" },
          ],
          edges: [
            { from: "rows.rows", to: "outputs.rows" },
            { from: "wait.value", to: "later.text" },
            { from: "later.count", to: "outputs.later" },
          ],
        });
        const ended = await symphony(["run", file, "--json"], { runtime });
        expect({ code: ended.code, state: finalOf(ended).state, outputs: finalOf(ended).outputs }).toEqual({ code, ...expected } as never);
      }, 20_000);
});
