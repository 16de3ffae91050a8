// A run as its files tell it, for commands that only look.
import { type KeptRun, type Past, readKept } from "../../pit/mod.ts";
import { type Plan, planMelody, readMelody } from "../../runtime/mod.ts";
import type { Backstage } from "../stage.ts";
import type { RunFolder } from "./run-store.ts";

/** All that is kept of it. Throws `journal/*`. */
export function readRun({ platform }: Pick<Backstage, "platform">, { folder }: RunFolder): Promise<KeptRun> {
  return readKept(platform.appendFolder(folder));
}

/** The plan of a run's melody, to show it by; undefined where it can't be made any more. */
export async function planOfRun({ artifacts, catalogue }: Backstage, { started }: Past): Promise<Plan | undefined> {
  const source = started?.origin?.source;
  if (source === undefined) return undefined;
  try {
    const read = readMelody(new TextDecoder().decode(await artifacts.get(source)));
    return read.melody && planMelody(read.melody, catalogue, read).plan;
  } catch {
    // whoever needs it says why
    return undefined;
  }
}
