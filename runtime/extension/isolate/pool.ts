// Which isolate serves which call: one component at one set of grants each, several in parallel up to a limit, one
// spare kept ready. Leaves out how an isolate works (isolate.ts).
import { SymphonyError } from "../../error.ts";
import type { ProcessPlatform } from "../../platform/platform.ts";
import type { Prepared } from "../prepare/prepare.ts";
import { type CallRequest, type CallResult, Isolate, type PendingCall, SpareProcess } from "./isolate.ts";

export interface IsolatePoolOptions {
  platform: ProcessPlatform;
  /** Over all components; each weighs about 30 MB on Bun, 45 MB on Deno. Default 12. */
  processesMax?: number;
  /** Of those, besides, whose calls wait for servers, models or commands. Default 24. */
  waitingMax?: number;
  /** For one component at one set of grants. Default: the number of cores. */
  perComponentMax?: number;
  /** Calls sent ahead to one process. Default 64. */
  aheadMax?: number;
}

export interface IsolatePool {
  /**
   * Calls a component. `grants` is a name for what it holds: calls with equal component and grants share processes.
   * Rejects with `step/timeout`, `isolate/*`, `prepare/*` or `run/cancelled`; what the guest itself did is in the result.
   */
  invoke(component: Prepared, imports: readonly string[], grants: string, request: CallRequest): Promise<CallResult>;
  /** Ends all instances of a run. */
  dropRun(run: string): void;
  /** Process ids, for measuring from outside. */
  processes(): { pid: number; key: string }[];
  [Symbol.asyncDispose](): Promise<void>;
}

interface Group {
  key: string;
  /** Its calls wait for somebody else most of the time. */
  waits: boolean;
  component: Prepared;
  imports: readonly string[];
  isolates: Isolate[];
  waiting: PendingCall[];
}

/** Processes of one component whose calls wait. */
const WAITING_PER_COMPONENT = 8;
/** A call goes to at most so many isolates when they are lost under it. */
const DISPATCHES_MAX = 3;

export function createIsolatePool({
  platform,
  processesMax = 12,
  waitingMax = 24,
  perComponentMax = navigator.hardwareConcurrency,
  aheadMax = 64,
}: IsolatePoolOptions): IsolatePool {
  const groups = new Map<string, Group>();
  const closing = new Set<Promise<void>>();
  let spare: SpareProcess | undefined = new SpareProcess(platform);
  /** Those that work, and those of groups that wait. */
  const processes = { work: 0, wait: 0 };
  let closed = false;

  function takeSpare(): SpareProcess {
    const taken = spare && !spare.dead ? spare : new SpareProcess(platform);
    spare = undefined;
    // started after the one just taken has had its turn
    setTimeout(() => {
      if (!closed && !spare) spare = new SpareProcess(platform);
    }, 20);
    return taken;
  }

  function open(group: Group): Isolate {
    processes[group.waits ? "wait" : "work"]++;
    const isolate = new Isolate(takeSpare(), platform, group.component, group.imports, group.key, {
      onIdle: (idle) => {
        if (idle.retired) close(idle);
        pump(group);
        for (const other of groups.values()) if (other.waiting.length > 0) pump(other);
      },
      onLost: (lost, unstarted) => {
        processes[group.waits ? "wait" : "work"]--;
        const at = group.isolates.indexOf(lost);
        if (at >= 0) group.isolates.splice(at, 1);
        if (closed) {
          for (const pending of unstarted) pending.reject(closedError());
          return;
        }
        group.waiting.unshift(...unstarted);
        // not at once: room may be being made inside a pump
        queueMicrotask(() => {
          for (const other of groups.values()) if (other.waiting.length > 0) pump(other);
        });
      },
    });
    group.isolates.push(isolate);
    return isolate;
  }

  function close(isolate: Isolate): void {
    const done = isolate.close().finally(() => closing.delete(done));
    closing.add(done);
  }

  /**
   * Makes room by closing the isolate of another group that has been idle longest. Groups that wait have room of their own, and each
   * group may have one process whatever the others do: nobody's waiting holds up another extension.
   */
  function makeRoom(group: Group): boolean {
    const isOpen = group.waits ? processes.wait < waitingMax : processes.work < processesMax;
    if (isOpen) return true;
    let oldest: Isolate | undefined;
    for (const { isolates, waiting, waits } of groups.values())
      for (const isolate of isolates)
        if (waits === group.waits && isolate.load === 0 && waiting.length === 0 && (!oldest || isolate.idleSince < oldest.idleSince)) oldest = isolate;
    if (!oldest) return group.isolates.length === 0;
    close(oldest);
    return true;
  }

  function choose(group: Group): Isolate | undefined {
    let least: Isolate | undefined;
    for (const isolate of group.isolates) if (!isolate.retired && !isolate.closed && (!least || isolate.load < least.load)) least = isolate;
    if (least?.load === 0) return least;
    if (group.isolates.length < (group.waits ? WAITING_PER_COMPONENT : perComponentMax) && makeRoom(group)) return open(group);
    // behind a call that waits another would wait too
    return least && least.load < (group.waits ? 1 : aheadMax) ? least : undefined;
  }

  function pump(group: Group): void {
    while (group.waiting.length > 0) {
      const isolate = choose(group);
      if (!isolate) return;
      const pending = group.waiting.shift() as PendingCall;
      if (pending.request.signal?.aborted) {
        pending.reject(new SymphonyError("run/cancelled", "The call was cancelled"));
        continue;
      }
      if (pending.dispatched >= DISPATCHES_MAX) {
        pending.reject(new SymphonyError("isolate/lost", `Cannot serve this call: ${pending.dispatched} isolates were lost before it began`, { retryable: true }));
        continue;
      }
      try {
        isolate.send(pending);
      } catch (cause) {
        pending.reject(new SymphonyError("run/limit", `Cannot send the inputs: ${(cause as Error).message}; pass large data as an artifact`, { cause }));
      }
    }
  }

  function closedError(): SymphonyError {
    return new SymphonyError("isolate/closed", "Cannot call a component: the pool is closed");
  }

  return {
    invoke(component, imports, grants, request) {
      if (closed) return Promise.reject(closedError());
      const key = `${component.key}:${grants}`;
      let group = groups.get(key);
      if (!group) {
        group = { key, waits: request.waits === true, component, imports, isolates: [], waiting: [] };
        groups.set(key, group);
      }
      const { waiting } = group;
      return new Promise((resolve, reject) => {
        waiting.push({ request, resolve, reject, dispatched: 0 });
        pump(group);
      });
    },
    dropRun(run) {
      for (const { isolates } of groups.values()) for (const isolate of isolates) isolate.drop(run);
    },
    processes: () => [...groups.values()].flatMap(({ isolates }) => isolates.map(({ pid, key }) => ({ pid, key }))),
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const group of groups.values()) {
        for (const pending of group.waiting.splice(0)) pending.reject(closedError());
        for (const isolate of [...group.isolates]) close(isolate);
      }
      spare?.child.kill();
      await Promise.all([...closing, spare?.child.ended]);
    },
  };
}
