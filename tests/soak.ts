// The long forms of tests, with their figures: `soak` runs all, `soak digest melodies` some. Ends with 1 when one of them
// fails. Leaves out what is measured beside others (bench/).
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { discoverExtensions, planMelody, readMelody } from "../runtime/mod.ts";
import { createRandom } from "./random.ts";
import { createCorpus } from "./corpus.ts";
import { runForeign } from "./foreign.ts";
import { createTestPlatform, root } from "./platform.ts";
import { family } from "./processes.ts";

const MIB = 1024 * 1024;
const bun = join(root, "node_modules/bun/bin/bun.exe");
const deno = join(root, "node_modules/deno/bin.cjs");
/** For everything that is drawn at random; another one is another soak. */
const SEED = Number(process.env["SYMPHONY_SEED"] ?? 1);

const PARTS: Record<string, () => Promise<string[]>> = {
  digest,
  memory,
  hostile,
  melodies,
  simulation,
  kills,
  edits,
  races,
  foreign,
  routing: bus("routing"),
  fuzz: bus("fuzz"),
  slow: bus("slow"),
  peers: bus("peers"),
  health: bus("health"),
};

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
const say = (line: string): void => console.log(line);

// ---- the bus ----

/** A part of soak-bus.ts, on Bun and on Deno. */
function bus(part: string): () => Promise<string[]> {
  return async () => {
    const faults: string[] = [];
    for (const command of [[bun], ["node", deno, "run", "-A", "--no-check"]]) {
      const { code, output } = await collect([...command, "tests/soak-bus.ts", part]);
      say(output.trimEnd());
      if (code !== 0) faults.push(`${part} ended with ${code}`);
    }
    return faults;
  };
}

// ---- races ----

const SWAPS = 100_000;

/** The tests of folders with many more swaps of links and folders under them. */
async function races(): Promise<string[]> {
  const begun = performance.now();
  const { status, stderr } = spawnSync(bun, ["test", "--timeout", "1200000", "./tests/security/files.test.ts"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, SYMPHONY_SWAPS: String(SWAPS) },
  });
  const passed = /(\d+) pass/.exec(stderr)?.[1] ?? "0";
  say(`races: ${passed} tests passed with ${SWAPS} swaps in each race, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  return status === 0 ? [] : [`races: ${stderr.match(/\(fail\) .*/g)?.join("; ") ?? "the tests ended with an error"}`];
}

// ---- foreign ----

/** Components that others wrote, from the folder that SYMPHONY_FOREIGN names: each runs, or is refused with a reason. */
async function foreign(): Promise<string[]> {
  const folder = process.env["SYMPHONY_FOREIGN"];
  if (!folder) {
    say("foreign: skipped; SYMPHONY_FOREIGN names no folder of components");
    return [];
  }
  const found = await runForeign(folder, new RegExp(process.env["SYMPHONY_FOREIGN_ONLY"] ?? "."), ({ file, did, what }) =>
    say(`  ${did.padEnd(7)} ${file}  ${what.split("\n")[0]}`),
  );
  const count = (did: string): number => found.filter((one) => one.did === did).length;
  say(
    `foreign: ${found.length} components: ${count("ran")} ran as expected, ${count("wrong")} ran otherwise, ${count("failed")} failed, ${count("refused")} refused with a reason`,
  );
  return found.filter(({ did, what }) => did === "refused" && !/^gate|^prepare|of ours/.test(what)).map(({ file }) => `foreign: ${file} was refused without a reason`);
}

// ---- digest ----

const FILES = 2000;
/** To compare the memory with. */
const FILES_FEW = 500;
/** Of the host, apart from the isolates. */
const HOST_BYTES_MAX = 400 * MIB;
/** What four times the files may cost the host besides. */
const HOST_GROWTH_MAX = 100 * MIB;
/** The slowest quarter of the files, beside the mean. */
const SLOWEST_MIN = 0.4;
const SAMPLE_MS = 100;

interface Digested {
  hash: string;
  seconds: number;
  hostPeak: number;
  allPeak: number;
  /** Files a second, by quarters. */
  quarters: number[];
}

async function digest(): Promise<string[]> {
  const faults: string[] = [];
  const space = mkdtempSync(join(tmpdir(), "symphony-soak-"));
  try {
    const few = createCorpus(join(space, "few"), { seed: SEED, files: FILES_FEW }).folder;
    const many = createCorpus(join(space, "many"), { seed: SEED, files: FILES }).folder;
    const denoProgram = spawnSync("node", [deno, "eval", "console.log(Deno.execPath())"], { encoding: "utf8" }).stdout.trim();
    const runtimes = { Bun: [join(root, "symphony")], Deno: [denoProgram, "run", "-A", "--no-prompt", join(root, "symphony.ts")] };
    const hashes = new Set<string>();
    for (const [name, program] of Object.entries(runtimes)) {
      const peaks: number[] = [];
      for (const [folder, files] of [
        [few, FILES_FEW],
        [many, FILES],
      ] as const) {
        const home = mkdtempSync(join(space, "home-"));
        const { hash, seconds, hostPeak, allPeak, quarters } = await digestOnce(program, folder, home, files);
        const mean = files / seconds;
        say(
          `digest, ${name}, ${files} files: ${seconds.toFixed(1)} s, ${mean.toFixed(0)} files/s (by quarters ${quarters.map((rate) => rate.toFixed(0)).join(", ")}), host at most ${mib(hostPeak)}, with isolates ${mib(allPeak)}, report ${hash.slice(0, 12)}`,
        );
        peaks.push(hostPeak);
        if (files === FILES) hashes.add(hash);
        if (hostPeak > HOST_BYTES_MAX) faults.push(`${name}: the host took ${mib(hostPeak)} for ${files} files, ${mib(HOST_BYTES_MAX)} are allowed`);
        if (files === FILES && Math.min(...quarters) < SLOWEST_MIN * mean)
          faults.push(`${name}: a quarter went at ${Math.min(...quarters).toFixed(0)} files/s, the whole at ${mean.toFixed(0)}`);
      }
      const growth = (peaks[1] as number) - (peaks[0] as number);
      say(`digest, ${name}: ${FILES / FILES_FEW} times the files cost the host ${mib(growth)} more`);
      if (growth > HOST_GROWTH_MAX) faults.push(`${name}: the host grew by ${mib(growth)} from ${FILES_FEW} to ${FILES} files, ${mib(HOST_GROWTH_MAX)} are allowed`);
    }
    if (hashes.size !== 1) faults.push(`the runtimes wrote different reports: ${[...hashes].join(", ")}`);
  } finally {
    rmSync(space, { recursive: true, force: true });
  }
  return faults;
}

async function digestOnce(program: string[], folder: string, home: string, files: number): Promise<Digested> {
  const args = ["run", join(root, "examples/digest/melody.json"), "--input", `folder=${folder}`, "--json", "--home", home];
  const begun = performance.now();
  const child = spawn(program[0] as string, [...program.slice(1), ...args], { stdio: ["ignore", "pipe", "inherit"], cwd: root });
  const ends: number[] = [];
  let last = "";
  let hostPeak = 0;
  let allPeak = 0;
  const sampler = setInterval(() => {
    hostPeak = Math.max(hostPeak, statusOf(child.pid as number, "VmHWM"));
    allPeak = Math.max(
      allPeak,
      family(child.pid as number).reduce((sum, pid) => sum + statusOf(pid, "VmRSS"), 0),
    );
  }, SAMPLE_MS);
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      last = line;
      const { event, node } = JSON.parse(line) as { event?: string; node?: string };
      // the last node of each item
      if (event === "node.finished" && node && /^each\/\d+\/card$/.test(node)) ends.push(performance.now());
    }
  } finally {
    clearInterval(sampler);
  }
  const seconds = (performance.now() - begun) / 1000;
  const final = JSON.parse(last) as { state: string; outputs: { report?: { artifact: string } }; error?: object };
  if (final.state !== "completed" || !final.outputs.report) throw new Error(`digest of ${files} files: ${last}`);
  if (ends.length !== files) throw new Error(`digest of ${files} files: ${ends.length} items ended`);
  // from the first that ended: what comes before is start and listing
  const quarters = [0, 1, 2, 3].map((quarter) => {
    const from = Math.floor((files * quarter) / 4);
    const to = Math.floor((files * (quarter + 1)) / 4) - 1;
    return ((to - from) * 1000) / ((ends[to] as number) - (ends[from] as number));
  });
  return { hash: final.outputs.report.artifact, seconds, hostPeak, allPeak, quarters };
}

/** A line of /proc/PID/status in bytes; 0 when the process is gone. */
function statusOf(pid: number, name: "VmRSS" | "VmHWM"): number {
  try {
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

// ---- memory and kills ----

const MEMORY_ROUNDS = 10;
/** After the deadline, for this part of all kills. When the system has taken back the memory as well is its own affair, and told. */
const STOPPED_MS_MAX = 20;
const STOPPED_SHARE = 0.99;

async function memory(): Promise<string[]> {
  const faults: string[] = [];
  const runners = {
    Bun: [bun, "test", "--timeout", "60000", "./tests/memory.test.ts"],
    Deno: ["node", deno, "test", "-A", "--no-check", "--no-prompt", "tests/memory.test.ts"],
  };
  for (const [name, program] of Object.entries(runners)) {
    const growth = new Map<string, number[]>();
    const gone = new Map<string, number[]>();
    for (let round = 0; round < MEMORY_ROUNDS; round++) {
      const { code, output } = await collect(program);
      if (code !== 0) {
        say(output.split("\n").slice(-60).join("\n"));
        faults.push(`${name}: the memory test failed in round ${round + 1} of ${MEMORY_ROUNDS}`);
      }
      for (const [, guest, share] of output.matchAll(/^(hog-\w+): .* = ([\d.]+) of the cap/gm)) add(growth, guest as string, [Number(share)]);
      for (const [, guest, what, late] of output.matchAll(/^(hog-\w+): (stopped|gone) after the deadline by (.*) ms$/gm))
        add(gone, `${guest} ${what}`, (late as string).split(", ").map(Number));
    }
    for (const [guest, shares] of growth)
      say(`memory, ${name}, ${guest}: grows by ${Math.min(...shares).toFixed(3)} to ${Math.max(...shares).toFixed(3)} of its cap, ${shares.length} rounds`);
    for (const [guest, late] of gone) {
      late.sort((a, b) => a - b);
      const at = (share: number): string => (late[Math.min(late.length - 1, Math.floor(share * late.length))] as number).toFixed(1);
      const inTime = late.filter((ms) => ms <= STOPPED_MS_MAX).length / late.length;
      say(
        `memory, ${name}, ${guest} after its deadline by ${at(0.5)} ms (median), ${at(0.95)} ms (95 %), ${at(1)} ms (most), ${(inTime * 100).toFixed(0)} % within ${STOPPED_MS_MAX} ms, ${late.length} kills`,
      );
      if (guest.endsWith("stopped") && inTime < STOPPED_SHARE)
        faults.push(`${name}, ${guest}: only ${(inTime * 100).toFixed(0)} % of the kills had stopped it within ${STOPPED_MS_MAX} ms`);
    }
    if (growth.size < 2 || gone.size < 2) faults.push(`${name}: the memory test told no figures`);
  }
  return faults;
}

function add(to: Map<string, number[]>, key: string, values: number[]): void {
  to.set(key, [...(to.get(key) ?? []), ...values]);
}

/** All that a program says. */
function collect([program, ...args]: string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, { cwd: root, env: { ...process.env, NO_COLOR: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Uint8Array) => {
        output += new TextDecoder().decode(chunk);
      });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

// ---- hostile components ----

const FLIPS = 50_000;

async function hostile(): Promise<string[]> {
  const begun = performance.now();
  const { code, output } = await collect([bun, "test", "--timeout", "3600000", "./tests/hostile-components.test.ts"], { SYMPHONY_SOAK: String(FLIPS) });
  const passed = / (\d+) pass/.exec(output)?.[1] ?? "0";
  say(`hostile: ${passed} tests passed with ${FLIPS} damaged components, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  if (code === 0) return [];
  say(
    output
      .split("\n")
      .filter((line) => !line.startsWith("(pass)"))
      .slice(-80)
      .join("\n"),
  );
  return ["tests of hostile components failed"];
}

// ---- runs ----

const SEEDS = 20_000;

async function simulation(): Promise<string[]> {
  const begun = performance.now();
  const { code, output } = await collect([bun, "test", "--timeout", "3600000", "./tests/simulation.test.ts"], { SYMPHONY_SEEDS: String(SEEDS), SYMPHONY_SEED: String(SEED) });
  say(`simulation: ${SEEDS} seeds from ${SEED} and ${BREAKS} ways to break the tracker, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  if (code === 0) return [];
  say(output.split("\n").slice(-60).join("\n"));
  return ["the simulation failed"];
}

const EDITS = 20_000;

async function edits(): Promise<string[]> {
  const begun = performance.now();
  const { code, output } = await collect([bun, "test", "--timeout", "3600000", "./runtime/workflow/edit.test.ts"], { SYMPHONY_EDITS: String(EDITS) });
  say(`edits: ${EDITS} sequences of 30 against an oracle and undone, ${EDITS * 4} pairs in both orders, ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  if (code === 0) return [];
  say(output.split("\n").slice(-40).join("\n"));
  return ["edits failed"];
}

const BREAKS = 6;
/** Runs on each runtime; one is killed once, twice or three times. */
const KILLED_RUNS = 126;

async function kills(): Promise<string[]> {
  const begun = performance.now();
  const { code, output } = await collect([bun, "test", "--timeout", "3600000", "./tests/cli/resume.test.ts"], { SYMPHONY_KILLS: String(KILLED_RUNS) });
  say(
    `kills: ${KILLED_RUNS} runs of five kinds on Bun and ${KILLED_RUNS} on Deno, killed ${KILLED_RUNS * 4} times at random moments and resumed, ${((performance.now() - begun) / 1000).toFixed(0)} s`,
  );
  if (code === 0) return [];
  say(output.split("\n").slice(-60).join("\n"));
  return ["runs that were killed didn't end as they should"];
}

// ---- melodies ----

const MUTATIONS = 200_000;
/** For one file of the size of the examples. */
const MELODY_MS_MAX = 1000;

type Random = (below: number) => number;

async function melodies(): Promise<string[]> {
  const catalogue = await discoverExtensions(createTestPlatform(), [join(root, "extensions")]);
  const sources = readdirSync(join(root, "examples"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readFileSync(join(root, "examples", name, "melody.json"), "utf8"));
  sources.push(JSON.stringify(EVERYTHING));
  for (const source of sources) {
    const faults = faultsOf(source, catalogue);
    if (faults > 0) return [`a melody to begin with has ${faults} faults: ${source.slice(0, 200)}`];
  }
  const parsed = sources.map((source) => JSON.parse(source) as Json);
  const random = createRandom(SEED);
  const begun = performance.now();
  const slowest = { ms: 0, round: 0 };
  const failures = mkdtempSync(join(tmpdir(), "symphony-soak-"));
  const faults: string[] = [];
  const told = { sound: 0, faulty: 0, mute: 0 };
  for (let round = 0; round < MUTATIONS; round++) {
    const at = random(sources.length);
    const source = random(3) === 0 ? damagedText(sources[at] as string, random) : JSON.stringify(damagedTree(structuredClone(parsed[at]) as Json, random));
    const before = performance.now();
    try {
      const count = faultsOf(source, catalogue);
      if (count === 0) told.sound++;
      else told.faulty++;
    } catch (cause) {
      mkdirSync(failures, { recursive: true });
      const file = join(failures, `round-${round}.json`);
      writeFileSync(file, source);
      faults.push(`mutation ${round} of seed ${SEED} threw ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}; it is kept in ${file}`);
      if (faults.length === 5) break;
    }
    const ms = performance.now() - before;
    if (ms > slowest.ms) Object.assign(slowest, { ms, round });
    if (ms > MELODY_MS_MAX) faults.push(`mutation ${round} of seed ${SEED} took ${ms.toFixed(0)} ms`);
  }
  if (faults.length === 0) rmSync(failures, { recursive: true });
  const seconds = (performance.now() - begun) / 1000;
  say(
    `melodies: ${told.sound + told.faulty} mutations in ${seconds.toFixed(1)} s (${((told.sound + told.faulty) / seconds).toFixed(0)} a second), ${told.sound} sound, ${told.faulty} with faults, the slowest took ${slowest.ms.toFixed(0)} ms (number ${slowest.round})`,
  );
  return faults;
}

/** Counts them; each must have a message and a place that is text. */
function faultsOf(source: string, catalogue: Parameters<typeof planMelody>[1]): number {
  const read = readMelody(source);
  const faults = [...read.faults];
  if (read.melody) faults.push(...planMelody(read.melody, catalogue, read).faults);
  else if (faults.length === 0) throw new Error("there is no melody and no fault");
  for (const { path, message } of faults)
    if (typeof path !== "string" || typeof message !== "string" || message === "") throw new Error(`a fault says nothing: ${JSON.stringify({ path, message })}`);
  return faults.length;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One node of each sort and what can be said of one. */
const EVERYTHING: Json = {
  symphony: 1,
  id: "everything",
  timeoutMs: 1000,
  onFailure: "continue",
  inputs: { text: { type: "text", default: "x" }, texts: { type: "list<text>", default: ["a"] }, number: { type: "number", required: false } },
  outputs: { rows: { type: "list<json>", optional: true }, all: { type: "json" }, counts: { type: "list<number>" } },
  nodes: [
    { id: "rows", kind: "operator", uses: "csv", settings: { header: false, ragged: "pad" }, retry: { attempts: 3, delayMs: 1, factor: 2 }, onFailure: { fallback: "spare" } },
    { id: "spare", kind: "operator", uses: "csv" },
    {
      id: "which",
      kind: "control",
      control: "branch",
      cases: [
        { name: "long", when: "size(value) > 10" },
        { name: "some", when: "value.startsWith('a') || value == 'b'" },
      ],
    },
    {
      id: "each",
      kind: "control",
      control: "map",
      over: "text",
      concurrency: 2,
      onItemFailure: "skip",
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
    { id: "wait", kind: "control", control: "delay", delayMs: 5 },
    { id: "ask", kind: "control", control: "approve", prompt: "Well?", timeoutMs: 50 },
    { id: "all", kind: "control", control: "merge", mode: "object" },
  ],
  edges: [
    { from: "inputs.text", to: "rows.text" },
    { from: "inputs.text", to: "which.value" },
    { from: "inputs.texts", to: "each.items" },
    { from: "which.long", to: "wait.value" },
    { from: "which.otherwise", to: "ask.value" },
    { from: "wait.value", to: "all.long", when: "size(value) > 2" },
    { from: "ask.value", to: "all.short" },
    { from: "rows", to: "wait" },
    { from: "rows.rows", to: "outputs.rows" },
    { from: "all.value", to: "outputs.all" },
    { from: "each.count", to: "outputs.counts" },
  ],
};

const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1e308,
  2 ** 53,
  0.1,
  "",
  "x",
  "text",
  "list<text>",
  "list<list<text>>",
  "folder",
  "__proto__",
  "constructor",
  "toString",
  "inputs",
  "outputs",
  "inputs.text",
  "outputs.all",
  "rows.rows",
  "rows",
  "a.b.c",
  ".",
  "\u0000",
  "\ud800",
  "é".repeat(300),
  "value > 1",
  "value.all(x, x > 1)",
  "(".repeat(200),
  "value.matches('(a+)+$')",
  "csv",
  "map",
  "branch",
  "operator",
  [],
  {},
  [[]],
  { fallback: "rows" },
  { from: "rows.rows", to: "rows.text" },
  { id: "rows", kind: "operator", uses: "csv" },
  { id: "n", kind: "control", control: "merge", mode: "list" },
];

/** Replaces, removes, doubles, renames or moves things at one to four places. */
function damagedTree(tree: Json, random: Random): Json {
  for (let left = 1 + random(4); left > 0; left--) {
    const places: { holder: Json[] | { [key: string]: Json }; key: string | number }[] = [];
    const waiting: Json[] = [tree];
    for (let holder = waiting.pop(); holder !== undefined; holder = waiting.pop()) {
      if (typeof holder !== "object" || holder === null) continue;
      for (const key of Array.isArray(holder) ? holder.keys() : Object.keys(holder)) {
        places.push({ holder, key });
        waiting.push((holder as Record<string | number, Json>)[key] as Json);
      }
    }
    if (places.length === 0) return VALUES[random(VALUES.length)] as Json;
    const { holder, key } = places[random(places.length)] as (typeof places)[number];
    const fields = holder as Record<string | number, Json>;
    const other = places[random(places.length)] as (typeof places)[number];
    const elsewhere = structuredClone((other.holder as Record<string | number, Json>)[other.key] as Json);
    switch (random(7)) {
      case 0:
        fields[key] = structuredClone(VALUES[random(VALUES.length)] as Json);
        break;
      case 1:
        if (Array.isArray(holder)) holder.splice(key as number, 1);
        else delete fields[key];
        break;
      case 2:
        if (Array.isArray(holder)) holder.push(...Array.from({ length: 1 + random(3) }, () => structuredClone(fields[key] as Json)));
        else fields[`${key}2`] = structuredClone(fields[key] as Json);
        break;
      case 3:
        fields[key] = elsewhere;
        break;
      case 4:
        if (!Array.isArray(holder)) {
          const name = typeof VALUES[random(VALUES.length)] === "string" ? String(VALUES[random(VALUES.length)]) : String(other.key);
          Object.defineProperty(holder, name, { value: fields[key], enumerable: true, configurable: true, writable: true });
        } else holder.reverse();
        break;
      case 5:
        if (typeof fields[key] === "string") fields[key] = damagedText(fields[key] as string, random);
        break;
      default:
        if (Array.isArray(holder) && holder.length > 1) [fields[key], fields[0]] = [fields[0] as Json, fields[key] as Json];
    }
  }
  return tree;
}

/** Puts, takes away or changes a few characters. */
function damagedText(text: string, random: Random): string {
  let out = text;
  for (let left = 1 + random(3); left > 0; left--) {
    const at = random(out.length + 1);
    const length = random(12);
    const put = random(2) ? JSON.stringify(VALUES[random(VALUES.length)]) : String.fromCharCode(random(random(2) ? 0x80 : 0x10000));
    out = [out.slice(0, at) + out.slice(at + length), out.slice(0, at) + put + out.slice(at + length), out.slice(0, at), out.slice(0, at) + out.slice(random(out.length + 1))][
      random(left === 1 ? 4 : 2)
    ] as string;
  }
  return out;
}

// ---- all together ----

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in PARTS));
if (unknown.length) {
  console.error(`There is no soak ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}
let failed = 0;
for (const name of chosen.length ? chosen : Object.keys(PARTS)) {
  let faults: string[];
  try {
    faults = await (PARTS[name] as () => Promise<string[]>)();
  } catch (cause) {
    faults = [cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)];
  }
  for (const fault of faults) console.error(`failed: ${name}: ${fault}`);
  say(`${name}: ${faults.length === 0 ? "passed" : "failed"}`);
  if (faults.length) failed++;
}
process.exit(failed ? 1 : 0);
