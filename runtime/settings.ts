// The settings of a home, as TOML. Pure.
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { SymphonyError } from "./error.ts";
import { faultsOf } from "./schema.ts";

const schema = z.strictObject({ durability: z.enum(["process", "power"]).optional() });

export interface Settings {
  /** What a run survives, where it doesn't say so itself. */
  durability?: "process" | "power" | undefined;
}

/** `place` names the file in messages. Throws `settings/invalid` with all faults together. */
export function parseSettings(text: string, place: string): Settings {
  let raw: unknown;
  try {
    raw = parseToml(text, { maxDepth: 8 });
  } catch (cause) {
    throw new SymphonyError("settings/invalid", `Cannot use the settings ${place}: they are not TOML: ${(cause as Error).message.split("\n")[0]}`, { cause });
  }
  const read = schema.safeParse(raw);
  if (read.success) return read.data;
  const faults = faultsOf(read.error, raw, schema);
  throw new SymphonyError("settings/invalid", `Cannot use the settings ${place}:\n${faults.map(({ path, message }) => `  ${path ? `${path}: ` : ""}${message}`).join("\n")}`, {
    faults,
  });
}
