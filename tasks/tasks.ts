// The tasks: check, test, soak, bench, build, bindings, extension. Each prints what it runs and ends with a code that means it.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { buildExtension } from "./build-extension.ts";
import { extensionFolders } from "./setup.ts";

const root = join(import.meta.dirname, "..");
const bun = join(root, "node_modules/bun/bin/bun.exe");
const deno = join(root, "node_modules/deno/bin.cjs");
const reports = join(root, ".build/reports");

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const TASKS: Record<string, (args: string[]) => Promise<number>> = { check, test, soak, bench, build, bindings, extension };

/** `log`: a file for what it says, where it runs beside another. */
function run(program: string, args: string[], env: Record<string, string> = {}, log?: string): Promise<number> {
  console.log(`$ ${[program.replace(`${root}/`, ""), ...args].join(" ")}`);
  return new Promise((resolve) => {
    const to = log === undefined ? "inherit" : openSync(log, "w");
    const child = spawn(program, args, { cwd: root, stdio: ["inherit", to, to], env: { ...process.env, ...env } });
    child.on("error", (cause) => {
      console.error(cause.message);
      resolve(127);
    });
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/** Format, types, lint. */
async function check(): Promise<number> {
  const formatAndLint = await run(join(root, "node_modules/.bin/biome"), ["check", "."]);
  const types = await run(join(root, "node_modules/.bin/tsc"), ["-p", "."]);
  const current = await run(bun, ["tasks/bindings.ts", "--check"]);
  return formatAndLint || types || current;
}

async function bindings(): Promise<number> {
  return run(bun, ["tasks/bindings.ts"]);
}

function hasRust(): boolean {
  return ["rustc", "/usr/bin/rustc"].some((program) => {
    const { status, stdout } = spawnSync(program, ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"], { encoding: "utf8" });
    return status === 0 && existsSync(stdout.trim());
  });
}

/** What tests want beyond npm's packages. What can't be had is named, and what it covers is skipped. */
async function bringTools(): Promise<string[]> {
  const wanted = [
    { program: "bwrap", packages: ["bubblewrap"], covers: "isolates inside bubblewrap" },
    { program: "clang", packages: ["clang"], covers: "guests in C" },
    { program: "wasm-ld", packages: ["lld"], covers: "guests in C" },
    { program: "chromium", packages: ["chromium"], covers: "the browser" },
    { program: "strace", packages: ["strace"], covers: "that a guest without grants leaves no trace in the system" },
    { program: "rustc for wasm32", packages: ["rustc", "libstd-rust-dev-wasm32"], covers: "extensions in Rust" },
  ];
  const has = (program: string): boolean => (program.startsWith("rustc") ? hasRust() : spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0);
  const missing = wanted.filter(({ program }) => !has(program));
  if (missing.length && process.getuid?.() === 0 && has("apt-get")) {
    const packages = [...new Set(missing.flatMap((one) => one.packages))];
    console.log(`Installing from Debian, once: ${packages.join(", ")}`);
    const quiet = { stdio: "ignore" as const, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, timeout: 400_000 };
    spawnSync("apt-get", ["update", "-qq"], quiet);
    // one by one: what one lacks must not keep the others away
    for (const name of packages) spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], quiet);
  }
  const left = wanted.filter(({ program }) => !has(program)).map(({ program, packages, covers }) => `${program} is missing (Debian: ${packages.join(" ")}): ${covers} not tested`);
  return [...left, ...bringPython()];
}

/** What tests want from PyPI, into a folder of the project's own. */
function bringPython(): string[] {
  const wanted = [{ name: "cbor2", version: "6.2.1", covers: "the plain encoding beside a reader of another house" }];
  const to = join(root, ".build/python");
  return wanted
    .filter(({ name, version }) => !existsSync(join(to, `${name}-${version}.dist-info`)))
    .filter(({ name, version }) => {
      console.log(`Installing from PyPI, once: ${name} ${version}`);
      const { status } = spawnSync("python3", ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", to, `${name}==${version}`], {
        stdio: "ignore",
        timeout: 120_000,
      });
      return status !== 0;
    })
    .map(({ name, version, covers }) => `${name} ${version} can't be had from PyPI: ${covers} not tested`);
}

/** All files of tests, relative to the root. */
function testFiles(): string[] {
  const found: string[] = [];
  const open = ["."];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop())
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.isDirectory() && !/^(node_modules|build|dist|\..*)$/.test(entry.name)) open.push(`${folder}/${entry.name}`);
      else if (entry.name.endsWith(".test.ts")) found.push(`${folder}/${entry.name}`);
    }
  return found.sort();
}

/** Names of the tests that failed, from the JUnit report of one runner. */
function failedIn(report: string): string[] {
  if (!existsSync(report)) return [];
  const unescaped = (text: string): string => text.replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const cases = readFileSync(report, "utf8").matchAll(/<testcase\b([^>]*?)(\/>|>(.*?)<\/testcase>)/gs);
  return [...cases].flatMap(([, head, , inner]) => (/<(failure|error)\b/.test(inner ?? "") ? [unescaped(/\bname="([^"]*)"/.exec(head as string)?.[1] ?? "?")] : []));
}

/** A runner that goes beside the others. */
interface Lane {
  name: string;
  program: string;
  args: (report: string) => string[];
}

/** The JUnit report of one runner. */
function countsOf(report: string): Counts {
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const text = readFileSync(report, "utf8");
  const head = /<testsuites[^>]*>/.exec(text)?.[0] ?? "";
  const number = (name: string): number => Number(new RegExp(`${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  // Deno's report doesn't sum them up
  const skipped = text.match(/<skipped\b/g)?.length ?? 0;
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}

async function test(args: string[]): Promise<number> {
  const notes = await bringTools();
  mkdirSync(reports, { recursive: true });
  for (const folder of extensionFolders("tests/guests")) {
    try {
      if ((await buildExtension(folder)) === "built") console.log(`built ${folder.slice(root.length + 1)}`);
    } catch (cause) {
      if (!folder.endsWith("-c")) throw cause;
      notes.push(`${folder.slice(root.length + 1)} can't be built: ${(cause as Error).message.split("\n")[0]}`);
    }
  }
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const tally = (name: string, code: number, counts: Counts): void => {
    // a runner that fails without a failed test has crashed
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  };

  const checked = await check();
  tally("check", checked, { passed: checked === 0 ? 1 : 0, failed: checked === 0 ? 0 : 1, skipped: 0 });

  const coverage = process.env["SYMPHONY_COVERAGE"] ? ["--coverage", "--coverage-reporter=text"] : [];
  const onBun = (report: string, files: string[]): string[] => ["test", "--timeout", "60000", "--reporter=junit", `--reporter-outfile=${report}`, ...coverage, ...files];
  const isCommand = (file: string): boolean => file.startsWith("./tests/cli/");
  const all = args.length > 0 ? args : testFiles();
  const lanes: Lane[] = [{ name: "Bun", program: bun, args: (report) => onBun(report, args.length > 0 ? args : all.filter((file) => !isCommand(file))) }];
  if (args.length === 0) {
    // dealt out in turn: the command line's tests take longest, and most of that is waiting for processes
    const commands = all.filter(isCommand);
    for (const half of [0, 1])
      lanes.push({
        name: `Bun, the command line, ${half + 1} of 2`,
        program: bun,
        args: (report) =>
          onBun(
            report,
            commands.filter((_, i) => i % 2 === half),
          ),
      });
    lanes.push({
      name: "Deno",
      program: "node",
      args: (report) => [deno, "test", "-A", "--no-check", "--no-prompt", `--junit-path=${report}`, "runtime", "pit", "tests", "extensions"],
    });
  }
  const failed: string[] = [];
  const ended = lanes.map(async ({ name, program, args: argsFor }, i) => {
    const report = join(reports, `${i}.xml`);
    rmSync(report, { force: true });
    // the first is seen as it goes
    return { name, report, code: await run(program, argsFor(report), {}, i === 0 ? undefined : join(reports, `${i}.log`)) };
  });
  for (const [i, lane] of ended.entries()) {
    const { name, report, code } = await lane;
    if (code !== 0 && i > 0)
      console.log(
        readFileSync(join(reports, `${i}.log`), "utf8")
          .split("\n")
          .slice(-400)
          .join("\n"),
      );
    tally(name, code, countsOf(report));
    failed.push(...failedIn(report).map((test) => `failed on ${name}: ${test}`));
  }
  for (const line of failed) console.log(line);
  if (args.length === 0) console.log("skipped on Deno: tests that start both runtimes themselves, or the browser; they ran on Bun");
  for (const note of notes) console.log(`skipped: ${note}`);
  total.skipped += notes.length;
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
}

/** The long forms of tests, with their figures. */
async function soak(args: string[]): Promise<number> {
  for (const note of await bringTools()) console.log(`skipped: ${note}`);
  for (const folder of extensionFolders("tests/guests")) await buildExtension(folder);
  return run(bun, ["tests/soak.ts", ...args]);
}

/** Figures beside peers, which have a package.json of their own. */
async function bench(args: string[]): Promise<number> {
  const installed = await run("npm", ["install", "--prefix", "bench", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (installed !== 0) return installed;
  for (const folder of extensionFolders("tests/guests")) await buildExtension(folder);
  return run(bun, ["bench/bench.ts", ...args]);
}

/** Components out of the sources in folders. */
async function extension(args: string[]): Promise<number> {
  return run(bun, ["tasks/build-extension.ts", ...args.map((folder) => resolve(process.env["INIT_CWD"] ?? root, folder))]);
}

/** The single binary. */
async function build(): Promise<number> {
  return run(bun, ["tasks/build-binary.ts"]);
}

const [name = "", ...args] = process.argv.slice(2);
const task = TASKS[name];
if (!task) {
  console.error(`There is no task ${JSON.stringify(name)}; there are ${Object.keys(TASKS).join(", ")}`);
  process.exit(2);
}
process.exit(await task(args));
