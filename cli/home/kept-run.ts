// A run as its journal tells it, for commands that only look.
import { readKept } from "../../pit/mod.ts";
import { type Plan, planMelody, readMelody } from "../../runtime/mod.ts";
import type { Backstage } from "../stage.ts";
import type { RunFolder } from "./run-store.ts";

/** The plan of a run's melody, to show it by; undefined where it can't be made any more. */
export async function planOfRun(backstage: Backstage, folder: RunFolder): Promise<Plan | undefined> {
  try {
    const { past } = await readKept(backstage.platform.appendFolder(folder.folder));
    const source = past.started?.origin?.source;
    const read = source === undefined ? undefined : readMelody(new TextDecoder().decode(await backstage.artifacts.get(source)));
    return read?.melody && planMelody(read.melody, backstage.catalogue, read).plan;
  } catch {
    // whoever needs it says why
    return undefined;
  }
}
