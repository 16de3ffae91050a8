// `symphony ext`, also called `carets`: extensions, for who uses them and for who writes them. Leaves out each author's command, which is
// a file beside this one.
import { dirname, resolve } from "node:path";
import {
  describeCapability,
  type PortSpec,
  type SettingSpec,
  settingsForm,
  settingsJsonSchema,
  spellPortType,
  spellShapes,
  valueToJson,
  manifestJsonSchema,
  spellManifest,
  spellManifestJson,
} from "../../runtime/mod.ts";
import { near } from "../../runtime/near.ts";
import { type Parsed, readArgs, texts, usage } from "../args.ts";
import { help } from "../help.ts";
import { withoutControls, write } from "../print.ts";
import { type Backstage, openBackstage } from "../stage.ts";
import { checkFolder } from "./check.ts";
import { readFolder } from "./folder.ts";

const COMMANDS = ["list", "shapes", "new", "build", "test", "check", "format", "form", "schema"] as const;

export async function ext(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("ext", args, {
    json: { type: "boolean" },
    language: { type: "string" },
    kind: { type: "string" },
    allow: { type: "string", multiple: true },
    only: { type: "string" },
    write: { type: "boolean" },
    trust: { type: "boolean" },
  });
  const [command, ...rest] = positionals;
  if (values["help"] || command === undefined) return help(["ext"]);
  if (!(COMMANDS as readonly string[]).includes(command))
    throw usage(`Cannot understand ${JSON.stringify(positionals.join(" "))}: expected ${COMMANDS.join(", ")}${near(command, COMMANDS)}`, "ext");
  const folder = (): string => {
    if (rest.length > 1) throw usage(`Cannot ${command} several at once: ${rest.join(", ")}`, "ext");
    return resolve(rest[0] ?? ".");
  };
  switch (command) {
    case "schema":
      write(1, `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
      return 0;
    case "new":
      return (await import("./new.ts")).createExtension(rest, values);
    case "build":
      return (await import("./build.ts")).build(folder());
    case "test":
      return (await import("./try.ts")).tryCases(folder(), values);
    case "check":
      return checkFolder(folder(), values, await openBackstage({ ...values, extensions: [...texts(values["extensions"]), dirname(folder())] }));
    case "format": {
      const { manifest, file, text, isJson } = await readFolder(folder());
      const spelled = isJson ? spellManifestJson(manifest) : spellManifest(manifest);
      if (values["write"]) {
        if (spelled !== text) (await import("node:fs")).writeFileSync(file, spelled);
      } else write(1, values["json"] ? spellManifestJson(manifest) : spelled);
      return 0;
    }
    case "form": {
      const { manifest } = await readFolder(folder());
      write(1, `${JSON.stringify({ form: settingsForm(manifest), schema: settingsJsonSchema(manifest) }, null, 2)}\n`);
      return 0;
    }
    default: {
      if (rest.length > 0) throw usage(`Cannot understand ${JSON.stringify(rest.join(" "))}: ${command} takes no more`, "ext");
      const backstage = await openBackstage(values);
      return command === "shapes" ? shapes(backstage) : list(backstage, values);
    }
  }
}

function shapes({ catalogue }: Backstage): number {
  const manifests = [...catalogue.all()].map(({ manifest }) => manifest);
  write(1, `// Written by \`symphony ext shapes\`: the extensions that are installed, for melodies that are built in code.\n\n${spellShapes(manifests, "SHAPES")}`);
  return 0;
}

function list({ catalogue, platform }: Backstage, values: Parsed["values"]): number {
  for (const { manifest, place } of catalogue.all()) {
    const { id, version, kind, title, description, publisher, capabilities, pure, limits, dependencies } = manifest;
    if (values["json"]) {
      const ports = (specs: ReadonlyMap<string, PortSpec>) =>
        Object.fromEntries(
          [...specs].map(([name, spec]) => [
            name,
            { type: spellPortType(spec.type), required: spec.required, ...(spec.default ? { default: valueToJson(spec.default) } : {}), description: spec.description },
          ]),
        );
      const asks = capabilities.map(({ type, rights, reason }) => ({ type, rights: rights.map(({ text }) => text), reason }));
      write(
        1,
        `${JSON.stringify({ id, version, kind, title, description, publisher, capabilities: asks, pure, limits, inputs: ports(manifest.inputs), outputs: ports(manifest.outputs), settings: ports(manifest.settings), place })}\n`,
      );
      continue;
    }
    const port = ({ name, type, required }: PortSpec): string => `${name}${required ? "" : "?"}: ${spellPortType(type)}`;
    const spelled = (spec: SettingSpec): string => `${port(spec)}${spec.default ? ` = ${JSON.stringify(valueToJson(spec.default))}` : ""}`;
    write(1, withoutControls(`${id} ${version}  ${kind}  ${title}${publisher ? `  (says it is by ${publisher})` : ""}\n  ${description}\n`));
    write(1, `  in  ${[...manifest.inputs.values()].map(port).join(", ") || "nothing"}\n  out ${[...manifest.outputs.values()].map(port).join(", ")}\n`);
    if (manifest.settings.size) write(1, withoutControls(`  set ${[...manifest.settings.values()].map(spelled).join(", ")}\n`));
    write(
      1,
      withoutControls(
        `  asks to ${capabilities.map(describeCapability).join("; to ") || "compute, and nothing else"}; at most ${limits.memoryMiB} MiB, ${limits.timeMs} ms a call\n`,
      ),
    );
    for (const [other, { range, optional }] of dependencies)
      if (!catalogue.get(other)) write(1, `  needs ${other} ${range}, which is not installed${optional ? " (it can do without)" : ""}\n`);
    write(1, "\n");
  }
  for (const fault of catalogue.faults) write(2, `${withoutControls(fault.message)}\n`);
  if (!values["json"]) write(2, `Isolation: a process for each component, closed in by ${platform.confinement}.\n`);
  return catalogue.faults.length ? 2 : 0;
}
