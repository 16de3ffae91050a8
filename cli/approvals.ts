// Approvals given in advance, by the paths of approve nodes.
import type { Plan } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { usage } from "./args.ts";

/** `all`, or nodes by their path; in a map with the item's number, or without for all items. */
export function approvals(plan: Plan, given: readonly string[]): (path: string) => boolean {
  const known = [...approveNodes(plan, "")];
  const withoutItems = (path: string): string => path.replace(/\/\d+(?=\/)/g, "");
  for (const name of given)
    if (name !== "all" && !known.includes(withoutItems(name)))
      throw usage(
        `Cannot approve ${JSON.stringify(name)} in advance: the melody has no such node that waits for approval${near(name, known)}; ${known.length ? `it has ${known.join(", ")}` : "it has none"}`,
        "run",
      );
  return (path) => given.includes("all") || given.includes(path) || given.includes(withoutItems(path));
}

function* approveNodes(body: Plan, prefix: string): Generator<string> {
  for (const { id, work } of body.nodes) {
    if (work.does === "approve") yield prefix + id;
    else if (work.does === "map" || work.does === "melody") yield* approveNodes(work.body, `${prefix}${id}/`);
  }
}
