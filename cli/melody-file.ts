// Reads a melody's file into a plan, or says everything that is wrong with it.
import { readFile } from "node:fs/promises";
import { type Catalogue, type Fault, melodyError, type Plan, planMelody, readMelody, SymphonyError } from "../runtime/mod.ts";

/** The plan, if any, and all faults. Throws only when the file can't be read. */
export async function readMelodyFile(file: string, catalogue: Catalogue): Promise<{ plan: Plan | undefined; faults: Fault[]; source: string }> {
  let source: string;
  try {
    source = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readFile(file));
  } catch (cause) {
    const { code } = cause as { code?: string };
    const why =
      cause instanceof TypeError && code !== "ENOENT" && !code?.startsWith("E")
        ? "it is not UTF-8 text"
        : code === "ENOENT"
          ? "nothing stands there"
          : code === "EISDIR"
            ? "it is a folder; name the melody's file in it"
            : (cause as Error).message;
    throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(file)}: ${why}`, { cause });
  }
  const read = readMelody(source);
  if (!read.melody) return { plan: undefined, faults: read.faults, source };
  const { plan, faults } = planMelody(read.melody, catalogue, read);
  return { plan, faults: [...read.faults, ...faults], source };
}

/** The plan, and the text that it was made from. */
export async function soundMelody(file: string, catalogue: Catalogue): Promise<{ plan: Plan; source: string }> {
  const { plan, faults, source } = await readMelodyFile(file, catalogue);
  if (!plan || faults.length > 0) throw melodyError(JSON.stringify(file), faults);
  return { plan, source };
}
