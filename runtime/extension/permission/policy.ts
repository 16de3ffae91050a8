// Who decided what: policies of the home's settings, grants that people gave, and what a run grants by itself, brought together for
// one extension. Pure; leaves out where they are kept (permissions.ts) and the check itself (check.ts).
import { z } from "zod";
import type { Fault } from "../../error.ts";
import { IDENTIFIER } from "../../identifier.ts";
import { type Capability, concrete, INPUTS, PROJECT, settingName, USER_HOME } from "../manifest/capability.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Decided } from "./check.ts";
import { covers, parseRight, type Right, spellPathObject } from "./right.ts";

/** A rule of the settings. Deny comes before prompt, prompt before allow; a person's own grant before prompt and allow. */
export interface Policy {
  /** An extension's id, or "*". */
  extension: string;
  publisher: string | undefined;
  allow: readonly Right[];
  deny: readonly Right[];
  prompt: readonly Right[];
  /** Where it stands, for people. */
  place: string;
}

const rights = z.array(z.string().max(4300)).max(1000).default([]);
/** `[[permissions]]` of the settings. */
export const policySchema = z.strictObject({
  extension: z.string().refine((text) => text === "*" || IDENTIFIER.test(text), 'an extension\'s id, or "*"'),
  publisher: z.string().regex(IDENTIFIER, "a publisher's id").optional(),
  allow: rights,
  deny: rights,
  prompt: rights,
});

export function readPolicies(rules: readonly z.infer<typeof policySchema>[], place: string, fault: (fault: Fault) => void): Policy[] {
  return rules.map(({ extension, publisher, ...lists }, i) => {
    const read = (list: "allow" | "deny" | "prompt"): Right[] =>
      lists[list].flatMap((text, k) => {
        try {
          return [parseRight(text)];
        } catch (cause) {
          fault({ path: `permissions[${i}].${list}[${k}]`, message: (cause as Error).message });
          return [];
        }
      });
    return { extension, publisher, allow: read("allow"), deny: read("deny"), prompt: read("prompt"), place: `${place} permissions[${i}]` };
  });
}

/** Holds without settings: what an extension does with its own run's artifacts and its own keys harms nobody. */
export const BUILT_IN: Policy = {
  extension: "*",
  publisher: undefined,
  allow: ["artifact:read:run", "artifact:write:run", "keyvalue:read:own", "keyvalue:write:own"].map(parseRight),
  deny: [],
  prompt: [],
  place: "built-in policy",
};

/** What a person decided for good. Belongs to one extension, of one publisher, that asks for no more than it did then. */
export interface Grant {
  /** A number of its own, for revoking it. */
  n: number;
  extension: string;
  publisher: string | undefined;
  /** All that the manifest asked for when this was decided. */
  asked: readonly string[];
  right: string;
  decision: "allow" | "deny";
  /** ISO 8601. */
  at: string;
}

/** What a run grants: to one extension, or to each that asks. */
export interface RunGrant {
  extension: string;
  right: string;
  decision: "allow" | "deny";
  /** `the run's own folders`, `a person, for this run`, `--allow`. */
  by: string;
}

/** What is known only in a run, and stands for names in brackets in what a manifest asks for. */
export interface RunFacts {
  /** Paths of the folders that were given as inputs. */
  folders: readonly string[];
  project: string | undefined;
  userHome: string | undefined;
  /** Settings that are texts, which may name secrets and models. */
  settings: ReadonlyMap<string, string>;
}

/** What all a manifest asks for comes to, with the capability that asks. */
export interface Asked {
  capability: Capability;
  right: Right;
}

/** What a manifest asks for in a run. */
export function askedRights({ capabilities }: Pick<Manifest, "capabilities">, facts: RunFacts): Asked[] {
  const single = (name: string): string | undefined => {
    if (name === PROJECT) return facts.project === undefined ? undefined : spellPathObject(facts.project, false);
    if (name === USER_HOME) return facts.userHome === undefined ? undefined : spellPathObject(facts.userHome, false);
    for (const [setting, text] of facts.settings) if (name === settingName(setting)) return text;
    return undefined;
  };
  return capabilities.flatMap((capability) =>
    capability.rights.flatMap((right): Asked[] => {
      if (right.names[1] === INPUTS)
        return facts.folders.flatMap((path) => {
          const real = concrete(right, () => spellPathObject(path, false));
          return real ? [{ capability, right: real }] : [];
        });
      const real = concrete(right, single);
      return real ? [{ capability, right: real }] : [];
    }),
  );
}

/** All that a manifest asks for, as it stands in it: what its identity is measured by. */
export function askedTexts({ capabilities }: Pick<Manifest, "capabilities">): string[] {
  return [...new Set(capabilities.flatMap(({ rights }) => rights.map(({ text }) => text)))].sort();
}

/** Whether a grant still belongs to this manifest: the same publisher, and nothing asked for that wasn't then. */
export function grantHolds(grant: Grant, manifest: Pick<Manifest, "id" | "publisher" | "capabilities">): boolean {
  if (grant.extension !== manifest.id || grant.publisher !== manifest.publisher) return false;
  // a grant must not become more than it was when the names of bracketed folders are read
  const then = new Set(grant.asked);
  const wide = grant.asked.flatMap((text) => (text.includes("(") ? [] : [parseRight(text)]));
  return manifest.capabilities.every(({ rights: now }) => now.every((right) => then.has(right.text) || wide.some((one) => covers(one, right))));
}

export interface Decisions {
  allowed: Decided[];
  denied: Decided[];
  /** Asked about, whatever a policy allows; a person's grant comes before it. */
  held: Right[];
}

/** What was decided about an extension. */
export function decisionsFor(
  manifest: Pick<Manifest, "id" | "publisher" | "capabilities">,
  { policies, grants, runGrants }: { policies: readonly Policy[]; grants: readonly Grant[]; runGrants: readonly RunGrant[] },
): Decisions {
  const allowed: Decided[] = [];
  const denied: Decided[] = [];
  for (const { extension, right, decision, by } of runGrants)
    if (extension === manifest.id || extension === "*")
      (decision === "allow" ? allowed : denied).push({ right: parseRight(right), by, ...(extension === manifest.id ? { own: true as const } : {}) });
  for (const grant of grants)
    if (grantHolds(grant, manifest)) (grant.decision === "allow" ? allowed : denied).push({ right: parseRight(grant.right), by: `a person, always (grant ${grant.n})`, own: true });
    // a refusal holds for whoever comes under that name
    else if (grant.decision === "deny" && grant.extension === manifest.id) denied.push({ right: parseRight(grant.right), by: `a person, always (grant ${grant.n})` });
  const held: Right[] = [];
  const fits = ({ extension, publisher }: Policy): boolean => (extension === "*" || extension === manifest.id) && (publisher === undefined || publisher === manifest.publisher);
  const own = policies.filter(fits);
  for (const { prompt, deny, place } of own) {
    held.push(...prompt);
    denied.push(...deny.map((right) => ({ right, by: place })));
  }
  for (const { extension, allow, place } of [...own, BUILT_IN])
    allowed.push(...allow.map((right): Decided => ({ right, by: place, policy: true, ...(extension === manifest.id ? { own: true as const } : {}) })));
  return { allowed, denied, held };
}

/** What is asked for and nobody has decided about; `narrowed`: no more than that. */
export function openQuestions(asked: readonly Asked[], narrowed: readonly Right[] | undefined, { allowed, denied, held }: Decisions): Asked[] {
  const wanted: Asked[] =
    narrowed === undefined
      ? [...asked]
      : narrowed.flatMap((right) => {
          const by = asked.find((one) => covers(one.right, right));
          return by ? [{ capability: by.capability, right }] : [];
        });
  const seen = new Set<string>();
  return wanted.filter(({ right }) => {
    if (seen.has(right.text)) return false;
    seen.add(right.text);
    if (denied.some((one) => covers(one.right, right))) return false;
    const isHeld = held.some((one) => covers(one, right));
    // who granted this extension a part of it has said what it may have
    if (!isHeld && allowed.some((one) => one.own && covers(right, one.right))) return false;
    return !allowed.some((one) => covers(one.right, right) && !(isHeld && one.policy));
  });
}
