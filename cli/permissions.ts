// `symphony permissions`: what extensions may do, why, and taking it back.
import { existsSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import {
  askedRights,
  covers,
  decisionsFor,
  describeRight,
  factsOf,
  type Grant,
  grantHolds,
  isLocalName,
  type Manifest,
  namesHost,
  parseRight,
  type Right,
  spellPathObject,
  SymphonyError,
} from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { readArgs, text, usage } from "./args.ts";
import { help } from "./help.ts";
import { readGrants } from "./home/grants.ts";
import type { PermissionOrder } from "./home/home.ts";
import { openHome } from "./home/open.ts";
import { findRunFolder } from "./home/run-store.ts";
import { planOfRun, readRun } from "./home/kept-run.ts";
import { homeSettings } from "./home/settings.ts";
import { painter, withoutControls, write } from "./print.ts";
import { grantedTo } from "./rights.ts";
import { type Backstage, openBackstage, userHome } from "./stage.ts";
import { tellWait } from "./watch.ts";

const COMMANDS = ["list", "explain", "allow", "deny", "revoke"] as const;

export async function permissions(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("permissions", args, { json: { type: "boolean" }, run: { type: "string" }, all: { type: "boolean" } });
  const [command, ...rest] = positionals;
  if (values["help"] || command === undefined) return help(["permissions"]);
  if (!(COMMANDS as readonly string[]).includes(command))
    throw usage(`Cannot understand ${JSON.stringify(command)}: expected ${COMMANDS.join(", ")}${near(command, COMMANDS)}`, "permissions");
  const backstage = await openBackstage(values);
  const json = values["json"] === true;
  switch (command) {
    case "list":
      return list(backstage, rest, json);
    case "explain":
      return explain(backstage, rest, text(values["run"]), json);
    case "allow":
    case "deny":
      return decide(backstage, command, rest);
    default:
      return revoke(backstage, rest, text(values["run"]), values["all"] === true);
  }
}

function manifestOf({ catalogue }: Backstage, id: string): Manifest {
  const manifest = catalogue.get(id);
  if (!manifest)
    throw new SymphonyError("extension/unknown", `Cannot find the extension ${JSON.stringify(id)}${near(id, catalogue.ids())}; \`symphony ext list\` shows what is installed`);
  return manifest;
}

function list({ home, catalogue }: Backstage, only: readonly string[], json: boolean): number {
  const grants = readGrants(home).filter(({ extension }) => only.length === 0 || only.includes(extension));
  const { policies } = homeSettings(home);
  const stateOf = (grant: Grant): string => {
    const manifest = catalogue.get(grant.extension);
    if (!manifest) return "its extension is not installed";
    return grantHolds(grant, manifest)
      ? ""
      : manifest.publisher === grant.publisher
        ? "doesn't hold: the manifest asks for more than it did then"
        : "doesn't hold: another publisher's extension has that id now";
  };
  if (json) {
    for (const grant of grants) write(1, `${JSON.stringify({ ...grant, holds: stateOf(grant) === "" })}\n`);
    return 0;
  }
  const paint = painter();
  for (const grant of grants) {
    const state = stateOf(grant);
    write(
      1,
      `${String(grant.n).padStart(3)}  ${withoutControls(grant.extension)}  ${grant.decision === "allow" ? "may" : paint("red", "may not")} ${withoutControls(`${describeRight(parseRight(grant.right))}\n     ${grant.right}  since ${grant.at.slice(0, 10)}`)}${state ? `  ${paint("yellow", state)}` : ""}\n`,
    );
  }
  for (const { extension, allow, deny, prompt, place } of policies)
    for (const [word, rights] of [
      ["may", allow],
      ["may not", deny],
      ["must be asked to", prompt],
    ] as const)
      for (const right of rights)
        write(
          1,
          `     ${withoutControls(`${extension === "*" ? "every extension" : extension} ${word} ${describeRight(right)}\n     ${right.text}  by ${place}`)}${extension !== "*" && !catalogue.get(extension) ? `  ${paint("yellow", `no extension ${extension} is installed${near(extension, catalogue.ids())}`)}` : ""}\n`,
        );
  if (grants.length + policies.length === 0) write(1, "Nothing is granted for good. What runs grant by themselves: `symphony help permissions`.\n");
  return 0;
}

/** A right, or for a path the right to read it. */
function rightOf(given: string): Right {
  if (/^(file|network|system|model|bus|artifact|secret|keyvalue):/.test(given)) return parseRight(given);
  if (/^https?:\/\//.test(given) && URL.canParse(given)) return parseRight(`network:GET:${new URL(given).origin}`);
  if (given === "") throw usage("Cannot use an empty right: expected a right, a path or a URL", "permissions");
  const path = resolve(given);
  return parseRight(`file:read:${spellPathObject(existsSync(path) ? realpathSync(path) : path, false)}`);
}

async function explain(backstage: Backstage, [id, what, ...more]: readonly string[], run: string | undefined, json: boolean): Promise<number> {
  if (id === undefined || what === undefined || more.length > 0) throw usage("Cannot explain: expected an extension, and a right, a path or a URL", "permissions");
  const { home } = backstage;
  const manifest = manifestOf(backstage, id);
  const right = rightOf(what);
  const folder = run === undefined ? undefined : findRunFolder(home, run);
  const past = folder && (await readRun(backstage, folder)).past;
  const origin = past?.started?.origin;
  const plan = past && (await planOfRun(backstage, past));
  const calls = (plan?.nodes ?? []).flatMap(({ work }) => (work.does === "call" && work.manifest.id === id ? [work] : []));
  const given = {
    folders: new Map(Object.entries(origin?.folders ?? {}).map(([name, path]) => [name, { path, folder: backstage.platform.folder(path, home) }])),
    project: origin?.project,
  };
  const asked = (calls.length > 0 ? calls.map(({ settings }) => settings) : [[]]).flatMap((settings) => askedRights(manifest, factsOf(manifest, settings, given, userHome())));
  const asks = asked.find((one) => covers(one.right, right));
  const own = origin
    ? [...Object.values(origin.folders), ...(origin.project ? [origin.project] : [])].map((path) => ({
        extension: "*",
        right: `file:read:${spellPathObject(path, true)}`,
        decision: "allow" as const,
        by: "the run: a folder that it was given, or its project",
      }))
    : [];
  const decisions = decisionsFor(manifest, { policies: homeSettings(home).policies, grants: readGrants(home), runGrants: [...own, ...(origin?.grants ?? [])] });
  const no = decisions.denied.find((one) => covers(one.right, right));
  const held = decisions.held.some((one) => covers(one, right));
  const yes = decisions.allowed.find((one) => covers(one.right, right) && !(held && one.policy));
  const stale = readGrants(home).filter((grant) => grant.extension === id && !grantHolds(grant, manifest) && covers(parseRight(grant.right), right));
  // a wildcard never means a private address
  const isPrivate =
    right.type === "network" &&
    yes !== undefined &&
    isLocalName(String(right.names.slice(3).toReversed().join("."))) &&
    !decisions.allowed.some((one) => covers(one.right, right) && namesHost(one.right));
  const may = asks !== undefined && no === undefined && yes !== undefined && !isPrivate;
  if (json) {
    write(
      1,
      `${JSON.stringify({ extension: id, right: right.text, may, asked: asks?.right.text ?? null, reason: asks?.capability.reason ?? null, by: (no ?? yes)?.by ?? null, ...(run === undefined ? {} : { run: folder?.id }) })}\n`,
    );
    return 0;
  }
  const where = run === undefined ? "" : ` in the run ${folder?.id.slice(0, 8)}`;
  const said: string[] = [`${id} ${may ? "may" : "may not"} ${describeRight(right)}${where}.`];
  const bracketed = manifest.capabilities.some(({ type, rights }) => type === right.type && rights.some((one) => one.text.includes("(")));
  if (!asks) said.push(`  Its manifest doesn't ask for it${bracketed && run === undefined ? ", but for what a run gives it; name the run with --run" : ""}.`);
  else said.push(`  Its manifest asks for ${asks.right.text}: ${asks.capability.reason}`);
  if (no) said.push(`  Refused by ${no.by}: ${no.right.text}`);
  else if (yes && isPrivate) said.push(`  ${yes.right.text} doesn't mean addresses of one's own; \`symphony permissions allow ${id} '${right.text}'\` names this one.`);
  else if (yes) said.push(`  Granted by ${yes.by}: ${yes.right.text}`);
  else if (asks) said.push(`  Nobody granted it${held ? " (a policy says that a person must be asked)" : ""}; \`symphony permissions allow ${id} '${right.text}'\` does.`);
  for (const { n } of stale) said.push(`  Grant ${n} doesn't hold any more: the manifest asks for more now, or has another publisher.`);
  if (plan && right)
    for (const { id: node, work } of plan.nodes)
      if (work.does === "call" && work.manifest.id === id && work.rights && !work.rights.some((one) => covers(one, right))) said.push(`  The melody's node ${node} leaves it out.`);
  write(1, withoutControls(`${said.join("\n")}\n`));
  return 0;
}

async function order(backstage: Backstage, what: PermissionOrder): Promise<{ grants: readonly Grant[]; count: number }> {
  const home = await openHome(backstage);
  try {
    return await home.permit(what);
  } finally {
    await home.close(tellWait());
  }
}

async function decide(backstage: Backstage, command: "allow" | "deny", [id, ...given]: readonly string[]): Promise<number> {
  if (id === undefined) throw usage(`Cannot ${command}: no extension is named`, "permissions");
  const manifest = manifestOf(backstage, id);
  const facts = { folders: [], project: undefined, userHome: userHome(), settings: new Map<string, string>() };
  const asked = askedRights(manifest, facts);
  const rights = given.length > 0 ? given.map(rightOf) : asked.map(({ right }) => right).filter(({ text: one }) => !one.includes("("));
  const texts = manifest.capabilities.flatMap((capability) => capability.rights.map((one) => one.text));
  for (const right of rights)
    if (
      command === "allow" &&
      !asked.some((one) => one.right.type === right.type && (covers(one.right, right) || one.right.text.includes("("))) &&
      !texts.some((one) => one.startsWith(`${right.type}:`) && one.includes("("))
    )
      throw usage(`Cannot allow ${id} ${right.text}: it doesn't ask for that${texts.length ? `; it asks for ${texts.join(", ")}` : "; it asks for nothing"}`, "permissions");
  if (rights.length === 0) throw usage(`Cannot ${command} ${id} anything: it asks for nothing that is known before a run; name the right`, "permissions");
  const { grants } = await order(backstage, { do: "decide", of: grantedTo(manifest), rights: rights.map((right) => right.text), decision: command });
  for (const grant of grants)
    write(1, withoutControls(`${String(grant.n).padStart(3)}  ${id} ${command === "allow" ? "may" : "may not"} ${describeRight(parseRight(grant.right))}\n`));
  write(1, `\`symphony permissions revoke ${grants.map(({ n }) => n).join(" ")}\` takes that back.\n`);
  return 0;
}

async function revoke(backstage: Backstage, given: readonly string[], run: string | undefined, all: boolean): Promise<number> {
  if (run !== undefined) {
    const [id, right, ...more] = given;
    if (id === undefined || more.length > 0) throw usage("Cannot revoke in a run: expected an extension, and the right if it isn't all of them", "permissions");
    const folder = findRunFolder(backstage.home, run);
    const { count } = await order(backstage, { do: "revoke-run", run: folder.id, extension: id, ...(right === undefined ? {} : { right: rightOf(right).text }) });
    write(1, count > 0 ? `Taken back from ${id} in the run ${folder.id.slice(0, 8)}.\n` : `The run ${folder.id.slice(0, 8)} grants ${id} nothing of that.\n`);
    return 0;
  }
  const kept = readGrants(backstage.home);
  const numbers = all ? kept.map(({ n }) => n) : given.flatMap((one) => numbersOf(one, kept));
  if (numbers.length === 0) {
    if (all) {
      write(1, "Nothing is granted for good.\n");
      return 0;
    }
    throw usage("Cannot revoke: expected numbers of grants, an extension, or --all", "permissions");
  }
  const { grants } = await order(backstage, { do: "revoke", numbers });
  for (const grant of grants)
    write(
      1,
      withoutControls(
        `${String(grant.n).padStart(3)}  taken back: ${grant.extension} ${grant.decision === "allow" ? "may" : "may not"} ${describeRight(parseRight(grant.right))}\n`,
      ),
    );
  return 0;
}

function numbersOf(given: string, kept: readonly Grant[]): number[] {
  if (/^\d+$/.test(given)) return [Number(given)];
  const found = kept.filter(({ extension }) => extension === given).map(({ n }) => n);
  if (found.length === 0)
    throw new SymphonyError(
      "permission/unknown",
      `Cannot revoke ${JSON.stringify(given)}: nothing is granted to an extension of that id${near(
        given,
        kept.map(({ extension }) => extension),
      )}; \`symphony permissions list\` shows what is`,
    );
  return found;
}
