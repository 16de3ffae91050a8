// `symphony artifacts`: what runs have stored.
import { writeFileSync } from "node:fs";
import { stdout } from "node:process";
import { SymphonyError } from "../runtime/mod.ts";
import { readArgs, text, usage } from "./args.ts";
import { help } from "./help.ts";
import { spellBytes, withoutControls, write } from "./print.ts";
import { openBackstage } from "./stage.ts";

/** Media types of what a resume needs: texts of melodies, large values. */
const OWN = "application/vnd.symphony.";

export async function artifacts(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("artifacts", args, { json: { type: "boolean" }, all: { type: "boolean" }, out: { type: "string" } });
  if (values["help"]) return help(["artifacts"]);
  const [action, prefix] = positionals;
  if (action === undefined) return help(["artifacts"]);
  const { artifacts: store } = await openBackstage(values);
  if (action === "list" && positionals.length === 1) {
    // what runs keep for themselves is theirs
    const all = (await store.list()).filter(({ mediaType }) => values["all"] || !mediaType.startsWith(OWN));
    for (const { id, size, mediaType } of all) write(1, values["json"] ? `${JSON.stringify({ id, size, mediaType })}\n` : `${id}  ${spellBytes(size).padStart(9)}  ${mediaType}\n`);
    if (all.length === 0 && !values["json"]) write(2, "Nothing is stored yet; `symphony run` stores what melodies make.\n");
    return 0;
  }
  if ((action !== "show" && action !== "get") || !prefix || positionals.length > 2)
    throw usage(`Cannot understand ${JSON.stringify(positionals.join(" "))}: expected list, show ID or get ID`, "artifacts");
  const found = await store.find(prefix);
  const bytes = await store.get(found.id);
  if (action === "get") {
    const file = text(values["out"]);
    if (!file) write(1, bytes);
    else {
      try {
        writeFileSync(file, bytes);
      } catch (cause) {
        throw new SymphonyError("cli/io", `Cannot write ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause });
      }
    }
    return 0;
  }
  write(2, `${found.id}  ${spellBytes(found.size)}  ${found.mediaType}\n`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const shown = stdout.isTTY ? withoutControls(text) : text;
    write(1, shown.endsWith("\n") ? shown : `${shown}\n`);
  } catch {
    write(2, `It is not text; \`symphony artifacts get ${found.id.slice(0, 12)} --out FILE\` writes it to a file.\n`);
  }
  return 0;
}
