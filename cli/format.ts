// `symphony format`: melodies in the form that equal ones share, so that differences are small.
import { accessSync, chmodSync, constants, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { CODES, melodyError, readMelody, spellMelody, SymphonyError } from "../runtime/mod.ts";
import { readArgs, usage } from "./args.ts";
import { help } from "./help.ts";
import { withoutControls, write } from "./print.ts";

export async function format(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("format", args, { check: { type: "boolean" } });
  if (values["help"]) return help(["format"]);
  if (positionals.length === 0) throw usage("Cannot format: no melody is named", "format");
  let exit = 0;
  for (const file of positionals) {
    try {
      const before = textOf(file);
      const { melody, faults } = readMelody(before);
      const lost = lostNumber(before);
      if (lost !== undefined)
        throw new SymphonyError("melody/invalid", `Cannot format ${JSON.stringify(file)}: the number ${lost} can't be kept as it is; write it as text, or with fewer digits`);
      // what can't be read whole would lose its faulty parts
      if (!melody || faults.length > 0) throw melodyError(JSON.stringify(file), faults);
      const after = spellMelody(melody);
      if (after === before) continue;
      if (values["check"]) {
        write(2, `${withoutControls(file)}: not in the form that \`symphony format\` gives it\n`);
        exit = Math.max(exit, 1);
      } else {
        replace(file, after);
        write(2, `formatted ${withoutControls(file)}\n`);
      }
    } catch (cause) {
      // the other files are still looked at
      if (!(cause instanceof SymphonyError)) throw cause;
      write(2, withoutControls(`${cause.code}: ${cause.message}\n`));
      exit = Math.max(exit, CODES[cause.code].exit);
    }
  }
  return exit;
}

function textOf(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(file)}: ${cause instanceof TypeError ? "it is not UTF-8 text" : (cause as Error).message}`, { cause });
  }
}

/** A number of the text that reading and writing would change. */
function lostNumber(text: string): string | undefined {
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g)) {
    if (token.startsWith('"')) continue;
    const number = Number(token);
    if (!Number.isFinite(number) || (/^-?\d+$/.test(token) && !Number.isSafeInteger(number) && BigInt(token) !== BigInt(number))) return token;
  }
  return undefined;
}

/** Whole or not at all; where a link leads, with the rights that the file had. */
function replace(file: string, text: string): void {
  let beside: string | undefined;
  try {
    const place = realpathSync(file);
    accessSync(place, constants.W_OK);
    const { mode } = statSync(place);
    beside = `${place}.${process.pid}.part`;
    writeFileSync(beside, text);
    chmodSync(beside, mode);
    renameSync(beside, place);
  } catch (cause) {
    if (beside !== undefined) rmSync(beside, { force: true });
    throw new SymphonyError("cli/io", `Cannot write ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause });
  }
}
