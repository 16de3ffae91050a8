// What the security tests share: the probe, a guest that does what it is told, run by the real host in a real process, under the grants
// that a test gives it; and what the audit log then says.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readHomeAudit } from "../../cli/home/grants.ts";
import { createArtifactStore } from "../../pit/mod.ts";
import { createExtensionHost, type StepNote } from "../../runtime/extension/host.ts";
import {
  type AuditLine,
  createCatalogue,
  createIsolatePool,
  createPreparer,
  type Grants,
  type HostServices,
  type Manifest,
  parseManifest,
  type PlanNode,
  planMelody,
  SymphonyError,
  type Value,
  valueToJson,
} from "../../runtime/mod.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import { buildExtension } from "../../tasks/build-extension.ts";
import { createTestPlatform, root } from "../platform.ts";
import { createTestServices, type TestServices } from "../services.ts";

const place = join(root, "tests/guests/probe");
const TEXT = readFileSync(join(place, "manifest.toml"), "utf8");

/** What one of the things that the probe was told to do came to. */
export type Did = { ok: unknown; err?: undefined } | { ok?: undefined; err: { kind: string; code: string; message: string; retryAfterMs?: number } };

export interface Tell {
  /** Rights that a person granted to this run. */
  allow?: readonly string[];
  /** Rights that the melody's node keeps. */
  narrowed?: readonly string[];
  /** The folder at the port `folder`, which the run was given. */
  folder?: string;
  inputs?: Readonly<Record<string, Value>>;
  run?: string;
  timeMs?: number;
  signal?: AbortSignal;
  onNote?: (note: StepNote) => void;
  settings?: Record<string, unknown>;
}

export interface Told {
  did: Did[];
  outputs: ReadonlyMap<string, Value>;
  audit: AuditLine[];
}

export interface Lab {
  home: string;
  /** A folder of the lab's own. */
  folder: string;
  services: TestServices;
  manifest: Manifest;
  host: ReturnType<typeof createExtensionHost>;
  /** Has the probe do these things; rejects as the step fails. */
  tell(what: readonly (readonly unknown[])[], options?: Tell): Promise<Told>;
  audit(): Promise<AuditLine[]>;
  processes(): number;
  [Symbol.asyncDispose](): Promise<void>;
}

let labs = 0;

/** `manifest` changes the probe's manifest, `settings` is the home's settings.toml. */
export async function createLab({
  settings = "",
  manifest: change = (text: string) => text,
  other = {},
}: {
  settings?: string;
  manifest?: (text: string) => string;
  other?: Partial<HostServices>;
} = {}): Promise<Lab> {
  await buildExtension(place);
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `symphony-lab-${labs++}-`)));
  const home = join(folder, "home");
  mkdirSync(home);
  const platform = createTestPlatform();
  const artifacts = createArtifactStore({ platform, storage: createFileStorage(join(home, "artifacts")) });
  const services = await createTestServices(home, platform, artifacts, settings, other);
  const manifest = parseManifest(change(TEXT), "probe");
  const component = new Uint8Array(readFileSync(join(place, "build/probe.wasm")));
  const catalogue = createCatalogue([{ manifest, place, component: async () => component }]);
  const pool = createIsolatePool({ platform });
  const host = createExtensionHost({ catalogue, pool, services, preparer: createPreparer({ platform, cache: createFileStorage(join(root, ".build/test-home/cache")) }) });
  let runs = 0;
  let seen = 0;
  const audit = async (): Promise<AuditLine[]> => (await readHomeAudit(home, platform)).lines;

  return {
    home,
    folder,
    services,
    manifest,
    host,
    audit,
    processes: () => pool.processes().length,
    async tell(
      what,
      { allow = [], narrowed, folder: given, inputs = {}, run = `run-${runs++}`, timeMs, signal = new AbortController().signal, onNote = () => {}, settings: own = {} } = {},
    ) {
      const { plan, faults } = planMelody(
        {
          id: "m",
          nodes: [{ id: "probe", kind: "operator", uses: manifest.id, settings: own, ...(narrowed ? { rights: [...narrowed] } : {}), ...(timeMs ? { timeoutMs: timeMs } : {}) }],
          edges: [],
        },
        catalogue,
      );
      const grave = faults.filter(({ path }) => path.includes("rights") || path.includes("settings"));
      if (grave.length > 0) throw new SymphonyError("melody/invalid", grave.map(({ message }) => message).join("; "));
      services.permissions.beginRun(
        run,
        allow.map((right) => ({ extension: manifest.id, right, decision: "allow", by: "the test" })),
      );
      const grants: Grants = { folders: new Map(given === undefined ? [] : [["folder", { path: given, folder: platform.folder(given, home) }]]), project: folder };
      const entries = Object.entries({
        do: { tag: "json", val: JSON.stringify(what) } as Value,
        ...(given === undefined ? {} : { folder: { tag: "text", val: "folder" } as Value }),
        ...inputs,
      })
        .map(([name, value]) => ({ name, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      try {
        const outputs = await host.invoke({ run, path: "probe", node: plan.nodes[0] as PlanNode, inputs: entries, attempt: 1, signal, note: onNote }, grants);
        const lines = await audit();
        const fresh = lines.slice(seen).filter(({ event }) => event === "check");
        seen = lines.length;
        return { did: valueToJson(outputs.get("did") as Value) as Did[], outputs, audit: fresh };
      } finally {
        services.permissions.endRun(run);
      }
    },
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await services.close();
      await platform[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a call that is refused ends in: `kind code`. */
export function refusal(did: Did | undefined): string {
  return did?.err ? `${did.err.kind} ${did.err.code}` : `ok ${JSON.stringify(did?.ok)}`;
}
