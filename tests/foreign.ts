// Components that others wrote, from a folder of .wasm files: each is admitted and run as a step, or refused with the reason. What a
// command is given and should do can stand beside it, as the WASI test suite has it: `data/<set>/<name>.json` with args, env, root,
// exit_code and stdout, for the file `<set>-<name>.wasm`. Prints one line a component.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createArtifactStore } from "../pit/mod.ts";
import { createExtensionHost } from "../runtime/extension/host.ts";
import { createCatalogue, createIsolatePool, createPreparer, type Grants, parseManifest, planMelody, SymphonyError, type Value } from "../runtime/mod.ts";
import { createFileStorage } from "../runtime/platform/system.ts";
import { createTestPlatform } from "./platform.ts";
import { createTestServices } from "./services.ts";

interface Expected {
  args?: string[];
  env?: Record<string, string>;
  root?: string;
  exit_code?: number;
  stdout?: string;
}

const PORTS = {
  command:
    '[inputs.arguments]\ntype = "list<text>"\nrequired = false\n[inputs.environment]\ntype = "json"\nrequired = false\n[inputs.stdin]\ntype = "text"\nrequired = false\n[inputs.root]\ntype = "folder"\nrequired = false\n[outputs.stdout]\ntype = "text"\n[outputs.stderr]\ntype = "text"\n[outputs.exitCode]\ntype = "number"\n',
  handler:
    '[inputs.method]\ntype = "text"\n[inputs.url]\ntype = "text"\n[inputs.body]\ntype = "text"\nrequired = false\n[outputs.status]\ntype = "number"\n[outputs.headers]\ntype = "json"\n[outputs.body]\ntype = "text"\n',
};
const ASKS =
  '[[capabilities.file]]\nfolder = "inputs"\nscope = "write"\nreason = "x"\n[[capabilities.network]]\nto = ["http://**"]\nmethods = ["*"]\nreason = "x"\n[[capabilities.keyvalue]]\nreason = "x"\n';

export interface Foreign {
  file: string;
  did: "ran" | "failed" | "refused" | "wrong";
  what: string;
}

export async function runForeign(folder: string, only: RegExp, tell: (one: Foreign) => void): Promise<Foreign[]> {
  const platform = createTestPlatform();
  const work = mkdtempSync(join(tmpdir(), "symphony-foreign-"));
  const artifacts = createArtifactStore({ platform, storage: createFileStorage(join(work, "artifacts")) });
  const services = await createTestServices(join(work, "home"), platform, artifacts, '[[permissions]]\nextension = "*"\nallow = ["file:read:/**", "file:write:/**"]\n');
  const preparer = createPreparer({ platform, cache: createFileStorage(join(work, "cache")), deadlineMs: 60_000 });
  const pool = createIsolatePool({ platform, perComponentMax: 1 });
  const found: Foreign[] = [];
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".wasm") && only.test(name))
    .sort();
  for (const [at, file] of files.entries()) {
    const bytes = new Uint8Array(readFileSync(join(folder, file)));
    const one: Foreign = { file, did: "refused", what: "" };
    try {
      const { kind } = await preparer.prepare(bytes, { memoryMiB: 512 });
      if (kind !== "command" && kind !== "handler") one.what = `it is an ${kind} of ours`;
      else {
        const manifest = parseManifest(
          `id = "foreign-${at}"\nversion = "0.0.0"\nkind = "operator"\n[limits]\nmemoryMiB = 512\ntimeMs = 20000\n${ASKS}${kind === "handler" ? PORTS.handler : PORTS.command}`.replace(
            kind === "handler" ? /\[\[capabilities\.file\]\]\n.*\n.*\n.*\n/ : /^$/,
            "",
          ),
          file,
        );
        const catalogue = createCatalogue([{ manifest, place: file, component: async () => bytes }]);
        const host = createExtensionHost({ catalogue, preparer, pool, services });
        const { plan } = planMelody({ id: "m", nodes: [{ id: "s", kind: "operator", uses: manifest.id }], edges: [] }, catalogue);
        const node = plan.nodes[0];
        if (!node) throw new Error("no node");
        const [, set, name] = /^(wts[a-z0-9]*-[a-z]+|[a-z0-9]+)-(.+)\.wasm$/.exec(file) ?? [];
        const spec = join(folder, "data", set ?? "", `${name}.json`);
        const expected: Expected = existsSync(spec) ? (JSON.parse(readFileSync(spec, "utf8")) as Expected) : {};
        const own = join(work, `fs-${at}`);
        if (expected.root) cpSync(join(folder, "data", set ?? "", expected.root), own, { recursive: true });
        else mkdirSync(own);
        const folderName = "root";
        const grants: Grants = { folders: new Map([[folderName, { path: own, folder: platform.folder(own) }]]), project: own };
        const text = (val: string): Value => ({ tag: "text", val });
        const inputs =
          kind === "command"
            ? [
                {
                  name: "arguments",
                  value: { tag: "items", val: (expected.args ?? (file.startsWith("wt2-preview1") ? ["/"] : [])).map((val) => ({ tag: "text", val })) } as Value,
                },
                { name: "environment", value: { tag: "json", val: JSON.stringify(expected.env ?? {}) } as Value },
                { name: "root", value: text(folderName) },
              ]
            : [
                { name: "method", value: text("GET") },
                { name: "url", value: text("http://localhost/") },
              ];
        const outputs = await host.invoke({ run: `r${at}`, path: "s", node, inputs, attempt: 1, signal: new AbortController().signal, note: () => {} }, grants);
        host.endRun(`r${at}`);
        const plain = Object.fromEntries([...outputs].map(([port, value]) => [port, (value as { val?: unknown }).val]));
        if (kind === "handler") {
          one.did = "ran";
          one.what = `status ${String(plain["status"])}, ${String(plain["body"]).length} characters`;
        } else {
          const wanted = expected.exit_code ?? 0;
          const isRight = (plain["exitCode"] === wanted || (wanted !== 0 && plain["exitCode"] === 1)) && (expected.stdout === undefined || expected.stdout === plain["stdout"]);
          one.did = isRight ? "ran" : "wrong";
          one.what = `exit ${String(plain["exitCode"])}, expected ${wanted}${isRight ? "" : `: ${JSON.stringify(String(plain["stderr"] || plain["stdout"]).slice(-200))}`}`;
        }
      }
    } catch (cause) {
      if (!(cause instanceof SymphonyError)) throw cause;
      one.did = cause.code.startsWith("gate/") || cause.code.startsWith("prepare/") ? "refused" : "failed";
      one.what = `${cause.code}: ${cause.message.slice(0, 500)}`;
    }
    found.push(one);
    tell(one);
  }
  await pool[Symbol.asyncDispose]();
  await services.close();
  await platform[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
  return found;
}

if (import.meta.main) {
  const [folder, only = "."] = process.argv.slice(2);
  if (!folder) throw new Error("usage: foreign.ts FOLDER [REGEXP]");
  const found = await runForeign(folder, new RegExp(only), ({ file, did, what }) => console.log(`${did.padEnd(7)} ${file}  ${what}`));
  const count = (did: Foreign["did"]): number => found.filter((one) => one.did === did).length;
  console.log(`${found.length} components: ${count("ran")} ran as expected, ${count("wrong")} ran otherwise, ${count("failed")} failed, ${count("refused")} refused with a reason`);
  process.exit(0);
}
