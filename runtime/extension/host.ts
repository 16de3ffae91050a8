// The extension host: one step's call from its task to its checked outputs. Joins catalogue, preparer, isolates and
// capabilities; leaves out when a step runs.
import { type ErrorCode, SymphonyError } from "../error.ts";
import { type ArtifactRef, type Item, spellPortType, spellValueType, type Value, valueFault, valueFits } from "../value.ts";
import type { PlanNode } from "../workflow/plan.ts";
import { type ArtifactPort, createHostCalls, type Grants } from "./capabilities.ts";
import type { HostCalls } from "./isolate/isolate.ts";
import type { IsolatePool } from "./isolate/pool.ts";
import type { Outcome } from "./isolate/wire.ts";
import type { LoadedCatalogue } from "./loader.ts";
import type { Manifest } from "./manifest.ts";
import type { Identity, Prepared, Preparer } from "./prepare/prepare.ts";

export interface HostedTask {
  run: string;
  path: string;
  node: PlanNode;
  inputs: { name: string; value: Value }[];
  attempt: number;
  readonly signal: AbortSignal;
  /** Tells what the step says while it runs. */
  note(record: StepNote): void;
}

export type StepNote =
  | { event: "node.log"; level: string; message: string }
  | { event: "node.progress"; fraction: number; note: string }
  | { event: "node.memory"; hit: boolean; why: string };

export interface ExtensionHost {
  /** Calls the task's component. Rejects with `step/*`, `gate/*`, `prepare/*`, `isolate/*` or `extension/*`. */
  invoke(task: HostedTask, grants: Grants): Promise<ReadonlyMap<string, Value>>;
  /** Prepares an extension ahead of its first call. */
  prepare(id: string): Promise<Prepared & Identity>;
  /** Ends all instances of a run. */
  endRun(run: string): void;
}

export interface ExtensionHostPorts {
  catalogue: LoadedCatalogue;
  preparer: Preparer;
  pool: IsolatePool;
  artifacts: ArtifactPort;
}

export function createExtensionHost({ catalogue, preparer, pool, artifacts }: ExtensionHostPorts): ExtensionHost {
  const prepared = new Map<string, Promise<Prepared & Identity>>();

  function prepare(id: string): Promise<Prepared & Identity> {
    let known = prepared.get(id);
    if (!known) {
      known = load(id);
      // a failure is told to whoever waits, and tried again by the next
      known.catch(() => prepared.delete(id));
      prepared.set(id, known);
    }
    return known;
  }

  async function load(id: string): Promise<Prepared & Identity> {
    const extension = catalogue.extension(id);
    if (!extension) throw new SymphonyError("extension/unknown", `Cannot run ${id}: no such extension is installed`);
    const { manifest } = extension;
    const made = await preparer.prepare(await extension.component(), { memoryMiB: manifest.limits.memoryMiB });
    if (made.kind !== manifest.kind) throw new SymphonyError("gate/world", `Cannot run ${id}: its manifest says ${manifest.kind}, its component is an ${made.kind}`);
    for (const name of made.imports) {
      const asked = name.startsWith("symphony:host/files@")
        ? manifest.capabilities.files
        : name.startsWith("symphony:host/artifacts@")
          ? manifest.capabilities.artifacts !== "none"
          : true;
      if (!asked) throw new SymphonyError("step/denied", `Cannot run ${id}: its component imports ${name}, which its manifest doesn't ask for under [capabilities]`);
    }
    return made;
  }

  return {
    prepare,
    endRun: (run) => pool.dropRun(run),
    async invoke(task, grants) {
      const { work } = task.node;
      if (work.does !== "call") throw new TypeError(`${task.path} is no step`);
      const { manifest, settings } = work;
      const component = await prepare(manifest.id);
      let hostCalls: (HostCalls & { known(id: string): ArtifactRef | undefined }) | undefined;
      const { outcome } = await pool.invoke(component, component.imports, grantsKey(manifest, grants), {
        run: task.run,
        inputs: task.inputs,
        settings,
        timeMs: Math.min(manifest.limits.timeMs, task.node.timeoutMs ?? Number.POSITIVE_INFINITY),
        fuel: manifest.limits.fuel,
        signal: task.signal,
        hostCalls: ({ remainingMs }) => {
          hostCalls = createHostCalls({
            run: task.run,
            path: task.path,
            attempt: task.attempt,
            manifest,
            inputs: task.inputs,
            grants,
            artifacts,
            signal: task.signal,
            remainingMs,
            onLog: (level, message) => task.note({ event: "node.log", level, message }),
            onProgress: (fraction, note) => task.note({ event: "node.progress", fraction, note }),
          });
          return hostCalls;
        },
      });
      if (outcome.ended !== "ok") throw failureOf(outcome, manifest);
      return checkOutputs(outcome.outputs, manifest, (id) => hostCalls?.known(id));
    },
  };
}

/** Steps with equal grants may share a process. */
function grantsKey(manifest: Manifest, grants: Grants): string {
  const folders = manifest.capabilities.files ? [...grants.folders].map(([name, { path }]) => [name, path]).sort() : [];
  return JSON.stringify([manifest.id, manifest.version, folders, manifest.capabilities.artifacts]);
}

/** A guest may ask for no more; timers take 31 bits. */
const RETRY_AFTER_MS_MAX = 24 * 3600 * 1000;

function failureOf(outcome: Exclude<Outcome, { ended: "ok" }>, manifest: Manifest): SymphonyError {
  if (outcome.ended === "error") {
    const { error } = outcome;
    const transient = error.tag === "transient";
    const fault = error.tag === "transient" ? error.val.fault : error.val;
    const code: ErrorCode = fault.kind === "denied" ? "step/denied" : fault.kind === "invalid-input" || fault.kind === "invalid-settings" ? "step/input" : "step/error";
    const where = fault.name ? `${manifest.inputs.has(fault.name) ? "input " : manifest.settings.has(fault.name) ? "setting " : ""}${fault.name}: ` : "";
    return new SymphonyError(code, `${where}${fault.message}`.slice(0, 4096), {
      retryable: transient,
      retryAfterMs: error.tag === "transient" ? Math.min(error.val.retryAfterMs, RETRY_AFTER_MS_MAX) : 0,
      detail: fault.code.slice(0, 64),
      step: { kind: fault.kind, name: fault.name?.slice(0, 128), details: fault.details?.slice(0, 4096) },
    });
  }
  if (outcome.ended === "refused") return new SymphonyError("step/output", `${manifest.id} returned something that can't be sent: ${outcome.message}`);
  const { fuel, memoryMiB } = manifest.limits;
  if (outcome.why === "fuel")
    return new SymphonyError(
      "step/fuel",
      `${manifest.id} used up its fuel: limits.fuel in its manifest is ${fuel}, of which its largest module may use all and the others together as much; raise it if the work is really that long`,
    );
  if (outcome.why === "memory")
    return new SymphonyError("step/memory", `${manifest.id} reached its memory limit of ${memoryMiB} MiB (${outcome.message}); raise limits.memoryMiB in its manifest`);
  return new SymphonyError("step/trap", `${manifest.id} trapped: ${outcome.message}`);
}

function checkOutputs(entries: readonly { name: string; value: Value }[], manifest: Manifest, known: (id: string) => ArtifactRef | undefined): Map<string, Value> {
  const outputs = new Map<string, Value>();
  const refuse = (message: string): never => {
    throw new SymphonyError("step/output", `${manifest.id} ${message}`);
  };
  for (const { name, value } of entries) {
    const port = manifest.outputs.get(name);
    const shown = JSON.stringify(name.slice(0, 128));
    if (!port) return refuse(`returned ${shown}, which is none of its output ports (${[...manifest.outputs.keys()].join(", ")})`);
    if (outputs.has(name)) refuse(`returned ${shown} twice`);
    if (!valueFits(value, port.type)) refuse(`returned ${spellValueType(value)} for ${shown}, which is ${spellPortType(port.type)}`);
    const fault = valueFault(value);
    if (fault) refuse(`returned for ${shown} a value that ${fault}`);
    for (const item of value.tag === "items" ? value.val : [value as Item]) {
      if (item.tag !== "artifact") continue;
      const ours = known(item.val.id);
      if (!ours) return refuse(`returned for ${shown} the artifact ${item.val.id.slice(0, 12)}..., which it neither was given nor has made`);
      // size and media type are the store's to say
      item.val = ours;
    }
    outputs.set(name, value);
  }
  for (const port of manifest.outputs.values()) if (port.required && !outputs.has(port.name)) refuse(`returned nothing for ${JSON.stringify(port.name)}, which isn't optional`);
  return outputs;
}
