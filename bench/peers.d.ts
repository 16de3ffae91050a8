// As much of the peers as the benches use: types are checked where bench/node_modules isn't installed, too.
declare module "@extism/extism" {
  export interface Plugin {
    call(name: string, input: string): Promise<{ text(): string } | null>;
    reset(): Promise<boolean>;
    close(): Promise<void>;
  }
  export default function createPlugin(manifest: { wasm: { data: Uint8Array }[] }, options: { runInWorker: boolean; useWasi: boolean }): Promise<Plugin>;
}

declare module "graphology" {
  export class DirectedGraph {
    constructor(options?: { multi?: boolean; allowSelfLoops?: boolean });
    readonly order: number;
    readonly size: number;
    addNode(key: string): void;
    addDirectedEdge(from: string, to: string): void;
  }
}

declare module "graphology-dag" {
  import type { DirectedGraph } from "graphology";
  export function topologicalSort(graph: DirectedGraph): string[];
  export function hasCycle(graph: DirectedGraph): boolean;
}

declare module "p-graph" {
  export class PGraph {
    constructor(nodes: Map<string, { run: () => unknown }>, dependencies: [string, string][]);
    run(options?: { concurrency?: number }): Promise<void>;
  }
}

declare module "eventemitter3" {
  export default class EventEmitter {
    on(event: string, listener: (payload: unknown) => void): void;
    emit(event: string, payload: unknown): boolean;
  }
}

declare module "moleculer" {
  export class ServiceBroker {
    constructor(options: object);
    createService(schema: object): unknown;
    start(): Promise<void>;
    stop(): Promise<void>;
    emit(event: string, payload: unknown): Promise<unknown>;
    call(action: string, payload: unknown, options?: { timeout?: number }): Promise<unknown>;
  }
  const moleculer: { ServiceBroker: typeof ServiceBroker };
  export default moleculer;
}

declare module "comlink" {
  export function wrap<T>(port: unknown): T;
  export function expose(value: unknown, port?: unknown): void;
}

declare module "@nats-io/transport-node" {
  export interface NatsConnection {
    publish(subject: string, payload?: Uint8Array | string): void;
    subscribe(subject: string, options?: { callback?: (error: unknown, message: { data: Uint8Array; respond(payload?: Uint8Array): void }) => void }): unknown;
    request(subject: string, payload?: Uint8Array, options?: { timeout: number }): Promise<{ data: Uint8Array }>;
    flush(): Promise<void>;
    close(): Promise<void>;
  }
  export function connect(options: { servers: string; reconnect?: boolean }): Promise<NatsConnection>;
}
