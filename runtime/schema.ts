// Faults of a schema check as sentences that a person can act on: path, value, what was expected, near names. Pure.
import type { z } from "zod";
import type { Fault } from "./error.ts";
import { near } from "./near.ts";

/** `nodes[3].uses` for ["nodes", 3, "uses"]. */
export function spellPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${key}]` : /^[A-Za-z0-9_-]+$/.test(String(key)) ? `${i ? "." : ""}${String(key)}` : `[${JSON.stringify(String(key))}]`))
    .join("");
}

/** A value as it stands in the file, cut to 60 characters. */
export function spellValue(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "number" && !Number.isFinite(value) ? "a number beyond 1.8e308" : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function at(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** All issues of a failed check, each as one fault. */
export function faultsOf(error: z.ZodError, raw: unknown, schema?: z.ZodType): Fault[] {
  const faults: Fault[] = [];
  for (const issue of error.issues) faultsOfIssue(issue, [], raw, schema, faults);
  return faults;
}

function faultsOfIssue(issue: z.core.$ZodIssue, base: readonly PropertyKey[], raw: unknown, schema: z.ZodType | undefined, faults: Fault[]): void {
  const path = [...base, ...issue.path];
  const value = at(raw, path);
  const missing = value === undefined;
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = schema ? keysAt(schema, path, raw) : [];
      for (const key of issue.keys)
        faults.push({
          path: spellPath([...path, key]),
          message: `${JSON.stringify(key)} is no key here${near(key, known) || (known.length ? `; known are ${known.join(", ")}` : "")}`,
        });
      return;
    }
    case "invalid_union": {
      if (issue.discriminator !== undefined) {
        const known = "options" in issue ? (issue.options as unknown[]) : [];
        const expected = known.length
          ? `, expected one of ${known.map((option) => JSON.stringify(option)).join(", ")}${typeof value === "string" ? near(value, known.map(String)) : ""}`
          : `, which is no ${issue.discriminator} that is known`;
        faults.push({ path: spellPath(path), message: `${missing ? "nothing stands" : `${spellValue(value)} stands`} here${expected}` });
        return;
      }
      // the branch that got furthest says the most
      const best = issue.errors.filter((branch) => branch.length > 0).sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
      if (best && depth(best) > 0) {
        for (const inner of best) faultsOfIssue(inner, path, raw, schema, faults);
        return;
      }
      const expected = [...new Set(issue.errors.flat().map(expectation))].join(", or ");
      faults.push({ path: spellPath(path), message: `${spellValue(value)} stands here${expected ? `, expected ${expected}` : ", which is none of the forms allowed"}` });
      return;
    }
    case "invalid_key": {
      const key = String(path.at(-1));
      const why = issue.issues[0];
      faults.push({
        path: spellPath(path),
        message: `${JSON.stringify(key.slice(0, 128))} is no name here: ${(why?.code === "custom" && saysOf(why)) || (why ? `expected ${expectation(why)}` : "")}`,
      });
      return;
    }
    case "custom": {
      const says = saysOf(issue);
      if (says) {
        faults.push({ path: spellPath(path), message: `${spellValue(value)} stands here; ${says}` });
        return;
      }
      faults.push({ path: spellPath(path), message: `${spellValue(value)} stands here, expected ${expectation(issue)}` });
      return;
    }
    case "invalid_value":
      faults.push({
        path: spellPath(path),
        message: `${missing ? "nothing stands" : `${spellValue(value)} stands`} here, expected ${expectation(issue)}${typeof value === "string" ? near(value, issue.values.map(String)) : ""}`,
      });
      return;
    default:
      faults.push({
        path: spellPath(path),
        message: missing && issue.code === "invalid_type" ? `it is missing; expected ${expectation(issue)}` : `${spellValue(value)} stands here, expected ${expectation(issue)}`,
      });
  }
}

/** What a check of ours says, as a sentence of its own. */
function saysOf(issue: z.core.$ZodIssue): string | undefined {
  const { says } = (issue.code === "custom" ? issue.params : undefined) ?? {};
  return typeof says === "string" ? says : undefined;
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(...issues.map((issue) => issue.path.length + (issue.code === "unrecognized_keys" ? 0.5 : 0)));
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return withArticle(issue.expected === "record" ? "object" : issue.expected);
    case "invalid_value":
      return issue.values.length === 1 ? JSON.stringify(issue.values[0]) : `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return `at least ${issue.minimum}${issue.origin === "string" ? " characters" : issue.origin === "array" ? " items" : ""}`;
    case "too_big":
      return `at most ${issue.maximum}${issue.origin === "string" ? " characters" : issue.origin === "array" ? " items" : ""}`;
    default:
      return issue.message.replace(/^Invalid input: expected /, "");
  }
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
}

/** The keys that an object schema knows at a path, as far as it can be followed; unions by what stands in the file. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[], raw: unknown): string[] {
  let here: unknown = schema;
  let value = raw;
  for (const key of path) {
    const def = definition(here, value);
    if (def?.["type"] === "object") here = (def["shape"] as Record<PropertyKey, unknown>)[key];
    else if (def?.["type"] === "array") here = def["element"];
    else if (def?.["type"] === "record") here = def["valueType"];
    else return [];
    value = at(value, [key]);
  }
  const def = definition(here, value);
  return def?.["type"] === "object" ? Object.keys(def["shape"] as object) : [];
}

type Definition = Record<string, unknown>;

/** What a schema is once wrappers are taken off and unions are decided by the field that tells their cases apart. */
function definition(type: unknown, value: unknown): Definition | undefined {
  let here = type as { def?: Definition } | undefined;
  for (;;) {
    const def = here?.def;
    if (!def) return undefined;
    if ("innerType" in def) here = def["innerType"] as typeof here;
    else if (def["type"] === "lazy") here = (def["getter"] as () => typeof here)();
    else if (def["type"] === "union") {
      const field = def["discriminator"] as string | undefined;
      const options = def["options"] as (typeof here)[];
      const wanted = field === undefined ? undefined : at(value, [field]);
      const fits = (option: typeof here): boolean => {
        const inner = definition(option, value);
        const literal = (inner?.["shape"] as Record<string, { def?: Definition }> | undefined)?.[field as string]?.def;
        return (literal?.["values"] as unknown[] | undefined)?.includes(wanted) === true;
      };
      here = field === undefined ? options.find((option) => definition(option, value)?.["type"] === "object") : options.find(fits);
    } else return def;
  }
}
