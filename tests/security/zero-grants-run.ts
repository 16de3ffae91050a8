// One of the two processes that zero-grants.test.ts compares: calls a guest that imports everything and was granted nothing. `all`: each
// function once; `empty`: no function, as often, trapping every other time as a call with a handle that isn't there does. Two looks at files that aren't there mark where the calls begin and end.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createExtensionHost } from "../../runtime/extension/host.ts";
import { createArtifactStore } from "../../pit/mod.ts";
import { createCatalogue, createIsolatePool, createPreparer, parseManifest, type PlanNode, planMelody } from "../../runtime/mod.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import { createTestPlatform } from "../platform.ts";
import { createTestServices } from "../services.ts";
import { everyImport } from "./every-import.ts";

export const MARKS = ["/symphony-calls-begin", "/symphony-calls-end"] as const;

const ASKS = `
[[capabilities.file]]
folder = "project"
scope = "write"
reason = "x"
[[capabilities.file]]
folder = "/etc"
name = "etc"
reason = "x"
[[capabilities.network]]
to = ["http://**:*", "https://**:*"]
methods = ["*"]
reason = "x"
[[capabilities.system]]
command = "any"
run = ["sh", "**"]
reason = "x"
[[capabilities.model]]
models = ["**"]
scopes = ["chat", "complete", "embed"]
reason = "x"
[[capabilities.artifact]]
scope = "write"
reason = "x"
[[capabilities.secret]]
name = "token"
sign = true
reason = "x"
[[capabilities.keyvalue]]
reason = "x"
`;

if (import.meta.main) {
  const mode = process.argv[2];
  const { component, functions } = await everyImport();
  const work = mkdtempSync(join(tmpdir(), "symphony-zero-"));
  const platform = createTestPlatform();
  const artifacts = createArtifactStore({ platform, storage: createFileStorage(join(work, "artifacts")) });
  const services = await createTestServices(
    join(work, "home"),
    platform,
    artifacts,
    '[[permissions]]\nextension = "*"\ndeny = ["artifact:read:run", "artifact:write:run", "keyvalue:read:own", "keyvalue:write:own"]\n',
  );
  const manifest = parseManifest(`id = "every"\nversion = "1.0.0"\nkind = "operator"\n${ASKS}[inputs.n]\ntype = "number"\n[outputs.o]\ntype = "text"\noptional = true\n`, "every");
  const catalogue = createCatalogue([{ manifest, place: "", component: async () => component }]);
  const pool = createIsolatePool({ platform, perComponentMax: 1 });
  const host = createExtensionHost({ catalogue, pool, services, preparer: createPreparer({ platform, cache: createFileStorage(join(work, "cache")), deadlineMs: 120_000 }) });
  const { plan } = planMelody({ id: "m", nodes: [{ id: "s", kind: "operator", uses: "every" }], edges: [] }, catalogue);
  let came = "";
  const call = async (n: number): Promise<void> => {
    try {
      await host.invoke(
        {
          run: "run",
          path: "s",
          node: plan.nodes[0] as PlanNode,
          inputs: [{ name: "n", value: { tag: "number", val: n } }],
          attempt: 1,
          signal: new AbortController().signal,
          note: () => {},
        },
        { folders: new Map(), project: work },
      );
      came += `${n} ok\n`;
    } catch (cause) {
      came += `${n} ${(cause as { code?: string }).code}: ${(cause as Error).message.slice(0, 100)}\n`;
    }
  };
  // what a process does once only, and what it does now and then
  services.permissions.beginRun("warm", [{ extension: "every", right: "keyvalue:read:own", decision: "deny", by: "the test" }]);
  for (let i = 0; i < 6; i++) await call(i % 2 ? -2 : -1);
  await new Promise((resolve) => setTimeout(resolve, 1300));
  existsSync(MARKS[0]);
  for (let i = 0; i < functions.length; i++) await call(mode === "all" ? i : i % 2 ? -2 : -1);
  await new Promise((resolve) => setTimeout(resolve, 1300));
  existsSync(MARKS[1]);
  console.log(JSON.stringify({ functions: functions.length, came }));
  await pool[Symbol.asyncDispose]();
  await services.close();
  await platform[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
}
