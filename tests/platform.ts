// The system platform as tests use it: with the programs that the set-up bundles.
import { join } from "node:path";
import process from "node:process";
import { createSystemPlatform } from "../runtime/platform/system.ts";

export const root = join(import.meta.dirname, "..");

export function createTestPlatform() {
  return createSystemPlatform({ isolate: join(root, ".build/isolate/isolate.mjs"), prepare: join(root, ".build/prepare/prepare.mjs"), compiled: false });
}

/** Python as the test task set it up, with the packages that it brought. */
export const python = { program: "python3", env: { ...process.env, PYTHONPATH: join(root, ".build/python") } };
