// The extension host: one step's call from its task to its checked outputs. Joins catalogue, preparer, isolates and
// capabilities; leaves out when a step runs.
import { type ErrorCode, SymphonyError } from "../error.ts";
import { type ArtifactRef, type Entry, type Item, spellPortType, spellValueType, type Value, valueFault, valueFits } from "../value.ts";
import type { PlanNode } from "../workflow/plan.ts";
import { type CallAnswers, createHostCalls } from "./capabilities/calls.ts";
import type { Grants, HostServices, ModelUse } from "./capabilities/services.ts";
import { checkWasiPorts, outputsOfWasi } from "./wasi-ports.ts";
import type { IsolatePool } from "./isolate/pool.ts";
import type { Outcome } from "./isolate/wire.ts";
import type { LoadedCatalogue } from "./loader.ts";
import type { Manifest } from "./manifest/manifest.ts";
import type { RunFacts } from "./permission/policy.ts";
import type { Right, RightType } from "./permission/right.ts";
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
  /** Told what the call took, once it has ended, however it did. */
  measured?(took: CallCost): void;
}

/** What one call took. */
export interface CallCost {
  ms: number;
  fuel: number;
  /** That all instances of its process hold after it. */
  memoryBytes: number;
  /** By function. */
  hostCalls: ReadonlyMap<string, number>;
}

export type StepNote =
  | { event: "node.log"; level: string; message: string }
  | { event: "node.progress"; fraction: number; note: string }
  | ({ event: "node.model" } & ModelUse)
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
  services: HostServices;
}

export function createExtensionHost({ catalogue, preparer, pool, services }: ExtensionHostPorts): ExtensionHost {
  const prepared = new Map<string, Promise<Prepared & Identity>>();
  /** What secrets look like that a run has used, by run. */
  const forms = new Map<string, Set<string>>();

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
    checkComponent(made, manifest);
    return made;
  }

  return {
    prepare,
    endRun(run) {
      forms.delete(run);
      pool.dropRun(run);
    },
    async invoke(task, grants) {
      const { work } = task.node;
      if (work.does !== "call") throw new TypeError(`${task.path} is no step`);
      const { manifest, settings, rights } = work;
      const component = await prepare(manifest.id);
      const facts = factsOf(manifest, settings, grants, services.userHome);
      const guard = services.permissions.guard({ run: task.run, node: task.path, manifest, component: component.componentHash, facts, narrowed: rights });
      let own = forms.get(task.run);
      if (!own) {
        own = new Set();
        forms.set(task.run, own);
      }
      let hostCalls: CallAnswers | undefined;
      try {
        const counted = new Map<string, number>();
        const { outcome, ms, fuelUsed, heldBytes } = await pool.invoke(component, component.imports, processKey(manifest, facts, rights), {
          run: task.run,
          inputs: task.inputs,
          settings,
          timeMs: Math.min(manifest.limits.timeMs, task.node.timeoutMs ?? Number.POSITIVE_INFINITY),
          fuel: manifest.limits.fuel,
          waits: manifest.capabilities.some(({ type }) => WAITS.has(type)),
          signal: task.signal,
          hostCalls: ({ remainingMs }) => {
            // a call that is sent anew begins anew
            hostCalls?.over();
            hostCalls = createHostCalls({
              run: task.run,
              path: task.path,
              attempt: task.attempt,
              manifest,
              inputs: task.inputs,
              settings,
              grants,
              services,
              guard,
              forms: own,
              signal: task.signal,
              remainingMs,
              onLog: (level, message) => task.note({ event: "node.log", level, message }),
              onProgress: (fraction, note) => task.note({ event: "node.progress", fraction, note }),
              onModel: (use) => task.note({ event: "node.model", ...use }),
            });
            if (!task.measured) return hostCalls;
            const { answer, over } = hostCalls;
            return {
              over,
              answer(name, args) {
                counted.set(name, (counted.get(name) ?? 0) + 1);
                return answer(name, args);
              },
            };
          },
        });
        task.measured?.({ ms, fuel: fuelUsed, memoryBytes: heldBytes, hostCalls: counted });
        if (outcome.ended !== "ok") throw failureOf(outcome, manifest, (text) => hostCalls?.mask(text) ?? text);
        const outputs =
          component.kind === "command" || component.kind === "handler"
            ? await outputsOfWasi(outcome.outputs, manifest, component.kind, (type, bytes) => (hostCalls as CallAnswers).store(type, bytes))
            : outcome.outputs;
        return checkOutputs(outputs, manifest, (id) => hostCalls?.known(id));
      } finally {
        guard.over();
      }
    },
  };
}

/** Capabilities whose calls wait for somebody else: their processes wait too, and must not take the place of those that work. */
const WAITS: ReadonlySet<RightType> = new Set<RightType>(["network", "model", "system"]);

/** What the manifest and the component say about each other. Throws `gate/world` or `step/denied`. */
export function checkComponent({ kind, imports }: Pick<Prepared, "kind" | "imports">, manifest: Manifest): void {
  const { id } = manifest;
  const isWasi = kind === "command" || kind === "handler";
  if (isWasi ? manifest.kind !== "operator" : kind !== manifest.kind)
    throw new SymphonyError(
      "gate/world",
      `Cannot run ${id}: its manifest says ${manifest.kind}, its component is ${isWasi ? `a WASI ${kind}, which is an operator` : `an ${kind}`}`,
    );
  if (isWasi) checkWasiPorts(manifest, kind);
  for (const name of imports) {
    const own = /^symphony:host\/([a-z-]+)@/.exec(name)?.[1];
    const type = own === undefined ? undefined : ASKED_BY[own];
    if (type !== undefined && !manifest.capabilities.some((one) => one.type === type))
      throw new SymphonyError("step/denied", `Cannot run ${id}: its component imports ${name}, which its manifest doesn't ask for under [[capabilities.${type}]]`);
    if (manifest.pure && isImpure(name)) throw new SymphonyError("step/denied", `Cannot run ${id}: its manifest says pure, and its component imports ${name}; leave pure out`);
  }
}

const ASKED_BY: Readonly<Record<string, RightType>> = {
  files: "file",
  artifacts: "artifact",
  http: "network",
  model: "model",
  "key-value": "keyvalue",
  secrets: "secret",
  process: "system",
};

/** Interfaces that can give something else at another time. */
function isImpure(name: string): boolean {
  return /^symphony:host\/(files|clock|random|http|model|key-value|secrets|process)@/.test(name) || /^wasi:(clocks|random|filesystem|sockets|http|keyvalue|config)\//.test(name);
}

/** What stands in this run for the names in brackets of a manifest. */
export function factsOf(manifest: Pick<Manifest, "capabilities">, settings: readonly Entry[], grants: Pick<Grants, "folders" | "project">, userHome: string | undefined): RunFacts {
  return { folders: [...grants.folders.values()].map(({ path }) => path), project: grants.project, userHome, settings: namesIn(manifest, settings) };
}

/** What settings say that a capability takes a name from. */
export function namesIn({ capabilities }: Pick<Manifest, "capabilities">, settings: readonly Entry[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { setting } of capabilities) {
    const value = setting === undefined ? undefined : settings.find(({ name }) => name === setting)?.value;
    if (setting !== undefined && value?.tag === "text") names.set(setting, value.val);
  }
  return names;
}

/** Steps that may do the same may share a process. */
function processKey(manifest: Manifest, facts: RunFacts, rights: readonly Right[] | undefined): string {
  if (manifest.capabilities.length === 0) return JSON.stringify([manifest.id, manifest.version]);
  return JSON.stringify([manifest.id, manifest.version, facts.folders, facts.project, [...facts.settings], rights?.map(({ text }) => text) ?? null]);
}

/** A guest may ask for no more; timers take 31 bits. */
const RETRY_AFTER_MS_MAX = 24 * 3600 * 1000;

function failureOf(outcome: Exclude<Outcome, { ended: "ok" }>, manifest: Manifest, mask: (text: string) => string): SymphonyError {
  if (outcome.ended === "error") {
    const { error } = outcome;
    const transient = error.tag === "transient";
    const fault = error.tag === "transient" ? error.val.fault : error.val;
    const code: ErrorCode = fault.kind === "denied" ? "step/denied" : fault.kind === "invalid-input" || fault.kind === "invalid-settings" ? "step/input" : "step/error";
    const where = fault.name ? `${manifest.inputs.has(fault.name) ? "input " : manifest.settings.has(fault.name) ? "setting " : ""}${fault.name}: ` : "";
    return new SymphonyError(code, mask(`${where}${fault.message}`).slice(0, 4096), {
      retryable: transient,
      retryAfterMs: error.tag === "transient" ? Math.min(error.val.retryAfterMs, RETRY_AFTER_MS_MAX) : 0,
      detail: fault.code.slice(0, 64),
      step: { kind: fault.kind, name: fault.name?.slice(0, 128), details: fault.details === undefined ? undefined : mask(fault.details).slice(0, 4096) },
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
  return new SymphonyError("step/trap", `${manifest.id} trapped: ${mask(outcome.message)}`);
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
