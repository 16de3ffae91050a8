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
