// `symphony ext check`: everything that is wrong with an extension, and what it asks for, before anybody installs it.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import satisfies from "semver/functions/satisfies.js";
import { checkComponent, createPreparer, describeCapability, looksOf, type Manifest, SymphonyError } from "../../runtime/mod.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import type { Parsed } from "../args.ts";
import { painter, withoutControls, write } from "../print.ts";
import type { Backstage } from "../stage.ts";
import { readFolder } from "./folder.ts";

interface Finding {
  grave: boolean;
  says: string;
}

/** By the capability: the interfaces that need it, ours and WASI's. */
const USED_BY: Readonly<Record<string, RegExp>> = {
  file: /^(symphony:host\/files|wasi:filesystem\/)/,
  network: /^(symphony:host\/http|wasi:http\/outgoing-handler)/,
  system: /^symphony:host\/process/,
  model: /^symphony:host\/model/,
  artifact: /^symphony:host\/artifacts/,
  secret: /^(symphony:host\/(secrets|http))/,
  keyvalue: /^(symphony:host\/key-value|wasi:keyvalue\/)/,
};

export async function checkFolder(folder: string, values: Parsed["values"], { home, platform, catalogue }: Backstage): Promise<number> {
  const findings: Finding[] = [];
  const fault = (says: string): void => void findings.push({ grave: true, says });
  const advice = (says: string): void => void findings.push({ grave: false, says });
  const { manifest } = await readFolder(folder);
  // one that looks like it and comes later is told there as a fault of the other
  for (const { message } of catalogue.faults) if (message.includes(`looks like ${JSON.stringify(manifest.id)}`)) fault(message);
  checkSurroundings(folder, manifest, catalogue, { fault, advice });
  const file = join(folder, manifest.component);
  if (manifest.abstract) advice("it is a family, which nothing runs");
  else if (manifest.kind === "addon") advice("it is an addon, which nothing runs yet");
  else if (!existsSync(file)) fault(`its component ${manifest.component} is missing; build it, for example with \`symphony ext build ${folder}\``);
  else {
    try {
      const prepared = await createPreparer({ platform, cache: createFileStorage(join(home, "cache/components")) }).prepare(new Uint8Array(readFileSync(file)), {
        memoryMiB: manifest.limits.memoryMiB,
      });
      checkComponent(prepared, manifest);
      // a command's imports say nothing of what it will use
      if (prepared.kind === "operator" || prepared.kind === "instrument")
        for (const type of new Set(manifest.capabilities.map((one) => one.type))) {
          const used = USED_BY[type];
          if (used && !prepared.imports.some((name) => used.test(name)))
            advice(`it asks for ${type} and its component imports nothing that uses it; ask for no more than is needed`);
        }
    } catch (cause) {
      if (!(cause instanceof SymphonyError)) throw cause;
      fault(cause.message);
    }
  }
  await platform[Symbol.asyncDispose]();
  const grave = findings.filter((one) => one.grave).length;
  if (values["json"])
    write(
      1,
      `${JSON.stringify({ id: manifest.id, version: manifest.version, faults: findings.filter((one) => one.grave).map(({ says }) => says), advice: findings.filter((one) => !one.grave).map(({ says }) => says) })}\n`,
    );
  else {
    const paint = painter();
    write(1, withoutControls(`${manifest.id} ${manifest.version}  ${manifest.kind}  ${manifest.title}\n`));
    for (const capability of manifest.capabilities)
      write(1, withoutControls(`  asks to ${describeCapability(capability)}\n    why: ${capability.reason}\n    as: ${capability.rights.map(({ text }) => text).join(", ")}\n`));
    if (manifest.capabilities.length === 0) write(1, "  asks for nothing: it computes, and that is all\n");
    for (const { grave: isGrave, says } of findings) write(1, `${paint(isGrave ? "red" : "yellow", isGrave ? "fault" : "advice")}: ${withoutControls(says)}\n`);
    write(1, grave > 0 ? `${grave} fault${grave > 1 ? "s" : ""}.\n` : "It can be installed.\n");
  }
  return grave > 0 ? 2 : 0;
}

function checkSurroundings(
  folder: string,
  manifest: Manifest,
  catalogue: Backstage["catalogue"],
  { fault, advice }: { fault: (says: string) => void; advice: (says: string) => void },
): void {
  const taken = catalogue.all().find(({ manifest: other, place }) => other.id === manifest.id && resolve(place) !== folder);
  if (taken) fault(`its id ${JSON.stringify(manifest.id)} is taken by ${taken.place}`);
  for (const { manifest: other, place } of catalogue.all())
    if (other.id !== manifest.id && looksOf(other.id) === looksOf(manifest.id))
      fault(`its id ${JSON.stringify(manifest.id)} looks like ${JSON.stringify(other.id)} (${place}); people would take one for the other`);
  for (const [id, { range, optional }] of manifest.dependencies) {
    const found = catalogue.get(id);
    const tell = optional ? advice : fault;
    if (!found) tell(`it needs ${id} ${range}, which is not installed`);
    else if (!satisfies(found.version, range)) tell(`it needs ${id} ${range}, and ${found.version} is installed`);
  }
  const { marketplace, description } = manifest.file;
  for (const { file } of marketplace.screenshots) if (!existsSync(join(folder, file))) fault(`marketplace.screenshots: ${file} is missing`);
  if (marketplace.icon && !existsSync(join(folder, marketplace.icon))) fault(`marketplace.icon: ${marketplace.icon} is missing`);
  if (description === "") advice("it has no description; say in a sentence what it does");
  if (manifest.publisher === undefined && manifest.capabilities.length > 0) advice("it has no publisher; people who are asked to grant something want to know whose it is");
  if (!existsSync(join(folder, "README.md"))) advice("it has no README.md");
  for (const specs of [manifest.inputs, manifest.outputs, manifest.settings])
    for (const { name, description: says } of specs.values()) if (says === "") advice(`${name} has no description`);
}
