// What a home says for all its runs: `settings.toml` in it. A run's own options come first.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSettings, type Settings, SymphonyError } from "../../runtime/mod.ts";

export function homeSettings(home: string): Settings {
  const file = join(home, "settings.toml");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return {};
    throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause });
  }
  return parseSettings(text, JSON.stringify(file));
}
