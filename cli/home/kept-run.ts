// A run as its journal tells it, for commands that only look.
import { foldEvents, type Past, readJournal } from "../../pit/mod.ts";
import { type Plan, planMelody, readMelody, type RunEvent } from "../../runtime/mod.ts";
import type { Backstage } from "../stage.ts";
import type { RunFolder } from "./run-store.ts";

/** All that its journal holds. Throws `journal/*`. */
export async function readRun(folder: RunFolder, { platform }: Pick<Backstage, "platform">): Promise<{ past: Past; events: RunEvent[] }> {
  const bytes = await platform.readFile(folder.journal, Number.MAX_SAFE_INTEGER);
  const { events } = readJournal(bytes ?? new Uint8Array(0));
  return { past: foldEvents(events), events };
}

/** The plan of a run's melody, to show it by; undefined where it can't be made any more. */
export async function planOfRun(backstage: Backstage, folder: RunFolder): Promise<Plan | undefined> {
  try {
    const { past } = await readRun(folder, backstage);
    const source = past.started?.origin?.source;
    const read = source === undefined ? undefined : readMelody(new TextDecoder().decode(await backstage.artifacts.get(source)));
    return read?.melody && planMelody(read.melody, backstage.catalogue, read).plan;
  } catch {
    // whoever needs it says why
    return undefined;
  }
}
