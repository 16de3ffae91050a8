// `symphony validate`: everything that is wrong with melodies, without running them.
import { type Catalogue, CODES, type ErrorCode, type Fault, melodyError, melodyJsonSchema, type Plan, SymphonyError } from "../runtime/mod.ts";
import { readArgs, usage } from "./args.ts";
import { help } from "./help.ts";
import { readMelodyFile } from "./melody-file.ts";
import { withoutControls, write } from "./print.ts";
import { openBackstage } from "./stage.ts";

export async function validate(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("validate", args, { json: { type: "boolean" }, schema: { type: "boolean" } });
  if (values["help"]) return help(["validate"]);
  if (values["schema"]) {
    write(1, `${JSON.stringify(melodyJsonSchema(), null, 2)}\n`);
    return 0;
  }
  if (positionals.length === 0) throw usage("Cannot validate: no melody is named", "validate");
  const { catalogue } = await openBackstage(values);
  for (const fault of catalogue.faults) write(2, `warning: ${withoutControls(fault.message)}\n`);
  let exit = 0;
  for (const file of positionals) {
    const { plan, faults, code } = await readOrTell(file, catalogue);
    const nodes = plan?.nodes.length ?? 0;
    const edges = plan ? plan.graph.from.length + plan.entry.length + plan.exit.length : 0;
    if (values["json"]) write(1, `${JSON.stringify({ file, sound: faults.length === 0, nodes, edges, faults })}\n`);
    else if (faults.length === 0) write(1, `${file}: sound, ${nodes} nodes, ${edges} edges\n`);
    else {
      const told = code ? `${code}: ${faults[0]?.message}` : spell(melodyError(JSON.stringify(file), faults));
      write(2, withoutControls(`${told}\n`));
    }
    if (faults.length > 0) exit = Math.max(exit, code ? CODES[code].exit : 2);
  }
  return exit;
}

const spell = ({ code, message }: SymphonyError): string => `${code}: ${message}`;

/** A file that can't be read is that file's fault; the others are still looked at. */
async function readOrTell(file: string, catalogue: Catalogue): Promise<{ plan: Plan | undefined; faults: Fault[]; code?: ErrorCode }> {
  try {
    return await readMelodyFile(file, catalogue);
  } catch (cause) {
    if (!(cause instanceof SymphonyError)) throw cause;
    return { plan: undefined, faults: [{ path: "", message: cause.message }], code: cause.code };
  }
}
