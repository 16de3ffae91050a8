// Which processes a test has under it.
import { readFileSync } from "node:fs";

/** A process and what it started, as ids; none when it is gone. */
export function family(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return [pid, ...(children ? children.split(" ").flatMap((child) => family(Number(child))) : [])];
  } catch {
    return [];
  }
}
