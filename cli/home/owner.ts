// The owner of a home: runs what is ordered, in this process, and tells all who follow. Leaves out the socket (server.ts) and who
// may own (lock.ts).
import { existsSync } from "node:fs";
import process from "node:process";
import {
  createDagTracker,
  createJournal,
  createSlot,
  type Durability,
  emptyPast,
  foldEvent,
  hasBegun,
  type Journal,
  keepLarge,
  loadOutputs,
  loadPast,
  nodesToReset,
  openJournal,
  partOf,
  type Past,
  readKept,
  type RunHandle,
  type RunResult,
  snapshotOf,
  type TrackerPorts,
  withoutOutputs,
} from "../../pit/mod.ts";
import {
  createEventLog,
  type EventLog,
  type ExtensionHost,
  type Grant,
  type Grants,
  melodyError,
  parseRight,
  type Plan,
  planMelody,
  readMelody,
  type RunEvent,
  type RunGrant,
  type RunOrigin,
  type RunPart,
  spellPathObject,
  spellPortType,
  SymphonyError,
  type Value,
} from "../../runtime/mod.ts";
import { near } from "../../runtime/near.ts";
import { approvals } from "../approvals.ts";
import { usage } from "../args.ts";
import { type Backstage, openStage, type Stage } from "../stage.ts";
import { readRun } from "./kept-run.ts";
import type { Begun, Control, Following, Home, Order, PermissionOrder, Told } from "./home.ts";
import { createRunFolder, findRunFolder, knownRun, removeRun, type RunFolder } from "./run-store.ts";
import { serveHome } from "./server.ts";
import { socketPath } from "./wire.ts";

/** A run under way. */
interface Live {
  folder: RunFolder;
  handle: RunHandle;
  log: EventLog;
  /** How it stands, event by event. */
  view: Past;
  /** After its journal is closed. */
  ended: Promise<RunResult>;
}

/** Owns a home, whose lock this process holds until `unlock` is called. */
export async function createOwner(backstage: Backstage, unlock: () => void): Promise<Home> {
  const { home, platform, artifacts } = backstage;
  const lives = new Map<string, Live>();
  /** Runs that are being begun. */
  const beginning = new Map<string, Promise<Begun>>();
  let stage: Stage | undefined;

  // ---- beginning ----

  async function begin(order: Order): Promise<Begun> {
    const { run } = order;
    const early = beginning.get(run);
    if (early && order.again) return early;
    const live = lives.get(run);
    if (live && order.again) return { warnings: [], next: live.view.next };
    if (live || early) throw new SymphonyError("run/live", `Cannot take over the run ${run}: process ${process.pid} runs it; \`symphony runs watch ${run.slice(0, 8)}\` shows it`);
    const begun = beginRun(order);
    beginning.set(run, begun);
    try {
      return await begun;
    } finally {
      beginning.delete(run);
    }
  }

  async function beginRun(order: Order): Promise<Begun> {
    stage ??= await openStage(backstage);
    const kept = knownRun(home, order.run);
    if (kept && (order.resume || order.again)) return goOn(stage, kept, order);
    if (!order.start) throw new SymphonyError("run/unknown", `Cannot find the run ${order.run}`);
    if (kept) throw new SymphonyError("run/live", `Cannot begin the run ${order.run}: there is one of that id already`);
    return beginNew(stage, order, order.start);
  }

  async function beginNew(on: Stage, order: Order, { origin, inputs, part }: NonNullable<Order["start"]>): Promise<Begun> {
    const { durability, parallel = 16 } = order;
    const { plan, host } = await planOf(origin, on, order.durability);
    if (order.timeoutMs !== undefined) plan.timeoutMs = order.timeoutMs;
    const grants = grantsOf(origin, on);
    approvals(plan, order.approved);
    const folder = createRunFolder(home, order.run);
    const journal = createJournal(platform.appendFolder(folder.folder), folder.id, { durability });
    launch(on, order, { folder, journal, plan, host, grants, inputs, parallel, past: undefined, resets: [], origin, part, fresh: origin.fresh === true });
    return { warnings: [], next: 0 };
  }

  async function goOn(on: Stage, folder: RunFolder, order: Order): Promise<Begun> {
    const { retry, from } = order.resume ?? { retry: false, from: [] };
    const files = platform.appendFolder(folder.folder);
    if (order.start && !(await hasBegun(files))) {
      // it was killed before it could say how it began
      removeRun(folder);
      return beginNew(on, order, order.start);
    }
    const kept = await readKept(files);
    const { cut, past } = kept;
    const warnings = cut ? [`${cut.bytes} bytes at the end of the journal are left out: ${cut.why}`] : [];
    if (kept.run !== folder.id) throw new SymphonyError("journal/damaged", `Cannot resume ${folder.id}: the journal in its folder is that of another run`);
    const { started, ended } = past;
    if (!started && order.start) {
      removeRun(folder);
      return beginNew(on, order, order.start);
    }
    if (!started?.origin) throw new SymphonyError("journal/damaged", `Cannot resume ${folder.id}: its journal doesn't say how it began; run the melody anew`);
    // an order that is given again may have been carried out
    const anew = (retry || from.length > 0) && !(order.again && past.order === order.id);
    if (ended && !anew) return { warnings, next: past.next };
    const { origin } = started;
    const { plan, host } = await planOf(origin, on, order.durability);
    if (order.timeoutMs !== undefined) plan.timeoutMs = order.timeoutMs;
    for (const id of from) checkNode(plan, id);
    if (started.part) checkPart(plan, started.part, from);
    const resets = anew ? nodesToReset(past, plan, from) : [];
    // a value that is gone doesn't matter where its node is run again
    for (const path of resets) past.nodes.delete(path);
    await loadPast(past, artifacts);
    const approved = [...origin.approved, ...order.approved];
    const { next } = past;
    const wasPaused = past.state === "paused";
    launch(
      on,
      { ...order, approved, attended: order.attended || origin.wait === true },
      {
        folder,
        journal: await openJournal(files, kept, { durability: order.durability }),
        plan,
        host,
        grants: grantsOf(origin, on),
        inputs: new Map(Object.entries(started.inputs)),
        parallel: order.parallel ?? started.parallel,
        past,
        resets,
        origin: undefined,
        part: started.part,
        fresh: origin.fresh === true,
      },
    );
    // who paused it didn't ask that another process goes on
    if (wasPaused && order.again && (order.start || past.order === order.id)) await control(order.run, { do: "pause", stop: false });
    return { warnings, next };
  }

  /** Calls a step, but for a pure one whose answer is kept. */
  function remembering(on: Stage, plan: Plan, host: ExtensionHost, grants: Grants, { fresh, durability }: Order, resets: ReadonlySet<string>): TrackerPorts["invoke"] {
    const store = on.artifactsFor(durability);
    return async (task) => {
      const { work, outputs: ports } = task.node;
      if (work.does !== "call" || !work.manifest.pure) return host.invoke(task, grants);
      const { id, version } = work.manifest;
      const { componentHash } = await host.prepare(id);
      const names = ports.map(({ name }) => name);
      const known = await on.memory.recall({
        run: task.run,
        place: `${plan.id} ${task.path}`,
        component: `${id} ${version} ${componentHash}`,
        settings: work.settings,
        inputs: task.inputs,
        ports: names,
        types: ports.map(({ type }) => spellPortType(type)),
      });
      const isTaken = known.outputs !== undefined && !fresh && !resets.has(task.path);
      const why = known.outputs === undefined || isTaken ? known.why : fresh ? "kept answers are not to be taken" : "it is to be run again";
      task.note({ event: "node.memory", hit: isTaken, why });
      if (isTaken) return known.outputs as Map<string, Value>;
      const outputs = await host.invoke(task, grants);
      await keepLarge(outputs.values(), store);
      known.learn(outputs);
      return outputs;
    };
  }

  interface Launch {
    folder: RunFolder;
    journal: Journal;
    plan: Plan;
    host: ExtensionHost;
    grants: Grants;
    inputs: ReadonlyMap<string, Value>;
    parallel: number;
    past: Past | undefined;
    resets: readonly string[];
    origin: RunOrigin | undefined;
    part: RunPart | undefined;
    fresh: boolean;
  }

  function launch(on: Stage, order: Order, { folder, journal, plan, host, grants, inputs, parallel, past, resets, origin, part, fresh }: Launch): void {
    const run = folder.id;
    const asked = origin ?? past?.started?.origin;
    on.permissions.beginRun(run, [...runGrants(asked), ...(past ? (order.grants ?? []) : []), ...(order.once ?? [])]);
    const log = createEventLog(journal.sink, past?.next);
    const view = past ? withoutOutputs(past) : emptyPast();
    log.subscribe((event) => foldEvent(view, event, false));
    const approved = approvals(plan, order.approved);
    const ports: TrackerPorts = {
      confinement: platform.confinement,
      keep: (kept) => keepLarge(kept, on.artifactsFor(order.durability)),
      invoke: remembering(on, plan, host, grants, { ...order, fresh: order.fresh === true || fresh }, new Set([...(past?.resets ?? []), ...resets])),
      ask({ path, signal }) {
        if (approved(path)) return Promise.resolve({ approved: true, reason: "approved in advance" });
        if (!order.attended)
          return Promise.reject(
            new SymphonyError(
              "approve/unattended",
              `${path} waits for approval and nobody can be asked here; say yes in advance with --approve ${path}, or let it wait with --wait`,
            ),
          );
        // until somebody decides by an order
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new SymphonyError("run/cancelled", "nobody needs to answer any more")), { once: true }));
      },
    };
    const tracker = createSlot(createDagTracker(ports)).part;
    const handle = tracker.start(plan, inputs, {
      run,
      log,
      parallel,
      resets,
      order: order.id,
      ...(past ? { past } : {}),
      ...(origin ? { origin } : {}),
      ...(past && order.grants?.length ? { grants: order.grants } : {}),
      ...(part ? { part } : {}),
    });
    const ended = handle.ended.then(async (result) => {
      host.endRun(run);
      on.permissions.endRun(run);
      await journal.close();
      lives.delete(run);
      return result;
    });
    lives.set(run, { folder, handle, log, view, ended });
  }

  // ---- following ----

  function follow(run: string, after: number | undefined, take: (told: Told) => void): Following {
    const live = lives.get(run);
    let stopped = false;
    if (live && after === undefined) {
      take({ snapshot: snapshotOf(run, live.view) });
      return { ended: live.ended, stop: live.log.subscribe((event) => take({ event })) };
    }
    // what has happened meanwhile waits until what happened before is told
    let waiting: RunEvent[] | undefined = [];
    let last = after ?? -1;
    const tell = (event: RunEvent): void => {
      if (stopped || event.n <= last) return;
      last = event.n;
      take({ event });
    };
    const end = live?.log.subscribe((event) => (waiting ? waiting.push(event) : tell(event)));
    const caughtUp = (async (): Promise<RunResult | undefined> => {
      const { events, first, past } = await readRun(backstage, findRunFolder(home, run));
      // what isn't yet published may not yet be safe
      const isTold = ({ n }: RunEvent): boolean => !live || n < live.view.next;
      if (after !== undefined && after + 1 >= first) for (const event of events.filter(isTold)) tell(event);
      else {
        const snapshot = snapshotOf(run, live?.view ?? past);
        last = snapshot.next - 1;
        take({ snapshot });
      }
      for (const event of waiting ?? []) tell(event);
      waiting = undefined;
      if (live) return undefined;
      if (!past.ended) throw new SymphonyError("run/control", `Cannot follow the run ${run}: no process runs it; \`symphony resume ${run.slice(0, 8)}\` goes on with it`);
      return { ...resultOf(run, past.ended), outputs: await loadOutputs(past.ended, artifacts) };
    })();
    return {
      ended: caughtUp.then(async (result) => result ?? (await (live as Live).ended)),
      stop() {
        stopped = true;
        end?.();
      },
    };
  }

  async function permit(order: PermissionOrder): Promise<{ grants: readonly Grant[]; count: number }> {
    stage ??= await openStage(backstage);
    const { permissions } = stage;
    if (order.do === "revoke-run") {
      const live = lives.get(order.run);
      if (!live) throw new SymphonyError("run/control", `Cannot take rights from the run ${order.run}: it isn't under way`);
      const denied = permissions.revokeInRun(order.run, order.extension, order.right === undefined ? undefined : parseRight(order.right));
      // it counts already; from here on it counts for resumes too
      if (denied.length > 0) {
        live.log.append({ run: order.run, event: "run.permitted", grants: denied });
        await live.log.commit();
      }
      return { grants: [], count: denied.length };
    }
    const { of } = order as Extract<PermissionOrder, { do: "decide" }>;
    const grants =
      order.do === "revoke" ? await permissions.revoke(order.numbers) : await permissions.decide({ ...of, publisher: of.publisher }, order.rights.map(parseRight), order.decision);
    return { grants, count: grants.length };
  }

  async function control(run: string, order: Control): Promise<void> {
    const live = lives.get(run);
    if (!live)
      throw new SymphonyError(
        "run/control",
        `Cannot ${spellControl(order)} the run ${run}: it isn't under way; if it hasn't ended, \`symphony resume ${run.slice(0, 8)}\` goes on with it`,
      );
    const { handle, view } = live;
    switch (order.do) {
      case "pause":
        handle.pause(order.stop);
        return;
      case "continue":
        handle.continue();
        return;
      case "cancel":
        handle.cancel(order.reason);
        return;
      default: {
        const { node, approved, reason } = order;
        if (handle.decide(node, { approved, reason })) return;
        const open = [...view.nodes].flatMap(([path, { state, until }]) => (state === "waiting" && until === 0 ? [path] : []));
        throw new SymphonyError(
          "run/control",
          `Cannot ${spellControl(order)} ${JSON.stringify(node)}: it doesn't wait for a person${near(node, open) || (open.length ? `; ${open.join(", ")} ${open.length > 1 ? "do" : "does"}` : "; no node does")}`,
        );
      }
    }
  }

  const owner: Home = {
    begin,
    control,
    permit,
    follow,
    live: async () => ({ pid: process.pid, runs: [...lives].map(([run, { handle }]) => ({ run, state: handle.state })) }),
    async remove(run) {
      if (lives.has(run) || beginning.has(run)) throw new SymphonyError("run/live", `Cannot delete the run ${run}: process ${process.pid} runs it`);
      removeRun(findRunFolder(home, run));
    },
    async close(onWait) {
      while (lives.size + beginning.size > 0) {
        onWait?.(lives.size + beginning.size);
        await Promise.allSettled([...[...lives.values()].map(({ ended }) => ended), ...beginning.values()]);
        // what hangs on an end is told first
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await stop();
      await stage?.[Symbol.asyncDispose]();
      unlock();
    },
  };
  let stop: () => Promise<void>;
  try {
    stop = await serveHome(owner, socketPath(home), artifacts);
  } catch (cause) {
    unlock();
    throw cause;
  }
  return owner;
}

function spellControl({ do: what, ...rest }: Control): string {
  return what === "decide" ? ((rest as { approved: boolean }).approved ? "approve" : "reject") : what;
}

/** The plan that a run was begun with; `run/changed` where that isn't to be had any more. */
async function planOf(origin: RunOrigin, stage: Stage, durability: Durability): Promise<{ plan: Plan; host: ExtensionHost }> {
  const { catalogue, host } = await stage.hostFor(origin.searched ?? [], durability);
  const read = readMelody(new TextDecoder().decode(await stage.artifacts.get(origin.source)));
  const { plan, faults } = read.melody ? planMelody(read.melody, catalogue, read) : { plan: undefined, faults: [] };
  if (!plan || read.faults.length + faults.length > 0) throw melodyError(JSON.stringify(origin.file), [...read.faults, ...faults]);
  const now = await usedExtensions(plan, { catalogue, platform: stage.platform });
  for (const [id, hash] of Object.entries(origin.extensions))
    if (now[id] !== hash)
      throw new SymphonyError("run/changed", `Cannot resume: the component of ${id} is not the one that the run was begun with; bring that one back, or run the melody anew`);
  if (origin.timeoutMs !== undefined) plan.timeoutMs = Math.min(plan.timeoutMs ?? origin.timeoutMs, origin.timeoutMs);
  return { plan, host };
}

/** The components that a plan uses, by their hashes, so that a resume can tell whether they are still the same. */
export async function usedExtensions(plan: Plan, { catalogue, platform }: Pick<Backstage, "catalogue" | "platform">): Promise<Record<string, string>> {
  const used: Record<string, string> = {};
  const open = [plan];
  for (let next = open.pop(); next; next = open.pop())
    for (const { work } of next.nodes) {
      if (work.does === "map" || work.does === "melody") open.push(work.body);
      if (work.does !== "call" || used[work.manifest.id] !== undefined) continue;
      const digest = platform.digest();
      // one that isn't built fails where it is used
      const bytes = await catalogue
        .extension(work.manifest.id)
        ?.component()
        .catch(() => undefined);
      if (!bytes) continue;
      digest.update(bytes);
      used[work.manifest.id] = await digest.hex();
    }
  return used;
}

/** What the run grants by itself, to each that asks: reading its folders and its project; then what a person granted and refused. */
function runGrants(origin: RunOrigin | undefined): RunGrant[] {
  if (!origin) return [];
  const paths = [...new Set([...Object.values(origin.folders), ...(origin.project === undefined ? [] : [origin.project])])];
  return [
    ...paths.map(
      (path): RunGrant => ({
        extension: "*",
        right: `file:read:${spellPathObject(path, true)}`,
        decision: "allow",
        by: path === origin.project ? "the run: its project" : "the run: a folder that it was given",
      }),
    ),
    ...(origin.grants ?? []),
  ];
}

function grantsOf(origin: RunOrigin, { platform, home }: Stage): Grants {
  const folders = Object.entries(origin.folders).map(([name, path]) => {
    if (!existsSync(path)) throw new SymphonyError("run/changed", `Cannot resume: the folder ${JSON.stringify(path)} that was granted as ${name} isn't there any more`);
    return [name, { path, folder: platform.folder(path, home) }] as const;
  });
  return { folders: new Map(folders), project: origin.project };
}

function checkPart(plan: Plan, part: RunPart, from: readonly string[]): void {
  const { runs } = partOf(plan, part);
  for (const id of from)
    if (!runs[plan.nodes.findIndex((node) => node.id === id)])
      throw usage(`Cannot run again from ${id}: it is outside of the part that the run was begun with; run that part anew`, "resume");
}

function checkNode({ nodes }: Plan, id: string): void {
  if (nodes.some((node) => node.id === id)) return;
  const known = nodes.map((node) => node.id);
  throw usage(`Cannot run again from ${JSON.stringify(id)}: there is no such node${near(id, known)}`, "resume");
}

function resultOf(run: string, ended: NonNullable<Past["ended"]>): Omit<RunResult, "outputs"> {
  const { state, code, detail, message } = ended;
  return { run, state, error: code ? new SymphonyError(code, message ?? "", { detail }) : undefined };
}
