// `symphony audit`: the log of all decisions about permissions: listed, filtered, and checked line by line.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type AuditLine, SymphonyError } from "../runtime/mod.ts";
import { readArgs, text, usage, whole } from "./args.ts";
import { help } from "./help.ts";
import { readHomeAudit } from "./home/grants.ts";
import { painter, withoutControls, write } from "./print.ts";
import { openBackstage } from "./stage.ts";

export async function audit(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("audit", args, {
    json: { type: "boolean" },
    extension: { type: "string" },
    run: { type: "string" },
    type: { type: "string" },
    since: { type: "string" },
    denied: { type: "boolean" },
    last: { type: "string" },
  });
  if (values["help"]) return help(["audit"]);
  const [command = "list", ...more] = positionals;
  if ((command !== "list" && command !== "verify") || more.length > 0) throw usage(`Cannot understand ${JSON.stringify(positionals.join(" "))}: expected list or verify`, "audit");
  const last = whole(values["last"], "last", "audit", 1, 1_000_000);
  const since = text(values["since"]);
  if (since !== undefined && Number.isNaN(Date.parse(since)))
    throw usage(`Cannot use --since ${JSON.stringify(since)}: expected a date such as 2026-01-31 or 2026-01-31T12:00`, "audit");
  const { home, platform } = await openBackstage(values);
  const { lines, faults, notes } = await readHomeAudit(home, platform);
  if (command === "verify") {
    // every run writes to it: none at all is no beginning
    if (lines.length === 0 && faults.length === 0 && (existsSync(join(home, "permissions.json")) || (existsSync(join(home, "runs")) && readdirSync(join(home, "runs")).length > 0)))
      faults.push("there is no log and no head, and there are runs or grants; both were deleted, or stand elsewhere");
    for (const note of notes) write(2, `note: ${note}\n`);
    if (faults.length > 0) {
      for (const fault of faults.slice(0, 100)) write(1, `${withoutControls(fault)}\n`);
      throw new SymphonyError("audit/damaged", `The audit log has ${faults.length} fault${faults.length > 1 ? "s" : ""}; ${lines.length} lines were read`);
    }
    write(
      1,
      `${lines.length} lines, each as it was written${lines.length ? `, the last at ${lines.at(-1)?.at}` : ""}.\nNot found by this: somebody who can write to the home and writes all lines from one on anew, with the head; keep a copy of audit.head elsewhere (${lines.at(-1)?.hash.slice(0, 16) ?? "none yet"}...) to find that too.\n`,
    );
    return 0;
  }
  const wanted = (line: AuditLine): boolean =>
    (values["extension"] === undefined || line.extension === values["extension"]) &&
    (values["run"] === undefined || line.run?.startsWith(String(values["run"])) === true) &&
    (values["type"] === undefined || line.right?.startsWith(`${String(values["type"])}:`) === true) &&
    (since === undefined || Date.parse(line.at) >= Date.parse(since)) &&
    (values["denied"] !== true || line.allowed === false);
  const found = lines.filter(wanted);
  const shown = last === undefined ? found : found.slice(-last);
  if (values["json"]) for (const line of shown) write(1, `${JSON.stringify(line)}\n`);
  else if (shown.length === 0) write(1, lines.length === 0 ? "Nothing was decided in this home yet.\n" : `None of ${lines.length} lines is like that.\n`);
  else {
    const paint = painter();
    for (const { at, event, extension, peer, run, node, right, allowed, by, note } of shown) {
      const verdict = event === "revoke" ? "taken back" : allowed === false ? paint("red", "refused") : event === "grant" ? "granted" : "allowed";
      const place = [run?.slice(0, 8), node].filter(Boolean).join("/");
      write(
        1,
        withoutControls(
          `${at.replace("T", " ").slice(0, 19)}  ${verdict.padEnd(8)} ${extension ?? peer ?? ""}  ${right ?? ""}${place ? `  in ${place}` : ""}  (${[by, note].filter(Boolean).join(", ")})\n`,
        ),
      );
    }
  }
  if (faults.length > 0) write(2, `warning: the log was changed or cut; \`symphony audit verify\` says where\n`);
  return 0;
}
