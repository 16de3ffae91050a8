// Calls one shipped extension as a run would: real manifest, real gate, real isolate. For tests of extensions.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createExtensionHost, createIsolatePool, createPreparer, discoverExtensions, type Grants, planMelody, SymphonyError, type Value, valueToJson } from "../runtime/mod.ts";
import { createFileStorage } from "../runtime/platform/system.ts";
import { createArtifactStore } from "../pit/mod.ts";
import { createTestPlatform, root } from "./platform.ts";
import { createTestServices } from "./services.ts";

export interface CallOptions {
  /** Granted folders by name. */
  folders?: Record<string, string>;
}
export type CallAnswer = { outputs: Map<string, Value> } | { error: { kind: string; code: string; message: string; name: string } };

const home = join(root, ".build/test-home");
mkdirSync(home, { recursive: true });
const platform = createTestPlatform();
const catalogue = await discoverExtensions(platform, [join(root, "extensions"), join(root, "tests/guests")]);
const pool = createIsolatePool({ platform });
export const artifacts = createArtifactStore({ platform, storage: createFileStorage(join(home, "artifacts")) });
// what is granted is other tests' matter
const services = await createTestServices(home, platform, artifacts, '[[permissions]]\nextension = "*"\nallow = ["file:read:/**", "file:write:/**"]\n');
const host = createExtensionHost({ catalogue, preparer: createPreparer({ platform, cache: createFileStorage(join(home, "cache")) }), pool, services });
let calls = 0;

/** Calls extension `name`; settings are plain JSON, defaults come from its manifest. */
export async function callExtension(name: string, inputs: Record<string, Value>, settings: Record<string, unknown> = {}, options: CallOptions = {}): Promise<CallAnswer> {
  const manifest = catalogue.get(name);
  if (!manifest) throw new Error(`${name}: ${catalogue.faults.map(({ message }) => message).join("\n")}`);
  const { plan, faults } = planMelody({ id: "test", nodes: [{ id: "step", kind: manifest.kind as "operator", uses: name, settings }], edges: [] }, catalogue);
  const setting = faults.find(({ path }) => path.includes(".settings."));
  if (setting) return { error: { kind: "invalid-settings", code: "melody.invalid", message: setting.message, name: setting.path } };
  const node = plan.nodes[0];
  if (!node) throw new Error("no node");
  for (const [port, preset] of [...manifest.inputs].map(([port, spec]) => [port, spec.default] as const)) if (preset && !(port in inputs)) inputs[port] = preset;
  const grants: Grants = { folders: new Map(Object.entries(options.folders ?? {}).map(([key, path]) => [key, { path, folder: platform.folder(path) }])) };
  const entries = Object.entries(inputs)
    .map(([key, value]) => ({ name: key, value }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  try {
    return {
      outputs: new Map(
        await host.invoke({ run: `test-${calls++}`, path: "step", node, inputs: entries, attempt: 1, signal: new AbortController().signal, note: () => {} }, grants),
      ),
    };
  } catch (cause) {
    if (!(cause instanceof SymphonyError)) throw cause;
    const kinds: Record<string, string> = { "step/input": "invalid-input", "step/denied": "denied" };
    return { error: { kind: kinds[cause.code] ?? cause.code, code: cause.detail ?? cause.code, message: cause.message, name: "" } };
  }
}

/** Outputs as plain JSON; throws what the call returned as an error. */
export async function outputsOf(name: string, inputs: Record<string, Value>, settings: Record<string, unknown> = {}, options: CallOptions = {}): Promise<Record<string, unknown>> {
  const answer = await callExtension(name, inputs, settings, options);
  if ("error" in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return Object.fromEntries([...answer.outputs].map(([port, value]) => [port, valueToJson(value)]));
}
