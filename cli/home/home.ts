// A home as commands use it: they begin runs in it, follow and steer them. One process owns a home and runs what runs; the others
// talk to it. Types; the one (owner.ts) and the other (client.ts) are come by in open.ts.
import type { Durability, RunResult, RunSnapshot } from "../../pit/mod.ts";
import type { Grant, RunEvent, RunGrant, RunOrigin, RunPart, Value } from "../../runtime/mod.ts";

/** What a person decides about permissions. */
export type PermissionOrder =
  | { do: "decide"; of: { id: string; publisher?: string | undefined; asked: readonly string[] }; rights: readonly string[]; decision: "allow" | "deny" }
  | { do: "revoke"; numbers: readonly number[] }
  | { do: "revoke-run"; run: string; extension: string; right?: string | undefined };

/** A run to begin, or to go on with. */
export interface Order {
  /** Chosen by who orders it, so that an order whose answer was lost can be given again. */
  run: string;
  /** Of a new run. */
  start?: { origin: RunOrigin; inputs: ReadonlyMap<string, Value>; part?: RunPart };
  /** Of one that was begun: nodes to run again, by their ids. `retry`: what failed or was cancelled. */
  resume?: { retry: boolean; from: readonly string[] };
  /** Tells this order from others about the same run. */
  id: string;
  /** This very order was given before, to an owner that is gone: the run is followed if it is under way, and gone on with if it isn't. */
  again?: boolean;
  /** Steps at once. */
  parallel?: number;
  /** Of the whole run, in milliseconds; replaces the melody's. */
  timeoutMs?: number;
  durability: Durability;
  /** Approve nodes, by their paths, that need not be asked about. */
  approved: readonly string[];
  /** Whether what waits for a person may wait; it fails otherwise. */
  attended: boolean;
  /** Takes no answer that is kept. */
  fresh?: boolean;
  /** Granted for as long as the run is under way now; a resume asks anew. */
  once?: readonly RunGrant[];
  /** Granted to a run that is gone on with, besides what it began with. */
  grants?: readonly RunGrant[];
}

export interface Begun {
  /** What a person should know, such as a torn journal. */
  warnings: string[];
  /** The number of the first event that this order leads to. */
  next: number;
}

export type Control = { do: "pause"; stop: boolean } | { do: "continue" } | { do: "cancel"; reason: string } | { do: "decide"; node: string; approved: boolean; reason: string };

/** What a follower is told: how things stand, whenever it can't be told all that happened; else each event. */
export type Told = { snapshot: RunSnapshot } | { event: RunEvent };

export interface Following {
  /** The end of the run, after all else was told. Rejects with `home/lost`, `run/unknown`. */
  ended: Promise<RunResult>;
  /** Tells nothing more. */
  stop(): void;
}

export interface LiveRun {
  run: string;
  state: string;
}

export interface Home {
  begin(order: Order): Promise<Begun>;
  /** Throws `run/control` where the order can't be taken. */
  control(run: string, control: Control): Promise<void>;
  /** Grants that were made or taken back; of a run, how many. */
  permit(order: PermissionOrder): Promise<{ grants: readonly Grant[]; count: number }>;
  /**
   * Tells what happens in a run, under way or ended: the events after number `after` if they can still be told, a snapshot and what
   * follows it otherwise. Without a gap, and none twice.
   */
  follow(run: string, after: number | undefined, take: (told: Told) => void): Following;
  /** The process that owns the home, and what it runs. */
  live(): Promise<{ pid: number; runs: LiveRun[] }>;
  /** Deletes a run that isn't under way. Throws `run/live`. */
  remove(run: string): Promise<void>;
  /** Lets go. An owner first waits for the runs that it holds for others, and tells how many. */
  close(onWait?: (runs: number) => void): Promise<void>;
}
