// The system platform as tests use it: with the programs that the set-up bundles.
import { join } from "node:path";
import { createSystemPlatform } from "../runtime/platform/system.ts";

export const root = join(import.meta.dirname, "..");

export function createTestPlatform() {
  return createSystemPlatform({ isolate: join(root, ".build/isolate/isolate.mjs"), prepare: join(root, ".build/prepare/prepare.mjs"), compiled: false });
}
