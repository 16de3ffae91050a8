// What does asking for permission cost? The check alone with 100 grants; a line of the audit log; a file read through the capability and a
// request through it, each beside the same done plainly by the same runtime.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCheck } from "../runtime/extension/permission/check.ts";
import { parseRight, pathRow, requestRow } from "../runtime/extension/permission/right.ts";
import { createFileAnswers } from "../runtime/extension/capabilities/files.ts";
import { createRequests } from "../runtime/extension/capabilities/requests.ts";
import { createSecrets } from "../runtime/extension/capabilities/secrets.ts";
import type { CallRecord } from "../runtime/extension/capabilities/services.ts";
import { openAudit, parseManifest } from "../runtime/mod.ts";
import { createTestPlatform } from "../tests/platform.ts";
import { createTestServices } from "../tests/services.ts";
import { awaitedBatches, batches, each, head, race } from "./figures.ts";

const GRANTS = 100;

export async function bench(): Promise<void> {
  head("permissions", "what does asking for permission cost?", []);
  await checks();
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  try {
    await capabilities(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checks(): Promise<void> {
  const paths = Array.from({ length: GRANTS }, (_, i) => parseRight(`file:read:/data/team-${i}/project/**`));
  const hosts = Array.from({ length: GRANTS }, (_, i) => parseRight(`network:GET:https://*.host-${i}.example.com`));
  const wild = Array.from({ length: GRANTS }, (_, i) => parseRight(`file:read:/data/*/part-${i}/**`));
  const checkOf = (rights: typeof paths) => createCheck({ asked: rights, narrowed: undefined, allowed: rights.map((right) => ({ right, by: "a person" })), denied: [], held: [] });
  const [byPath, byHost, byWild] = [checkOf(paths), checkOf(hosts), checkOf(wild)];
  const url = new URL("https://api.host-57.example.com/x");
  const same = (text: string, allowed: boolean): void => {
    if (!allowed) throw new Error(`the check of ${text} is wrong`);
  };
  same("a path", byPath("file", pathRow("read", "/data/team-57/project/src/index.ts")).allowed);
  same("a host", byHost("network", requestRow("GET", url)).allowed);
  same("a refusal", !byPath("file", pathRow("read", "/etc/passwd")).allowed);
  await race({
    title: `One check, ${GRANTS} grants`,
    unit: "ns",
    sample: "one check",
    rounds: 5,
    contestants: [
      { what: "a path that is granted", block: () => batches(200, 1000, () => byPath("file", pathRow("read", "/data/team-57/project/src/index.ts"))) },
      { what: "a path that is refused", block: () => batches(200, 1000, () => byPath("file", pathRow("read", "/data/team-57/other/index.ts"))) },
      { what: "a path among patterns with stars", block: () => batches(200, 1000, () => byWild("file", pathRow("read", "/data/any/part-99/a/b"))) },
      { what: "a host, from its URL", block: () => batches(200, 1000, () => byHost("network", requestRow("GET", url))) },
    ],
  });
}

async function capabilities(folder: string): Promise<void> {
  const platform = createTestPlatform();
  const data = join(folder, "data/a/b");
  mkdirSync(data, { recursive: true });
  const file = join(data, "file");
  writeFileSync(file, new Uint8Array(4096));
  const large = join(data, "large");
  writeFileSync(large, new Uint8Array(1024 * 1024));
  const server = createServer((_, response) => response.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  const none = { create: () => Promise.reject(new Error("no")), read: () => Promise.reject(new Error("no")) };
  const services = await createTestServices(
    join(folder, "home"),
    platform,
    none as never,
    `[[permissions]]\nextension = "*"\nallow = ["file:read:/**", "network:GET:http://127.0.0.1:${port}"]\n`,
  );
  const manifest = parseManifest(
    'id = "x"\nversion = "1.0.0"\nkind = "operator"\n[inputs.folder]\ntype = "folder"\n[outputs.o]\ntype = "text"\n[[capabilities.file]]\nfolder = "inputs"\nreason = "r"\n[[capabilities.network]]\nto = ["http://**:*"]\nreason = "r"\n',
    "x",
  );
  const root = join(folder, "data");
  const facts = { folders: [root], project: root, userHome: undefined, settings: new Map<string, string>() };
  let calls = 0;
  /** Answers for a call of its own, as the host makes them for each. */
  const record = (): CallRecord => ({
    run: "bench",
    path: "step",
    attempt: 1,
    manifest,
    inputs: [{ name: "folder", value: { tag: "text", val: "folder" } }],
    settings: [],
    grants: { folders: new Map([["folder", { path: root, folder: platform.folder(root) }]]), project: root },
    services,
    guard: services.permissions.guard({ run: `bench-${calls++}`, node: "step", manifest, component: "", facts, narrowed: undefined }),
    forms: new Set(),
    signal: undefined,
    remainingMs: () => 60_000,
    onLog: () => {},
    onProgress: () => {},
    onModel: () => {},
  });
  const kept = createFileAnswers(record());
  const read = (name: string, length: number) => kept.functions["files.read"]?.(["folder", `a/b/${name}`, 0, length]);
  const plainly = async (path: string, length: number): Promise<Uint8Array> => {
    const handle = await open(path);
    try {
      const bytes = new Uint8Array(length);
      await handle.read(bytes, 0, length, 0);
      return bytes;
    } finally {
      await handle.close();
    }
  };
  await race({
    title: "A file of 4 KiB, five folders deep and two below the granted one",
    unit: "us",
    sample: "one read",
    rounds: 5,
    contestants: [
      { what: "opened, read, closed", block: () => awaitedBatches(50, 20, () => plainly(file, 4096)) },
      { what: "readFile", block: () => awaitedBatches(50, 20, () => readFile(file)) },
      { what: "through the capability", beside: ["opened, read, closed"], block: () => awaitedBatches(50, 20, async () => read("file", 4096)) },
      {
        what: "through the capability, each in a call of its own (one audit line each)",
        beside: ["opened, read, closed"],
        block: () => awaitedBatches(50, 20, async () => createFileAnswers(record()).functions["files.read"]?.(["folder", "a/b/file", 0, 4096])),
      },
    ],
  });
  await race({
    title: "1 MiB of a file",
    unit: "us",
    sample: "one read",
    rounds: 5,
    contestants: [
      { what: "opened, read, closed", block: () => awaitedBatches(20, 5, () => plainly(large, 1024 * 1024)) },
      { what: "through the capability", beside: ["opened, read, closed"], block: () => awaitedBatches(20, 5, async () => read("large", 1024 * 1024)) },
    ],
  });
  const audit = await openAudit({
    folder: platform.appendFolder(join(folder, "audit")),
    head: platform.recordFile(join(folder, "audit.head")),
    digest: () => platform.digest(),
    now: Date.now,
  });
  await race({
    title: "A line of the audit log, handed to the system with its head",
    unit: "us",
    sample: "one line",
    rounds: 5,
    contestants: [
      {
        what: "one decision",
        block: () => batches(50, 50, () => audit.write({ event: "check", extension: "x", run: "r", node: "n", right: "file:read:/data/**", allowed: true, by: "a person" })),
      },
    ],
  });
  await audit.close();
  const plainRequest = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, agent: false }, (answer) => {
        answer.on("data", () => {});
        answer.on("end", resolve);
      });
      sent.on("error", reject);
      sent.end();
    });
  const asked = record();
  const requests = (): unknown => createRequests(asked, createSecrets(asked)).functions["http.send"]?.(["GET", `http://127.0.0.1:${port}/`, "[]", null, 5000, 5, 0]);
  await race({
    title: "A request to a server on loopback, a connection each",
    unit: "us",
    sample: "one request",
    rounds: 5,
    contestants: [
      { what: "node:http", block: () => each(100, plainRequest) },
      { what: "fetch, which keeps its connection", block: () => each(100, async () => (await fetch(`http://127.0.0.1:${port}/`)).text()) },
      { what: "through the capability", beside: ["node:http"], block: () => each(100, async () => requests()) },
    ],
  });
  server.close();
  await services.close();
  await platform[Symbol.asyncDispose]();
}
