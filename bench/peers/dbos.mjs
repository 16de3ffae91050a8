// DBOS over a PostgreSQL on loopback: a row a step; process-durable with synchronous_commit off, power-durable as PostgreSQL comes.
import { DBOS } from "@dbos-inc/dbos-sdk";
import { expectSum, takeTurns } from "./turns.mjs";

const [url] = process.argv.slice(2);
DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: url,
  systemDatabasePoolSize: 10,
  logLevel: "error",
  enableOTLP: false,
  tracingEnabled: false,
  runAdminServer: false,
  applicationVersion: "1",
});
const step = (i) => DBOS.runStep(async () => 1, { name: `n${i}` });
const timed = (work) => async (nodes) => {
  const begun = performance.now();
  const sum = await work(nodes);
  return [sum, performance.now() - begun];
};
const workflows = {
  chain: DBOS.registerWorkflow(
    timed(async (nodes) => {
      let sum = 0;
      for (let i = 0; i < nodes; i++) sum += await step(i);
      return sum;
    }),
    { name: "chain" },
  ),
  fan: DBOS.registerWorkflow(
    timed(async (nodes) => (await Promise.allSettled(Array.from({ length: nodes }, (_, i) => step(i)))).filter(({ status }) => status === "fulfilled").length),
    { name: "fan" },
  ),
};
await DBOS.launch();
await takeTurns(async (shape, nodes) => {
  // called by itself: as a method it would be one of a configured class
  const workflow = workflows[shape];
  const [sum, ms] = await workflow(nodes);
  expectSum(sum, nodes);
  return ms;
});
await DBOS.shutdown();
process.exit(0);
