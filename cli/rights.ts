// The rights of a run before it begins: what its extensions ask for that nobody has decided, and what a person says to that. Leaves out
// what holds while it runs (runtime/extension/permission).
import process, { stderr, stdin } from "node:process";
import { createInterface } from "node:readline";
import {
  type Capability,
  askedRights,
  askedTexts,
  covers,
  decisionsFor,
  describeRight,
  factsOf,
  type Grant,
  type Grants,
  type Manifest,
  openQuestions,
  parseRight,
  type Plan,
  type PlanNode,
  type Right,
  type RunFacts,
  type RunGrant,
  type RunOrigin,
  spellPathObject,
} from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { usage } from "./args.ts";
import { readGrants } from "./home/grants.ts";
import { openHome } from "./home/open.ts";
import { homeSettings } from "./home/settings.ts";
import { painter, withoutControls, write } from "./print.ts";
import { type Backstage, userHome } from "./stage.ts";

/** One thing that an extension asks for in a run, for one reason, and that nobody has decided about. */
export interface RightQuestion {
  manifest: Manifest;
  capability: Capability;
  rights: Right[];
  /** Paths of the nodes that would use it. */
  nodes: string[];
}

type Call = Extract<PlanNode["work"], { does: "call" }>;

function* callsOf({ nodes }: Plan, prefix = ""): Generator<{ path: string; work: Call }> {
  for (const { id, work } of nodes) {
    if (work.does === "call") yield { path: prefix + id, work };
    else if (work.does === "map" || work.does === "melody") yield* callsOf(work.body, `${prefix}${id}/`);
  }
}

const runFacts = ({ manifest, settings }: Call, grants: Grants): RunFacts => factsOf(manifest, settings, grants, userHome());

/** What a run lets each step read that asks for it. */
function ownGrants({ folders, project }: Grants): RunGrant[] {
  const paths = [...new Set([...[...folders.values()].map(({ path }) => path), ...(project === undefined ? [] : [project])])];
  return paths.map((path) => ({ extension: "*", right: `file:read:${spellPathObject(path, true)}`, decision: "allow", by: "the run" }));
}

/** Questions in the order of the melody; each once. */
export function questionsOf(plan: Plan, grants: Grants, given: readonly RunGrant[], { home }: Pick<Backstage, "home">): RightQuestion[] {
  const { policies } = homeSettings(home);
  const kept: readonly Grant[] = readGrants(home);
  const runGrants = [...ownGrants(grants), ...given];
  const found = new Map<string, RightQuestion>();
  for (const { path, work } of callsOf(plan)) {
    const { manifest, rights } = work;
    if (manifest.capabilities.length === 0) continue;
    const decisions = decisionsFor(manifest, { policies, grants: kept, runGrants });
    for (const { capability, right } of openQuestions(askedRights(manifest, runFacts(work, grants)), rights, decisions)) {
      const key = `${manifest.id} ${manifest.capabilities.indexOf(capability)}`;
      const known = found.get(key) ?? { manifest, capability, rights: [], nodes: [] };
      if (!known.rights.some(({ text }) => text === right.text)) known.rights.push(right);
      if (!known.nodes.includes(path)) known.nodes.push(path);
      found.set(key, known);
    }
  }
  return [...found.values()];
}

/** `--allow EXTENSION` or `EXTENSION=RIGHT`. What isn't asked for can't be allowed. */
export function readAllowed(given: readonly string[], plan: Plan, grants: Grants, command: string): RunGrant[] {
  const calls = [...callsOf(plan)];
  const ids = [...new Set(calls.map(({ work }) => work.manifest.id))];
  return given.flatMap((one) => {
    const equals = one.indexOf("=");
    const id = equals < 0 ? one : one.slice(0, equals);
    const own = calls.filter(({ work }) => work.manifest.id === id);
    if (own.length === 0)
      throw usage(`Cannot allow ${JSON.stringify(id)} anything: the melody uses no such extension${near(id, ids) || `; it uses ${ids.join(", ") || "none"}`}`, command);
    const asked = own.flatMap(({ work }) => askedRights(work.manifest, runFacts(work, grants)));
    // no more than its nodes keep
    const kept = own.flatMap(({ work }) => work.rights ?? askedRights(work.manifest, runFacts(work, grants)).map(({ right }) => right));
    const wanted: Right[] = equals < 0 ? kept : [parseRight(one.slice(equals + 1))];
    for (const right of wanted)
      if (!asked.some((other) => covers(other.right, right)))
        throw usage(
          `Cannot allow ${id} ${right.text}: it doesn't ask for that${asked.length ? `; it asks for ${[...new Set(asked.map((other) => other.right.text))].join(", ")}` : ""}`,
          command,
        );
    const texts = [...new Set(wanted.map(({ text }) => text))];
    return texts.map((right): RunGrant => ({ extension: id, right, decision: "allow", by: "a person, by --allow" }));
  });
}

/** A stranger's words must not look like lines of ours. */
const oneLine = (text: string): string => text.replace(/\s+/g, " ");

export interface Decided {
  /** For the run, resumes and retries too. */
  grants: RunGrant[];
  /** For as long as it is under way now. */
  once: RunGrant[];
  always: { manifest: Manifest; rights: readonly Right[]; decision: "allow" | "deny" }[];
}

/** Puts the questions to the person at the terminal, or says what will be refused where nobody is there. */
export async function decideRights(questions: readonly RightQuestion[], attended: boolean): Promise<Decided> {
  const decided: Decided = { grants: [], once: [], always: [] };
  if (questions.length === 0) return decided;
  if (!attended) {
    const lines = questions.map(
      ({ manifest, capability, rights }) =>
        `  ${manifest.id} asks to ${rights.map(describeRight).join(", ")}: ${capability.reason}\n${rights.map(({ text }) => `    --allow '${manifest.id}=${text}'`).join("\n")}`,
    );
    write(2, withoutControls(`Nobody can be asked here, so these are refused when a step tries them:\n${lines.join("\n")}\n`));
    return decided;
  }
  const paint = painter();
  const lines = createInterface({ input: stdin, output: stderr });
  lines.on("SIGINT", () => {
    lines.close();
    process.exit(130);
  });
  // what is typed before it is asked for counts too; the end of input is a no
  const typed: string[] = [];
  let isOver = false;
  let wake = (): void => {};
  lines.on("line", (text) => {
    typed.push(text);
    wake();
  });
  lines.on("close", () => {
    isOver = true;
    wake();
  });
  const next = async (): Promise<string> => {
    while (typed.length === 0 && !isOver)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return typed.shift() ?? "d";
  };
  try {
    for (const [i, { manifest, capability, rights, nodes }] of questions.entries()) {
      const warning =
        capability.type === "system"
          ? "\n    The program runs with all rights that you have, outside of every wall."
          : capability.widens
            ? "\n    This is more than the extension's family asks for."
            : "";
      write(
        2,
        `\n${paint("blue", "?")} ${withoutControls(
          `${i + 1} of ${questions.length}: ${oneLine(manifest.title)} (${manifest.id} ${manifest.version}, ${manifest.publisher ? `says it is by ${manifest.publisher}` : "says nothing of its publisher"}) wants to ${rights.map(describeRight).join(", ")}\n    Why: ${oneLine(capability.reason)}\n    For: ${nodes.slice(0, 5).join(", ")}${nodes.length > 5 ? ` and ${nodes.length - 5} more` : ""}    As: ${rights.map(({ text }) => text).join(" ")}`,
        )}${warning}\n`,
      );
      for (let answer = ""; answer === ""; ) {
        write(2, "  Allow? [o]nce, for this [r]un, [a]lways, [d]eny, [n]ever: ");
        answer = (await next()).trim().toLowerCase();
        const grant = (decision: "allow" | "deny", by: string): RunGrant[] => rights.map(({ text }) => ({ extension: manifest.id, right: text, decision, by }));
        const always = (decision: "allow" | "deny"): void => void decided.always.push({ manifest, rights, decision });
        if (/^o(nce)?$/.test(answer)) decided.once.push(...grant("allow", "a person, once"));
        else if (/^r(un)?$/.test(answer)) decided.grants.push(...grant("allow", "a person, for this run"));
        else if (/^a(lways)?$/.test(answer)) always("allow");
        else if (/^n(ever)?$/.test(answer)) always("deny");
        else if (/^d(eny)?$/.test(answer)) decided.grants.push(...grant("deny", "a person, for this run"));
        else {
          write(2, "  Please answer with o, r, a, d or n.\n");
          answer = "";
        }
      }
    }
  } finally {
    lines.close();
  }
  return decided;
}

/** Whom a lasting grant is for. */
export function grantedTo(manifest: Manifest): { id: string; publisher?: string; asked: string[] } {
  return { id: manifest.id, ...(manifest.publisher === undefined ? {} : { publisher: manifest.publisher }), asked: askedTexts(manifest) };
}

/** What is granted to a run that is gone on with, besides what it has. */
export async function moreRights(
  backstage: Backstage,
  origin: RunOrigin | undefined,
  plan: Plan | undefined,
  allowed: readonly string[],
  attended: boolean,
): Promise<Pick<Decided, "grants" | "once">> {
  if (!origin || !plan) return { grants: [], once: [] };
  const grants: Grants = {
    folders: new Map(Object.entries(origin.folders).map(([name, path]) => [name, { path, folder: backstage.platform.folder(path, backstage.home) }])),
    project: origin.project,
  };
  const given = readAllowed(allowed, plan, grants, "resume");
  // what a person refused for this run stays refused
  const questions = questionsOf(plan, grants, [...(origin.grants ?? []), ...given], backstage);
  const decided = await decideRights(questions, attended);
  await keepDecisions(backstage, decided.always);
  return { grants: [...given, ...decided.grants], once: decided.once };
}

/** Keeps what a person decided for good. */
export async function keepDecisions(backstage: Backstage, always: Decided["always"]): Promise<void> {
  if (always.length === 0) return;
  const home = await openHome(backstage);
  try {
    for (const { manifest, rights, decision } of always) await home.permit({ do: "decide", of: grantedTo(manifest), rights: rights.map(({ text }) => text), decision });
  } finally {
    await home.close();
  }
}
