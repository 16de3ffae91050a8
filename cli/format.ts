// `symphony format`: melodies in the form that equal ones share, so that differences are small.
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { melodyError, readMelody, spellMelody, SymphonyError } from "../runtime/mod.ts";
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
      exit = 2;
    }
  }
  return exit;
}

function textOf(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(file)}: ${cause instanceof TypeError ? "it is not UTF-8 text" : (cause as Error).message}`, { cause });
  }
}

/** Whole or not at all. */
function replace(file: string, text: string): void {
  const beside = `${file}.${process.pid}.part`;
  try {
    writeFileSync(beside, text, { mode: statSync(file).mode });
    renameSync(beside, file);
  } catch (cause) {
    rmSync(beside, { force: true });
    throw new SymphonyError("cli/io", `Cannot write ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause });
  }
}
