// Subjects of the bus and patterns over them, with the meaning that NATS gives them. Pure; leaves out who is subscribed (routes.ts).
//
// A subject is a row of names joined by dots: `run.7.node.a`. In a pattern `*` stands for any one name, `>` at the end for one or
// more that remain. Names are printable ASCII without dots, stars and angle brackets to the right; upper and lower case differ.
import { SymphonyError } from "../error.ts";

/** Characters of a subject or pattern. */
export const SUBJECT_MAX = 256;
/** Names of one. */
export const NAMES_MAX = 32;

const NAME = "[!-)+-\\-/-=?-~]+";
const SUBJECT = new RegExp(`^${NAME}(?:\\.${NAME})*$`);
const PATTERN = new RegExp(`^(?:>|(?:${NAME}|\\*)(?:\\.(?:${NAME}|\\*))*(?:\\.>)?)$`);

function namesOf(text: string): number {
  let names = 1;
  for (let i = text.indexOf("."); i >= 0; i = text.indexOf(".", i + 1)) names++;
  return names;
}

export function isSubject(text: unknown): text is string {
  return typeof text === "string" && text.length <= SUBJECT_MAX && SUBJECT.test(text) && namesOf(text) <= NAMES_MAX;
}

export function isPattern(text: unknown): text is string {
  return typeof text === "string" && text.length <= SUBJECT_MAX && PATTERN.test(text) && namesOf(text) <= NAMES_MAX;
}

/** The text itself. Throws `bus/invalid`, which says what is expected. */
export function checkSubject(text: unknown): string {
  if (isSubject(text)) return text;
  throw new SymphonyError("bus/invalid", `Cannot use the subject ${quote(text)}: expected names joined by dots, such as run.7.node.a, without * and >; at most ${LIMITS}`);
}

/** The text itself. Throws `bus/invalid`, which says what is expected. */
export function checkPattern(text: unknown): string {
  if (isPattern(text)) return text;
  throw new SymphonyError(
    "bus/invalid",
    `Cannot use the pattern ${quote(text)}: expected names joined by dots, * for any one name, and > alone at the end for all that remain, such as run.*.node.>; at most ${LIMITS}`,
  );
}

const LIMITS = `${SUBJECT_MAX} characters and ${NAMES_MAX} names of printable ASCII`;

function quote(text: unknown): string {
  return typeof text === "string" ? JSON.stringify(text.slice(0, 100)) : `a ${typeof text}`;
}

/** Whether it is a subject too. */
export function isLiteral(pattern: string): boolean {
  return !pattern.includes("*") && !pattern.endsWith(">");
}

/** Whether a pattern means all that another one (or a subject) means. Both are sound. */
export function covers(general: string, specific: string): boolean {
  const wide = general.split(".");
  const narrow = specific.split(".");
  for (const [i, name] of wide.entries()) {
    const other = narrow[i];
    if (other === undefined) return false;
    if (name === ">") return true;
    if (other === ">" || (name !== "*" && name !== other)) return false;
  }
  return wide.length === narrow.length;
}

/** Whether there is a subject that both mean. Both are sound. */
export function overlaps(a: string, b: string): boolean {
  const one = a.split(".");
  const other = b.split(".");
  for (let i = 0; i < one.length || i < other.length; i++) {
    const x = one[i];
    const y = other[i];
    if (x === undefined || y === undefined) return false;
    if (x === ">" || y === ">") return true;
    if (x !== "*" && y !== "*" && x !== y) return false;
  }
  return true;
}
