// The check: what an extension may do is what its manifest asks for, and a person or a policy granted, narrowed by the melody. Pure.
import { covers, overlaps, type Right, type RightType } from "./right.ts";
import { createRightSet, type RightSet } from "./tree.ts";

/** One right with who decided about it. */
export interface Decided {
  right: Right;
  /** For people and the audit log: `person, for this run`, `policy settings.toml`. */
  by: string;
  /** It was decided about this extension by its name. */
  own?: true;
  /** It comes from a policy, which `held` holds back. */
  policy?: true;
}

/** What counts for one extension at one node of a run. */
export interface Authority {
  asked: readonly Right[];
  /** Of the melody's node; undefined where it says nothing. */
  narrowed: readonly Right[] | undefined;
  allowed: readonly Decided[];
  denied: readonly Decided[];
  /** What a person must have granted, whatever a policy allows. */
  held: readonly Right[];
}

export type Verdict = { allowed: true; by: string; right: Right } | { allowed: false; by: string; why: "asked" | "narrowed" | "denied" | "granted" };

export interface Check {
  /** Decides about one thing that is about to be done: a type, and plain names with the scope first. */
  (type: RightType, names: readonly string[]): Verdict;
  /** Decides about all that a right lets one do; undefined where parts of it are decided differently. */
  whole(right: Right): Verdict | undefined;
  /** Whether all that a right lets one do is decided the same way. */
  isUniform(right: Right): boolean;
  /** Whether one of the rights that allow it is such a one. */
  allowsBy(type: RightType, names: readonly string[], isWanted: (right: Right) => boolean): boolean;
}

const NOT_ASKED: Verdict = { allowed: false, by: "the manifest doesn't ask for it", why: "asked" };
const NARROWED: Verdict = { allowed: false, by: "the melody leaves it out", why: "narrowed" };
const NOT_GRANTED: Verdict = { allowed: false, by: "nobody granted it", why: "granted" };

/** Makes a check; what it looks at is fixed, so a change of grants makes another one. */
export function createCheck({ asked, narrowed, allowed, denied, held }: Authority): Check {
  const isAsked = createRightSet(asked);
  const isKept = narrowed ? createRightSet(narrowed) : undefined;
  const isHeld = held.length > 0 ? createRightSet(held) : undefined;
  const people = allowed.filter(({ policy }) => !policy);
  const policies = allowed.filter(({ policy }) => policy);
  const yes = createDecidedSet(people, (by, right) => ({ allowed: true, by, right }));
  const byPolicy = createDecidedSet(policies, (by, right) => ({ allowed: true, by, right }));
  const no = createDecidedSet(denied, (by) => ({ allowed: false, by, why: "denied" }));

  const check = (type: RightType, names: readonly string[]): Verdict => {
    if (isAsked.find(type, names) < 0) return NOT_ASKED;
    if (isKept && isKept.find(type, names) < 0) return NARROWED;
    const person = no(type, names) ?? yes(type, names);
    if (person) return person;
    if (isHeld && isHeld.find(type, names) >= 0) return NOT_GRANTED;
    return byPolicy(type, names) ?? NOT_GRANTED;
  };

  function whole(right: Right): Verdict | undefined {
    const by = (decided: readonly Decided[]): Verdict | undefined => {
      const found = decided.find((one) => covers(one.right, right));
      return found && { allowed: true, by: found.by, right: found.right };
    };
    if (!asked.some((one) => covers(one, right)) || (narrowed && !narrowed.some((one) => covers(one, right)))) return undefined;
    if (denied.some((one) => overlaps(one.right, right))) return undefined;
    return by(people) ?? (held.some((one) => overlaps(one, right)) ? undefined : by(policies));
  }

  const isUniform = (right: Right): boolean => {
    if (whole(right)) return true;
    const touches = (rights: readonly Right[]): boolean => rights.some((one) => overlaps(one, right));
    return !touches(asked) || (narrowed !== undefined && !touches(narrowed)) || !touches(allowed.map((one) => one.right));
  };

  const allowsBy = (type: RightType, names: readonly string[], isWanted: (right: Right) => boolean): boolean =>
    check(type, names).allowed && createRightSet(allowed.map(({ right }) => right).filter(isWanted)).find(type, names) >= 0;

  return Object.assign(check, { whole, isUniform, allowsBy });
}

function createDecidedSet(decided: readonly Decided[], verdict: (by: string, right: Right) => Verdict): (type: RightType, names: readonly string[]) => Verdict | undefined {
  const set: RightSet = createRightSet(decided.map(({ right }) => right));
  const verdicts = decided.map(({ by, right }) => verdict(by, right));
  return (type, names) => {
    const found = set.find(type, names);
    return found < 0 ? undefined : verdicts[found];
  };
}
