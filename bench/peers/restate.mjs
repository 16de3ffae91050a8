// Restate: its server in a folder of its own, and a service on loopback. Power-durable as it comes; process-durable with its log's fsync off.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { expectSum, takeTurns } from "./turns.mjs";

const [folder, durability] = process.argv.slice(2);
const READY_MS_MAX = 20_000;
const STEP_MS_MAX = 20;

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
const [node, ingress, admin, service] = [await freePort(), await freePort(), await freePort(), await freePort()];
const binary = createRequire(import.meta.url).resolve(`@restatedev/restate-server-${platform()}-${arch()}/bin/restate-server`);
const log = openSync(join(folder, "log"), "w");
const server = spawn(binary, ["--base-dir", join(folder, "data"), "--listen-mode", "tcp", "--no-logo"], {
  stdio: ["ignore", log, log],
  env: {
    PATH: process.env.PATH,
    HOME: folder,
    RESTATE_DISABLE_TELEMETRY: "true",
    DO_NOT_TRACK: "1",
    RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
    RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}/`,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_ADMIN__DISABLE_WEB_UI: "true",
    RESTATE_DEFAULT_NUM_PARTITIONS: "4",
    RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE: "512MB",
    RESTATE_LOG_FILTER: "warn",
    RESTATE_SHUTDOWN_TIMEOUT: "5s",
    ...(durability === "power" ? {} : { RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_FSYNC: "true" }),
  },
});
const endpoint = spawn(process.execPath, [join(import.meta.dirname, "restate-service.mjs"), String(service)], {
  stdio: ["ignore", log, log],
  env: { ...process.env, RESTATE_LOGGING: "ERROR" },
});
closeSync(log);
const stop = () => {
  endpoint.kill("SIGTERM");
  server.kill("SIGTERM");
};
process.on("exit", stop);

/** Asks again until it is answered well. */
async function ready(url, options) {
  for (const end = performance.now() + READY_MS_MAX; ; ) {
    const answer = await fetch(url, options).catch(() => undefined);
    if (answer?.ok) return;
    if (performance.now() > end || server.exitCode !== null) throw new Error(`nothing answers at ${url}; see ${join(folder, "log")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const json = { "content-type": "application/json" };
await ready(`http://127.0.0.1:${admin}/health`);
await ready(`http://127.0.0.1:${ingress}/restate/health`);
await ready(`http://127.0.0.1:${admin}/deployments`, { method: "POST", headers: json, body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }) });
await takeTurns(async (shape, nodes) => {
  const answer = await fetch(`http://127.0.0.1:${ingress}/bench/${shape}`, {
    method: "POST",
    headers: json,
    body: String(nodes),
    signal: AbortSignal.timeout(10_000 + nodes * STEP_MS_MAX),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  const [sum, ms] = await answer.json();
  expectSum(sum, nodes);
  return ms;
});
stop();
await new Promise((resolve) => (server.exitCode === null ? server.once("exit", resolve) : resolve()));
process.exit(0);
