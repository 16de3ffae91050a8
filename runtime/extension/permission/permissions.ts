// The permissions of a home while it is open: grants and policies as they stand now, a guard for each call, and a line in the audit log
// for each decision. What is granted or revoked counts for calls under way from the next thing that they do; what they have open is
// closed. Leaves out where grants are kept.
import { SymphonyError } from "../../error.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { AuditLog } from "./audit.ts";
import { type Check, createCheck, type Verdict } from "./check.ts";
import { askedRights, decisionsFor, type Grant, type Policy, type RunFacts, type RunGrant } from "./policy.ts";
import { describeRight, overlaps, parseRight, type Right, type RightType } from "./right.ts";

/** The call that a guard is for. */
export interface GuardedCall {
  run: string;
  node: string;
  manifest: Manifest;
  /** SHA-256 of the component's bytes. */
  component: string;
  facts: RunFacts;
  /** Of the melody's node; undefined where it says nothing. */
  narrowed: readonly Right[] | undefined;
}

/** Decides for one call, and writes each decision down. */
export interface Guard {
  /**
   * Throws `step/denied` unless this may be done now. `names` are plain, the scope first; `spell` gives the right for the log. The same
   * thing done again in the same call rests on the same decision, until grants change. Gives the right that allows it. `shown` takes the
   * place of the right in the message, where a guest must not see it.
   */
  demand(type: RightType, names: readonly string[], spell: () => string, shown?: () => string): Right;
  /** As `demand`, for all that a right lets one do; false, and nothing is written, where its parts must be asked about one by one. */
  demandWhole(right: Right): boolean;
  /** Whether one of the rights that allow it is such a one; writes nothing. */
  allowsBy(type: RightType, names: readonly string[], isWanted: (right: Right) => boolean): boolean;
  /** Whether all that a right lets one do is decided the same way; writes nothing. */
  isUniform(right: Right): boolean;
  /** Whether this may be done; writes nothing, so it is only for what is then demanded or not done. */
  allows(type: RightType, names: readonly string[]): boolean;
  /** Writes down that something was refused for another reason than a missing right; each once. */
  refuse(right: string, by: string): void;
  /** Calls `onRevoked` once when this may not be done any more; ends with the returned function. */
  hold(type: RightType, names: readonly string[], onRevoked: () => void): () => void;
  /** The call is over. */
  over(): void;
}

/** Whom a grant is for: an extension as it is now. */
export interface GrantedTo {
  id: string;
  publisher: string | undefined;
  /** All that its manifest asks for, as it stands in it. */
  asked: readonly string[];
}

export interface Permissions {
  guard(call: GuardedCall): Guard;
  /** What a person decided for good. */
  grants(): readonly Grant[];
  /** Keeps a person's decisions; the grants. */
  decide(of: GrantedTo, rights: readonly Right[], decision: "allow" | "deny"): Promise<Grant[]>;
  /** Takes grants back, by their numbers. Throws `permission/unknown` and takes none back where one isn't kept. */
  revoke(numbers: readonly number[]): Promise<Grant[]>;
  /** What a run grants for as long as it is under way. */
  beginRun(run: string, grants: readonly RunGrant[]): void;
  /** Takes from a run what it grants; from all nodes of it at once. The refusals that stand in their place. */
  revokeInRun(run: string, extension: string, right: Right | undefined): readonly RunGrant[];
  endRun(run: string): void;
  /** Policies were read anew. */
  setPolicies(policies: readonly Policy[]): void;
}

export interface PermissionsPorts {
  grants: readonly Grant[];
  /** Keeps all grants, in the place of those before. */
  keep(grants: readonly Grant[]): Promise<void>;
  policies: readonly Policy[];
  audit: AuditLog;
  now: () => number;
}

/** Different things that one call may have decided; a guest that asks for more is flooding the log. */
export const DECISIONS_MAX = 10_000;

interface Hold {
  check: () => Verdict;
  onRevoked: () => void;
}

export function createPermissions({ grants: kept, keep, policies: rules, audit, now }: PermissionsPorts): Permissions {
  let grants: readonly Grant[] = kept;
  let policies = rules;
  let version = 0;
  const runs = new Map<string, readonly RunGrant[]>();
  const holds = new Set<Hold>();
  /** Lines by run. */
  const written = new Map<string, number>();
  /** Checks by node of a run: many calls of one node have equal rights. */
  const checks = new Map<string, { version: number; check: Check }>();

  let turn: Promise<unknown> = Promise.resolve();
  /** One change after the other, each on what the one before left. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = turn.then(change);
    turn = done.catch(() => {});
    return done;
  }

  function changed(): void {
    version++;
    checks.clear();
    for (const hold of [...holds]) {
      if (hold.check().allowed) continue;
      holds.delete(hold);
      hold.onRevoked();
    }
  }

  function checkFor(call: GuardedCall): Check {
    const { run, node, manifest, facts, narrowed } = call;
    const key = `${run} ${node} ${manifest.id}`;
    const known = checks.get(key);
    if (known?.version === version) return known.check;
    const asked = askedRights(manifest, facts).map(({ right }) => right);
    const check = createCheck({ asked, narrowed, ...decisionsFor(manifest, { policies, grants, runGrants: runs.get(run) ?? [] }) });
    if (checks.size > CHECKS_MAX) checks.clear();
    checks.set(key, { version, check });
    return check;
  }

  function guard(call: GuardedCall): Guard {
    const { manifest } = call;
    const decided = new Map<string, Verdict>();
    /** What must be asked about in parts. */
    const split = new Set<string>();
    let at = -1;
    let count = 0;
    const held = new Set<Hold>();

    function decide(key: string, spell: () => string, judge: () => Verdict | undefined): Verdict | undefined {
      if (at !== version) {
        decided.clear();
        split.clear();
        at = version;
      }
      const known = decided.get(key);
      if (known) return known;
      if (split.has(key)) return undefined;
      const note = (entry: { right?: string; allowed: boolean; by: string }): void =>
        audit.write({
          event: "check",
          extension: manifest.id,
          version: manifest.version,
          ...(manifest.publisher === undefined ? {} : { publisher: manifest.publisher }),
          component: call.component,
          run: call.run,
          node: call.node,
          ...entry,
        });
      if (count >= DECISIONS_MAX) {
        if (count++ === DECISIONS_MAX) note({ allowed: false, by: `over ${DECISIONS_MAX} different things in one call` });
        throw new SymphonyError("run/limit", `Cannot decide about anything more in this call: it has asked for over ${DECISIONS_MAX} different things`);
      }
      const verdict = judge();
      if (!verdict) {
        split.add(key);
        return undefined;
      }
      count++;
      const lines = (written.get(call.run) ?? 0) + 1;
      written.set(call.run, lines);
      if (lines > RUN_LINES_MAX) throw new SymphonyError("run/limit", `Cannot decide about anything more in this run: its steps have asked for over ${RUN_LINES_MAX} things`);
      note({ right: cut(spell()), allowed: verdict.allowed, by: verdict.by });
      decided.set(key, verdict);
      return verdict;
    }

    return {
      demand(type, names, spell, shown) {
        const verdict = decide(`${type}\0${names.join("\0")}`, spell, () => checkFor(call)(type, names)) as Verdict;
        if (verdict.allowed) return verdict.right;
        throw new SymphonyError("step/denied", denial(manifest.id, spell(), verdict, shown?.()), { detail: `denied.${verdict.why}` });
      },
      demandWhole: (right) =>
        decide(
          right.text,
          () => right.text,
          () => checkFor(call).whole(right),
        ) !== undefined,
      refuse(right, by) {
        decide(
          `refused\0${right}\0${by}`,
          () => right,
          () => ({ allowed: false, by, why: "denied" }),
        );
      },
      allowsBy: (type, names, isWanted) => checkFor(call).allowsBy(type, names, isWanted),
      isUniform: (right) => checkFor(call).isUniform(right),
      allows: (type, names) => checkFor(call)(type, names).allowed,
      hold(type, names, onRevoked) {
        const hold: Hold = { check: () => checkFor(call)(type, names), onRevoked };
        holds.add(hold);
        held.add(hold);
        return () => {
          holds.delete(hold);
          held.delete(hold);
        };
      },
      over() {
        for (const hold of held) holds.delete(hold);
      },
    };
  }

  return {
    guard,
    grants: () => grants,
    decide: ({ id, publisher, asked }, rights, decision) =>
      inTurn(async () => {
        let n = grants.reduce((most, grant) => Math.max(most, grant.n), 0);
        const at = new Date(now()).toISOString();
        const made: Grant[] = rights.map(({ text }) => ({ n: ++n, extension: id, publisher, asked, right: text, decision, at }));
        // the newer decision stands in the place of an older one about the same
        const isReplaced = (grant: Grant): boolean => made.some((one) => one.extension === grant.extension && one.right === grant.right && one.publisher === grant.publisher);
        for (const { right } of made)
          audit.write({
            event: "grant",
            extension: id,
            ...(publisher === undefined ? {} : { publisher }),
            right,
            allowed: decision === "allow",
            by: "a person, always",
          });
        const next = [...grants.filter((grant) => !isReplaced(grant)), ...made];
        await keep(next);
        grants = next;
        changed();
        return made;
      }),
    revoke: (numbers) =>
      inTurn(async () => {
        const missing = numbers.filter((n) => !grants.some((grant) => grant.n === n));
        if (missing.length > 0)
          throw new SymphonyError("permission/unknown", `Cannot revoke grant ${missing.join(", ")}: no such grant is kept; \`symphony permissions list\` shows those that are`);
        const gone = grants.filter(({ n }) => numbers.includes(n));
        const next = grants.filter(({ n }) => !numbers.includes(n));
        // it counts at once, also where it can't be kept
        const before = grants;
        grants = next;
        changed();
        for (const { extension, right, decision, n } of gone) audit.write({ event: "revoke", extension, right, allowed: decision === "allow", by: "a person", note: `grant ${n}` });
        try {
          await keep(next);
        } catch (cause) {
          grants = [...next, ...before.filter((grant) => gone.includes(grant) && grant.decision === "deny")];
          throw cause;
        }
        return [...gone];
      }),
    beginRun(run, given) {
      runs.set(run, given);
      for (const { extension, right, decision, by } of given) audit.write({ event: "grant", run, extension, right, allowed: decision === "allow", by });
      changed();
    },
    revokeInRun(run, extension, right) {
      const given = runs.get(run) ?? [];
      const isGone = (grant: RunGrant): boolean =>
        grant.decision === "allow" && (grant.extension === extension || grant.extension === "*") && (right === undefined || overlaps(right, parseRight(grant.right)));
      const gone = given.filter(isGone);
      if (gone.length === 0) return [];
      // what all were given is taken from this one alone
      const denied = gone.map((grant): RunGrant => ({ extension, right: right?.text ?? grant.right, decision: "deny", by: "a person took it back from the run" }));
      runs.set(run, [...given.filter((grant) => !isGone(grant) || grant.extension === "*"), ...denied]);
      changed();
      for (const { right: text, extension: of } of denied) audit.write({ event: "revoke", run, extension: of, right: text, allowed: true, by: "a person" });
      return denied;
    },
    endRun(run) {
      runs.delete(run);
      written.delete(run);
      for (const key of checks.keys()) if (key.startsWith(`${run} `)) checks.delete(key);
    },
    setPolicies(next) {
      policies = next;
      changed();
    },
  };
}

const CHECKS_MAX = 10_000;
/** Of a right in the log. */
const LOGGED_MAX = 1000;
/** Lines of one run. */
const RUN_LINES_MAX = 500_000;

function cut(right: string): string {
  return right.length > LOGGED_MAX ? `${right.slice(0, LOGGED_MAX)}...` : right;
}

/** Why something may not be done, and the way out. */
function denial(extension: string, right: string, verdict: Extract<Verdict, { allowed: false }>, shown: string | undefined): string {
  const said = `Cannot let ${extension} ${shown ?? describeSafely(right)}`;
  if (shown !== undefined) {
    const why = {
      asked: "its manifest doesn't ask for it",
      narrowed: "the melody's node leaves it out of its rights",
      denied: "a person or a policy says no",
      granted: "nobody granted it",
    }[verdict.why];
    return `${said}: ${why}; \`symphony audit --denied\` shows what was asked for`;
  }
  switch (verdict.why) {
    case "asked":
      return `${said}: its manifest doesn't ask for ${right}`;
    case "narrowed":
      return `${said}: the melody's node leaves it out of its rights`;
    case "denied":
      return `${said}: ${verdict.by} says no`;
    case "granted":
      return `${said}: nobody granted it; \`symphony permissions allow ${extension} '${right}'\` does`;
  }
}

function describeSafely(text: string): string {
  try {
    return describeRight(parseRight(text));
  } catch {
    return `do ${text}`;
  }
}
