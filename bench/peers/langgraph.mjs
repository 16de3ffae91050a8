// LangGraph.js with its SQLite saver, each superstep saved before the next: process-durable in SQLite's mode NORMAL, power-durable in FULL.
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { expectSum, takeTurns } from "./turns.mjs";

const [folder, durability] = process.argv.slice(2);
setMaxListeners(0);
const saver = SqliteSaver.fromConnString(join(folder, "checkpoints.sqlite"));
saver.setup();
saver.db.pragma(`synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
const State = Annotation.Root({ sum: Annotation({ reducer: (a, b) => a + b, default: () => 0 }) });
const apps = new Map();

/** A node a step, as a person would draw it. */
function appOf(shape, nodes) {
  const key = `${shape} ${nodes}`;
  if (!apps.has(key)) {
    const graph = new StateGraph(State);
    for (let i = 0; i < nodes; i++) graph.addNode(`n${i}`, () => ({ sum: 1 }));
    for (let i = 0; i < nodes; i++) {
      graph.addEdge(shape === "fan" || i === 0 ? START : `n${i - 1}`, `n${i}`);
      if (shape === "fan" || i === nodes - 1) graph.addEdge(`n${i}`, END);
    }
    apps.set(key, graph.compile({ checkpointer: saver }));
  }
  return apps.get(key);
}

let thread = 0;
await takeTurns(async (shape, nodes) => {
  const app = appOf(shape, nodes);
  const begun = performance.now();
  const { sum } = await app.invoke({ sum: 0 }, { configurable: { thread_id: String(thread++) }, recursionLimit: nodes + 10, durability: "sync" });
  const ms = performance.now() - begun;
  expectSum(sum, nodes);
  return ms;
});
