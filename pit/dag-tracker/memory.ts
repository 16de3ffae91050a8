// What pure nodes gave before, by what it hangs on: component, settings and inputs. Says why an answer is taken or not. Leaves out
// where answers are kept (a port), and the call itself.
import type { ArtifactRef, Digest, Entry, Item, Value } from "../../runtime/mod.ts";
import { outputsIn, storedId, type StoredValue, written, writtenOutputs } from "./written.ts";

/** Texts by their keys. What is put may be lost, and is never wrong. */
export interface TextStore {
  get(key: string): string | undefined;
  put(key: string, text: string): void;
}

export interface MemoryPorts {
  store: TextStore;
  digest(): Digest;
  /** Of an artifact that an answer names: the answer counts only while that is stored. */
  hasArtifact(id: string): Promise<boolean>;
  load(id: string): Promise<Value>;
}

/** A call of a pure node. */
export interface PureCall {
  run: string;
  /** The melody's id and the node's path: with what it was called there before tells why it is run now. */
  place: string;
  /** Hash of all that the code hangs on. */
  component: string;
  settings: readonly Entry[];
  /** Sorted by name. */
  inputs: readonly Entry[];
  /** Of the output ports, in their order. */
  ports: readonly string[];
  /** Of the ports, as they are written. */
  types: readonly string[];
}

export interface Recollection {
  /** Undefined when it must be run. */
  outputs: Map<string, Value> | undefined;
  why: string;
  /** To be called with what the node gave, when it was run. Large values are stored by then. */
  learn(outputs: ReadonlyMap<string, Value>): void;
}

export interface Memory {
  recall(call: PureCall): Promise<Recollection>;
}

/** What a node was called with last, at its place. */
interface Trace {
  run: string;
  component: string;
  settings: string;
  inputs: Record<string, string>;
}

interface Answer {
  run: string;
  outputs: unknown[];
}

export function createMemory({ store, digest, hasArtifact, load }: MemoryPorts): Memory {
  const encoder = new TextEncoder();
  const hash = async (text: string): Promise<string> => {
    const one = digest();
    one.update(encoder.encode(text));
    return one.hex();
  };
  // what is stored is filed under the hash of its JSON, so that both ways lead to the same
  const hashOf = async (value: Value): Promise<string> => storedId(value) ?? (await hash(JSON.stringify(written(value))));

  async function answerOf(key: string): Promise<Answer | undefined> {
    try {
      const text = store.get(key);
      return text === undefined ? undefined : (JSON.parse(text) as Answer);
    } catch {
      // what can't be read is run again
      return undefined;
    }
  }

  async function outputsOf({ outputs }: Answer, ports: readonly string[]): Promise<Map<string, Value> | undefined> {
    const found = new Map<string, Value>();
    try {
      for (const [at, held] of outputsIn(outputs).entries()) {
        if (held === undefined) continue;
        const value = held.tag === "stored" ? await load((held as StoredValue).val) : held;
        for (const { id } of artifactsIn(value)) if (!(await hasArtifact(id))) return undefined;
        found.set(ports[at] as string, value);
      }
    } catch {
      return undefined;
    }
    return found;
  }

  return {
    async recall({ run, place, component, settings, inputs, ports, types }) {
      const trace: Trace = {
        run,
        component,
        settings: await hash(JSON.stringify(settings.map(({ name, value }) => [name, written(value)]))),
        inputs: Object.fromEntries(await Promise.all(inputs.map(async ({ name, value }) => [name, await hashOf(value)] as const))),
      };
      const key = `answer ${await hash(JSON.stringify([component, trace.settings, trace.inputs, ports, types]))}`;
      const placeKey = `place ${await hash(place)}`;
      const answer = await answerOf(key);
      const outputs = answer && (await outputsOf(answer, ports));
      const learn = (given: ReadonlyMap<string, Value>): void => {
        const kept: Answer = { run, outputs: writtenOutputs(ports.map((name) => given.get(name))) };
        store.put(key, JSON.stringify(kept));
        store.put(placeKey, JSON.stringify(trace));
      };
      if (outputs) return { outputs, why: `component, settings and inputs are those of run ${short((answer as Answer).run)}`, learn };
      return { outputs: undefined, why: answer ? "what it gave before isn't stored any more" : changeSince(await lastAt(placeKey), trace), learn };
    },
  };

  async function lastAt(key: string): Promise<Trace | undefined> {
    try {
      const text = store.get(key);
      return text === undefined ? undefined : (JSON.parse(text) as Trace);
    } catch {
      return undefined;
    }
  }
}

const short = (run: string): string => run.slice(0, 8);

function changeSince(last: Trace | undefined, now: Trace): string {
  if (!last) return "no answer of it is kept";
  const changes: string[] = [];
  if (last.component !== now.component) changes.push("its component");
  if (last.settings !== now.settings) changes.push("its settings");
  for (const name of new Set([...Object.keys(last.inputs), ...Object.keys(now.inputs)])) if (last.inputs[name] !== now.inputs[name]) changes.push(`its input ${name}`);
  return changes.length > 0 ? `${changes.join(", ")} changed since run ${short(last.run)}` : "its answer isn't kept any more";
}

function* artifactsIn(value: Value): Generator<ArtifactRef> {
  for (const item of value.tag === "items" ? value.val : [value as Item]) if (item.tag === "artifact") yield item.val;
}
