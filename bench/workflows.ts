// What does a step cost that survives? A chain and a fan of steps that do nothing, at the same level of durability, beside Restate,
// LangGraph.js and DBOS, each in a process of its own and driven in turns; cost against size as a picture (workflows.svg).
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Durability } from "../pit/mod.ts";
import { runDurably } from "./durable.ts";
import { type Contestant, head, percentile, race, runtime } from "./figures.ts";
import { plot, type Series } from "./plot.ts";
import { pGraph, planOf, track } from "./tracker.ts";

const SHAPES = ["chain", "fan"] as const;
type Shape = (typeof SHAPES)[number];
/** Also runs that nothing survives, beside the one peer of that kind. */
const LEVELS = ["none", "process", "power"] as const;
type Level = (typeof LEVELS)[number];
const SIZES: Record<Level, number[]> = { none: [100, 1000, 5000, 10_000, 100_000], process: [100, 1000, 5000, 10_000, 100_000], power: [100, 1000] };
/** Larger runs of a peer would take minutes, for what is known of it. */
const PEER_NODES_MAX = 5000;
const LANGGRAPH_NODES_MAX = 1000;
const READY_MS_MAX = 30_000;

const peers = join(import.meta.dirname, "peers");

interface Peer {
  name: string;
  nodesMax: number;
  run(shape: Shape, nodes: number): Promise<number>;
  stop(): Promise<void>;
}

export async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  const panels: { title: string; series: Series[] }[] = [];
  try {
    install();
    head("workflows", "what does a step cost that survives?", []);
    for (const level of LEVELS) {
      const contestants = level === "none" ? [P_GRAPH] : await startAll(join(folder, level), level);
      try {
        for (const shape of SHAPES) {
          const ours = level === "none" ? "Symphony, in memory" : `Symphony, ${level}-durable`;
          const lines = new Map<string, [number, number][]>([[ours, []]]);
          for (const { name } of contestants) lines.set(name, []);
          for (const nodes of SIZES[level]) {
            const plan = planOf(shape, nodes);
            const taking = contestants.filter(({ nodesMax }) => nodes <= nodesMax);
            const all: Contestant[] = [
              {
                what: ours,
                beside: taking.map(({ name }) => name),
                async block() {
                  const begun = performance.now();
                  if (level === "none") await track(plan, false);
                  else await runDurably(plan, folder, level);
                  return [(performance.now() - begun) / nodes];
                },
              },
              ...taking.map(({ name, run }) => ({ what: name, block: async () => [(await run(shape, nodes)) / nodes] })),
            ];
            const samples = await race({
              title: `A ${shape} of ${nodes} steps, ${spell(level)}`,
              unit: "us",
              sample: "the mean of a step over one run",
              warmUp: nodes > 1000 && taking.length > 0 ? 0 : 1,
              rounds: nodes <= 1000 ? 5 : 3,
              contestants: all,
            });
            for (const [name, times] of samples) if (times.length > 0) lines.get(name)?.push([nodes, percentile(times, 0.5) * 1000]);
          }
          panels.push({ title: `${shape}, ${spell(level)}`, series: [...lines].map(([name, points]) => ({ name, points })) });
        }
      } finally {
        for (const { stop } of contestants) await stop();
      }
    }
    const picture = join(import.meta.dirname, "workflows.svg");
    writeFileSync(picture, plot(panels, { x: "steps in the run", y: "microseconds a step", note: `p50, ${runtime}; Restate, LangGraph.js and DBOS on Node` }));
    console.log(`\nDrawn: ${picture}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const spell = (level: Level): string => (level === "none" ? "in memory" : `${level}-durable`);

const P_GRAPH: Peer = {
  name: "p-graph, in memory",
  nodesMax: 100_000,
  async run(shape, nodes) {
    const begun = performance.now();
    await pGraph(shape, nodes);
    return performance.now() - begun;
  },
  stop: async () => {},
};

/** What can't be installed is left out, by name. */
function install(): void {
  if (existsSync(join(peers, "node_modules"))) return;
  console.log("Installing Restate, LangGraph.js and DBOS, once: 350 MB");
  spawnSync("npm", ["install", "--prefix", peers, "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, SCARF_ANALYTICS: "false", DO_NOT_TRACK: "1" },
  });
}

async function startAll(folder: string, durability: Durability): Promise<Peer[]> {
  const started: Peer[] = [];
  const ways: [string, () => Promise<Peer>][] = [
    ["Restate", () => startRestate(join(folder, "restate"), durability)],
    ["LangGraph.js", () => startLangGraph(join(folder, "langgraph"), durability)],
    ["DBOS", () => startDbos(join(folder, "dbos"), durability)],
  ];
  for (const [name, start] of ways) {
    mkdirSync(join(folder, name.toLowerCase().replace(".js", "")), { recursive: true });
    try {
      started.push(await start());
    } catch (cause) {
      console.log(`left out: ${name}: ${(cause as Error).message.slice(0, 300)}`);
    }
  }
  return started;
}

/** A peer's program in Node: a line asks for a run, a line says how long it took. */
async function startPeer(name: string, nodesMax: number, file: string, args: string[], isAlone = false): Promise<Peer> {
  const own = ["node", join(peers, file), ...args];
  // nothing but loopback is to be reached, where the system can be asked for that
  const argv = isAlone && canBeAlone() ? ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...own] : own;
  const child: ChildProcess = spawn(argv[0] as string, argv.slice(1), {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, LANGSMITH_TRACING: "false", LANGCHAIN_TRACING_V2: "false" },
  });
  let complaint = "";
  child.stderr?.on("data", (chunk: Uint8Array) => {
    complaint = (complaint + new TextDecoder().decode(chunk)).slice(-2000);
  });
  const waiting: ((line: { ms?: number; error?: string }) => void)[] = [];
  const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  void ended.then(() => {
    for (const one of waiting.splice(0)) one({ error: `it ended: ${complaint.trim().split("\n").slice(-3).join(" ")}` });
  });
  createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }).on("line", (line) => {
    if (line.startsWith("{")) waiting.shift()?.(JSON.parse(line) as { ms?: number });
  });
  const next = (): Promise<{ ms?: number; error?: string }> => new Promise((resolve) => waiting.push(resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS_MAX);
  const { error } = await next();
  clearTimeout(timer);
  if (error) throw new Error(error);
  return {
    name,
    nodesMax,
    async run(shape, nodes) {
      child.stdin?.write(`${JSON.stringify({ shape, nodes })}\n`);
      const { ms, error: why } = await next();
      if (ms === undefined) throw new Error(why);
      return ms;
    },
    async stop() {
      child.stdin?.end();
      await ended;
    },
  };
}

const canBeAlone = (): boolean => spawnSync("unshare", ["-n", "sh", "-c", "ip link set lo up"], { stdio: "ignore" }).status === 0;

const startRestate = (folder: string, durability: Durability): Promise<Peer> =>
  startPeer(`Restate${durability === "power" ? "" : ", fsync off"}`, PEER_NODES_MAX, "restate.mjs", [folder, durability], true);

const startLangGraph = (folder: string, durability: Durability): Promise<Peer> =>
  startPeer(`LangGraph.js, SQLite ${durability === "power" ? "FULL" : "NORMAL"}`, LANGGRAPH_NODES_MAX, "langgraph.mjs", [folder, durability]);

/** With a PostgreSQL cluster of its own, that listens on loopback. */
async function startDbos(folder: string, durability: Durability): Promise<Peer> {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").sort() : [];
  const programs = join("/usr/lib/postgresql", versions.at(-1) ?? "", "bin");
  if (versions.length === 0) throw new Error("PostgreSQL is missing (Debian: postgresql)");
  const isRoot = process.getuid?.() === 0;
  const asOwner = (program: string, args: string[]): void => {
    // it refuses to run as root
    const argv = [...(isRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []), join(programs, program), ...args];
    const { status, stderr } = spawnSync(argv[0] as string, argv.slice(1), { cwd: folder, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
  };
  if (isRoot) {
    const id = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
    // every folder on the way must let it pass
    for (const place of [join(folder, "../.."), join(folder, "..")]) spawnSync("chmod", ["711", place]);
    chownSync(folder, id("-u"), id("-g"));
  }
  const port = await freePort();
  const data = join(folder, "data");
  asOwner("initdb", ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
  const options = `-h 127.0.0.1 -p ${port} -k ${folder}${durability === "power" ? "" : " -c synchronous_commit=off"}`;
  asOwner("pg_ctl", ["-D", data, "-w", "-t", "30", "-l", join(folder, "log"), "-o", options, "start"]);
  const stop = (): void => asOwner("pg_ctl", ["-D", data, "-m", "fast", "-w", "-t", "30", "stop"]);
  try {
    const peer = await startPeer(`DBOS${durability === "power" ? "" : ", commits async"}`, PEER_NODES_MAX, "dbos.mjs", [`postgresql://postgres@127.0.0.1:${port}/bench`]);
    return {
      ...peer,
      async stop() {
        await peer.stop();
        stop();
      },
    };
  } catch (cause) {
    stop();
    throw cause;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
