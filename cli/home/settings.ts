// What a home says for all its runs: `settings.toml` in it. A run's own options come first.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { NO_SETTINGS, parseSettings, type Settings, SymphonyError } from "../../runtime/mod.ts";
import { near } from "../../runtime/near.ts";

export function homeSettings(home: string): Settings {
  const file = join(home, "settings.toml");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return NO_SETTINGS;
    throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause });
  }
  return parseSettings(text, JSON.stringify(file));
}

const SECRET_BYTES_MAX = 64 * 1024;

/** A secret's value, read where it stands at the moment that it is used. Throws `secret/unknown`, which never holds the value. */
export function readSecret({ secrets }: Settings, name: string): string {
  const place = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  const known = Object.keys(secrets);
  const unknown = (why: string): SymphonyError => new SymphonyError("secret/unknown", `Cannot use the secret ${JSON.stringify(name)}: ${why}`);
  if (!place) throw unknown(`no such secret is set up${near(name, known)}; add [secrets.${name}] with env or file to settings.toml in the home`);
  if ("env" in place) {
    const value = env[place.env];
    if (!value) throw unknown(`the variable ${place.env}, which holds it, is not set in the process that owns the home`);
    return value;
  }
  const path = place.file.startsWith("~/") ? join(homedir(), place.file.slice(2)) : place.file;
  let value: string;
  try {
    value = readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw unknown(`its file can't be read (${(cause as { code?: string }).code ?? "it failed"})`);
  }
  if (value === "" || value.length > SECRET_BYTES_MAX) throw unknown(`its file is ${value === "" ? "empty" : `larger than ${SECRET_BYTES_MAX} bytes`}`);
  return value;
}
