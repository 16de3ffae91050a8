// The single binary, alone in a folder of its own, without HOME: it does what the source does, to the same hash. Takes
// dist/symphony when nothing is newer, else builds one.
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { extensionFolders } from "../tasks/setup.ts";
import { guest } from "./components.ts";
import { root } from "./platform.ts";

const onDeno = "Deno" in globalThis;
const BUILD_MS = 60_000;
const RUN_MS = 20_000;
/** Of the launcher; the binary itself needs about 4 ms. */
const START_MS_MAX = 60;

/** A system in which bubblewrap isn't installed, where bubblewrap can make one. */
const WITHOUT_BUBBLEWRAP = ["/usr/bin/bwrap", "--die-with-parent", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/usr/bin", "--"];
const wrapped = existsSync("/usr/bin/bwrap") && spawnSync("/usr/bin/bwrap", ["--unshare-all", "--ro-bind", "/", "/", "/bin/true"], { env: {}, stdio: "ignore" }).status === 0;
const SURROUNDINGS: { name: string; confinement: string; before: string[] }[] = [
  ...(wrapped ? [{ name: "with bubblewrap", confinement: "bubblewrap", before: [] }] : []),
  { name: "without bubblewrap", confinement: "nothing more", before: wrapped ? WITHOUT_BUBBLEWRAP : [] },
];

const place = join(tmpdir(), `symphony-binary-${process.pid}`);
const binary = join(place, "alone/symphony");
const empty = join(place, "empty");
const faulty = join(place, "faulty.json");
let homes = 0;

beforeAll(async () => {
  mkdirSync(join(place, "alone"), { recursive: true });
  mkdirSync(empty);
  writeFileSync(faulty, JSON.stringify({ symphony: 1, id: "faulty", nodes: [{ id: "a", kind: "operator", uses: "cvs" }], edges: [] }));
  const built = join(root, "dist/symphony");
  if (existsSync(built) && statSync(built).mtimeMs > newest()) copyFileSync(built, binary);
  else {
    const { code, stderr } = await start([process.execPath, join(root, "tasks/build-binary.ts"), binary], { cwd: root, env: { PATH: process.env["PATH"] ?? "" } });
    if (code !== 0) throw new Error(stderr);
  }
}, BUILD_MS);

afterAll(() => rmSync(place, { recursive: true, force: true }));

/** When the last of what goes into the binary was changed. */
function newest(): number {
  const at = (path: string): number =>
    statSync(path).isDirectory() ? Math.max(0, ...readdirSync(path).map((name) => at(join(path, name)))) : path.endsWith(".test.ts") ? 0 : statSync(path).mtimeMs;
  return Math.max(...["symphony.ts", "package.json", "package-lock.json", "cli", "runtime", "pit", "wit", "extensions", "tasks"].map((name) => at(join(root, name))));
}

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start([program = "", ...args]: string[], { cwd, env = {} }: { cwd: string; env?: Record<string, string> }): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const ended: Ended = { code: null, stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      ended.stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      ended.stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}

/** The binary, in an empty folder with an empty environment. */
function symphony(args: string[], before: string[] = []): Promise<Ended> {
  return start([...before, binary, ...args], { cwd: empty });
}

function home(): string {
  return join(place, `home-${homes++}`);
}

/** The last line of `--json`, without the run's own id. */
function lastOf({ stdout }: Ended): { state: string; outputs: Record<string, { artifact?: string }> } {
  const { run: _, ...rest } = JSON.parse(stdout.trimEnd().split("\n").pop() ?? "");
  return rest;
}

/** There is no binary of Deno's. */
function onBun(name: string, body: () => Promise<void>, timeoutMs?: number): void {
  test.skipIf(onDeno)(`the single binary ${name}`, body, timeoutMs);
}

onBun("starts within the launcher's time and says its version", async () => {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const begun = performance.now();
    expect(await symphony(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^symphony \d+\.\d+\.\d+\n$/), stderr: "" });
    times.push(performance.now() - begun);
  }
  expect(Math.min(...times)).toBeLessThan(START_MS_MAX);
});

onBun("lists every shipped extension as built in", async () => {
  const { code, stdout } = await symphony(["ext", "list", "--json", "--home", home()]);
  const listed = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { id: string; place: string });
  expect(code).toBe(0);
  expect(listed.map(({ id }) => id)).toEqual(extensionFolders("extensions").map((folder) => folder.split("/").pop() as string));
  expect(new Set(listed.map(({ place }) => place))).toEqual(new Set(["built in"]));
});

const codes: [string, number, RegExp, string[]][] = [
  ["help", 0, /symphony run FILE/, ["help"]],
  ["help on one command", 0, /--input NAME=VALUE/, ["help", "run"]],
  ["a sound melody", 0, /sound, \d+ nodes/, ["validate", join(root, "examples/digest/melody.json")]],
  ["a faulty melody", 2, /did you mean "csv"/, ["validate", faulty]],
  ["an unknown command", 2, /^cli\/usage: .*\n$/, ["rum"]],
  ["one of Bun's options", 2, /^cli\/usage: .*\n$/, ["--print", "1"]],
  ["a file that isn't there", 3, /^cli\/io: .*\n$/, ["run", "nowhere.json"]],
  ["an artifact that isn't there", 2, /^artifact\/unknown: .*\n$/, ["artifacts", "show", "ffff"]],
  ["a question that nobody answers", 1, /approve\/unattended/, ["run", join(root, "examples/publish/melody.json")]],
  ["a question answered in advance", 0, /completed/, ["run", join(root, "examples/publish/melody.json"), "--approve", "all"]],
];
for (const [name, code, says, args] of codes)
  onBun(`ends with ${code} after ${name}`, async () => {
    const ended = await symphony(/^(help|rum|--)/.test(args[0] as string) ? args : [...args, "--home", home()]);
    expect(`${ended.stdout}${ended.stderr}`).toMatch(says);
    expect(ended.code).toBe(code);
  });

onBun("takes no orders from files in the folder where it is started", async () => {
  const cwd = join(place, "hostile");
  mkdirSync(cwd);
  writeFileSync(join(cwd, ".env"), `SYMPHONY_HOME=${join(cwd, "home")}\n`);
  writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./preload.js"]\n');
  writeFileSync(join(cwd, "preload.js"), 'console.log("preloaded");\n');
  const { code, stdout } = await start([binary, "artifacts", "list"], { cwd, env: { HOME: place } });
  expect({ code, stdout, made: readdirSync(cwd).sort() }).toEqual({ code: 0, stdout: "", made: [".env", "bunfig.toml", "preload.js"] });
});

for (const example of ["digest", "sales"])
  onBun(
    `runs examples/${example} to the source's outputs, with and without bubblewrap`,
    async () => {
      const melody = join(root, `examples/${example}/melody.json`);
      const source = await start([process.execPath, "--no-install", "--no-env-file", join(root, "symphony.ts"), "run", melody, "--json", "--home", home()], { cwd: empty });
      const expected = lastOf(source);
      expect(expected.state).toBe("completed");
      for (const { confinement, before } of SURROUNDINGS) {
        const own = home();
        const ended = await symphony(["run", melody, "--json", "--home", own], before);
        expect({ code: ended.code, confined: ended.stdout.includes(`"${confinement}"`), ...lastOf(ended) }).toEqual({ code: 0, confined: true, ...expected });
        // the shipped components come prepared
        expect(existsSync(join(own, "cache/components"))).toBe(false);
        const id = expected.outputs["report"]?.artifact as string;
        expect((await symphony(["artifacts", "list", "--home", own])).stdout).toStartWith(id);
        expect((await symphony(["artifacts", "get", id.slice(0, 8), "--home", own])).stdout).toStartWith("# ");
      }
    },
    RUN_MS,
  );

onBun(
  "prepares a foreign component itself, with and without bubblewrap",
  async () => {
    await guest("echo-as");
    const extensions = join(place, "extensions");
    for (const part of ["manifest.toml", "build/echo-as.wasm"]) cpSync(join(root, "tests/guests/echo-as", part), join(extensions, "echo-as", part));
    const melody = join(place, "echo.json");
    writeFileSync(
      melody,
      JSON.stringify({
        symphony: 1,
        id: "echo",
        inputs: { value: { type: "text" } },
        outputs: { value: { type: "any" } },
        nodes: [{ id: "echo", kind: "operator", uses: "echo-as" }],
        edges: [
          { from: "inputs.value", to: "echo.value" },
          { from: "echo.value", to: "outputs.value" },
        ],
      }),
    );
    for (const { before } of SURROUNDINGS) {
      const own = home();
      const run = () => symphony(["run", melody, "--input", "value=Grüße", "--extensions", extensions, "--json", "--home", own], before);
      const expected = { state: "completed", outputs: { value: "Grüße" } };
      expect(lastOf(await run())).toEqual(expected as never);
      const kept = readdirSync(join(own, "cache/components")).filter((name) => name !== "tmp");
      expect(kept.length).toBe(1);
      expect(lastOf(await run())).toEqual(expected as never);
    }
  },
  RUN_MS,
);
