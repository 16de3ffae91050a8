// Who gets what is sent to a subject: a tree of names over all patterns, with what it found kept by subject. Pure; knows nothing of
// messages.
import { checkPattern, checkSubject, isLiteral } from "./subject.ts";

/** All who get what is sent to one subject. */
export interface Route<T> {
  /** Each gets it; in the order in which they joined. */
  readonly all: readonly T[];
  /** Of each group one gets it, in turn. */
  readonly groups: readonly Turn<T>[];
}

/** The members of a group that one subject reaches. `next` counts on. */
export interface Turn<T> {
  readonly name: string;
  readonly members: readonly T[];
  next: number;
}

interface Place<T> {
  pattern: string;
  group: string | undefined;
  target: T;
  /** Joined before those of a higher number. */
  n: number;
}

interface Branch<T> {
  readonly names: Map<string, Branch<T>>;
  any: Branch<T> | undefined;
  /** Whose pattern ends here, and whose ends in `>` here. */
  here: Place<T>[];
  rest: Place<T>[];
}

/** Subjects whose routes are kept. */
const KEPT_MAX = 8192;

export interface Routes<T> {
  /** Joins, until the returned function is called. Throws `bus/invalid`. */
  add(pattern: string, group: string | undefined, target: T): () => void;
  /** Throws `bus/invalid`. */
  find(subject: string): Route<T>;
  /** Patterns and groups in use, each once, with how many share it. */
  patterns(): Iterable<{ pattern: string; group: string | undefined; target: T }>;
  readonly size: number;
}

export function createRoutes<T>(): Routes<T> {
  const root = branch<T>();
  const places = new Set<Place<T>>();
  const kept = new Map<string, Route<T>>();
  let joined = 0;
  /** Where the next turn begins: who joined first isn't always first after others have come or gone. */
  let begin = 0;

  /** What was found may be wrong now. */
  function forget(pattern: string): void {
    if (isLiteral(pattern)) kept.delete(pattern);
    else kept.clear();
  }

  function search(subject: string): Route<T> {
    const found: Place<T>[] = [];
    // branches that the names so far lead to; a pattern leads to one of them only
    let reached: Branch<T>[] = [root];
    for (const name of subject.split(".")) {
      const next: Branch<T>[] = [];
      for (const at of reached) {
        found.push(...at.rest);
        const named = at.names.get(name);
        if (named) next.push(named);
        if (at.any) next.push(at.any);
      }
      reached = next;
      if (reached.length === 0) break;
    }
    for (const at of reached) found.push(...at.here);
    found.sort((a, b) => a.n - b.n);
    const groups = new Map<string, T[]>();
    for (const { group, target } of found) {
      if (group === undefined) continue;
      const members = groups.get(group);
      if (members) members.push(target);
      else groups.set(group, [target]);
    }
    return { all: found.flatMap(({ group, target }) => (group === undefined ? [target] : [])), groups: [...groups].map(([name, members]) => ({ name, members, next: begin++ })) };
  }

  return {
    add(text, group, target) {
      const pattern = checkPattern(text);
      const names = pattern.split(".");
      const isRest = names.at(-1) === ">";
      if (isRest) names.pop();
      const way: Branch<T>[] = [root];
      let at = root;
      for (const name of names) {
        if (name === "*") at = at.any ??= branch();
        else {
          let next = at.names.get(name);
          if (!next) {
            next = branch();
            at.names.set(name, next);
          }
          at = next;
        }
        way.push(at);
      }
      const place: Place<T> = { pattern, group, target, n: joined++ };
      (isRest ? at.rest : at.here).push(place);
      places.add(place);
      forget(pattern);
      return () => {
        if (!places.delete(place)) return;
        const list = isRest ? at.rest : at.here;
        list.splice(list.indexOf(place), 1);
        // branches that lead nowhere any more go
        for (let i = way.length - 1; i > 0; i--) {
          const one = way[i] as Branch<T>;
          if (one.here.length + one.rest.length + one.names.size > 0 || one.any) break;
          const above = way[i - 1] as Branch<T>;
          const name = names[i - 1] as string;
          if (name === "*") above.any = undefined;
          else above.names.delete(name);
        }
        forget(pattern);
      };
    },
    find(subject) {
      const known = kept.get(subject);
      if (known) return known;
      const route = search(checkSubject(subject));
      if (kept.size >= KEPT_MAX) kept.clear();
      kept.set(subject, route);
      return route;
    },
    patterns: () => places,
    get size() {
      return places.size;
    },
  };
}

function branch<T>(): Branch<T> {
  return { names: new Map(), any: undefined, here: [], rest: [] };
}
