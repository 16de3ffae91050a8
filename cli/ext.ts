// `symphony ext`: the installed extensions.
import { describeCapability, type PortSpec, spellPortType, spellShapes, valueToJson } from "../runtime/mod.ts";
import { readArgs, usage } from "./args.ts";
import { help } from "./help.ts";
import { withoutControls, write } from "./print.ts";
import { openBackstage } from "./stage.ts";

export async function ext(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("ext", args, { json: { type: "boolean" } });
  if (values["help"]) return help(["ext"]);
  if (positionals.length === 0) return help(["ext"]);
  if ((positionals[0] !== "list" && positionals[0] !== "shapes") || positionals.length > 1)
    throw usage(`Cannot understand ${JSON.stringify(positionals.join(" "))}: expected list or shapes`, "ext");
  const { catalogue, platform } = await openBackstage(values);
  if (positionals[0] === "shapes") {
    const manifests = [...catalogue.all()].map(({ manifest }) => manifest);
    write(1, `// Written by \`symphony ext shapes\`: the extensions that are installed, for melodies that are built in code.\n\n${spellShapes(manifests, "SHAPES")}`);
    return 0;
  }
  for (const { manifest, place } of catalogue.all()) {
    const { id, version, kind, title, description, capabilities, pure, limits } = manifest;
    if (values["json"]) {
      const ports = (specs: ReadonlyMap<string, PortSpec>) =>
        Object.fromEntries(
          [...specs].map(([name, spec]) => [
            name,
            { type: spellPortType(spec.type), required: spec.required, ...(spec.default ? { default: valueToJson(spec.default) } : {}), description: spec.description },
          ]),
        );
      write(
        1,
        `${JSON.stringify({ id, version, kind, title, description, capabilities, pure, limits, inputs: ports(manifest.inputs), outputs: ports(manifest.outputs), settings: ports(manifest.settings), place })}\n`,
      );
      continue;
    }
    const port = ({ name, type, required }: PortSpec): string => `${name}${required ? "" : "?"}: ${spellPortType(type)}`;
    write(1, withoutControls(`${id} ${version}  ${kind}  ${title}\n  ${description}\n`));
    write(1, `  in  ${[...manifest.inputs.values()].map(port).join(", ") || "nothing"}\n  out ${[...manifest.outputs.values()].map(port).join(", ")}\n`);
    if (manifest.settings.size)
      write(
        1,
        withoutControls(
          `  set ${[...manifest.settings.values()].map((spec) => `${port(spec)}${spec.default ? ` = ${JSON.stringify(valueToJson(spec.default))}` : ""}`).join(", ")}\n`,
        ),
      );
    write(1, `  asks to ${capabilities.map(describeCapability).join("; to ") || "compute, and nothing else"}; at most ${limits.memoryMiB} MiB, ${limits.timeMs} ms a call\n\n`);
  }
  for (const fault of catalogue.faults) write(2, `${withoutControls(fault.message)}\n`);
  if (!values["json"]) write(2, `Isolation: a process for each component, closed in by ${platform.confinement}.\n`);
  return catalogue.faults.length ? 2 : 0;
}
