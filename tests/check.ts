// Judges what a run left, knowing nothing of how it was run: reads the journal's lines and the melody's JSON, and says what can't
// be. Shares no code with the tracker.
import type { MelodyJson, Outcome } from "./simulation.ts";

interface Line {
  n: number;
  event: string;
  node?: string;
  state?: string;
  outputs?: unknown;
  items?: number;
  resets?: string[];
}

const UNDER_WAY = new Set(["started", "waiting", "decided", "retrying"]);

/** Everything that is wrong; empty when all is well. */
export function checkOutcome({ melody, journal, artifacts, result, expected, cancelled, breaches }: Outcome): string[] {
  const wrong = [...breaches];
  const text = new TextDecoder().decode(journal);
  const lines = text
    .split("\n")
    .slice(1, -1)
    .map((line) => JSON.parse(line.slice(9)) as Line);
  if (!text.endsWith("\n")) wrong.push("the journal ends within a line");
  for (const [at, { n }] of lines.entries()) if (n !== at) wrong.push(`line ${at} has the number ${n}`);

  let run = "none";
  const states = new Map<string, string>();
  const ends = new Set(["finished", "failed", "skipped", "pinned"]);
  for (const line of lines) {
    const [kind, what] = line.event.split(".") as [string, string];
    if (kind === "run") {
      const allowed: Record<string, string[]> = {
        started: ["none"],
        resumed: ["running", "paused", "failed", "cancelled", "completed"],
        paused: ["running"],
        continued: ["paused"],
        ended: ["running", "paused"],
      };
      if (!allowed[what]?.includes(run)) wrong.push(`${line.event} while the run is ${run} (event ${line.n})`);
      // what is run again on demand has no past
      for (const path of line.resets ?? []) states.delete(path);
      if (what === "ended") for (const [path, state] of states) if (UNDER_WAY.has(state)) wrong.push(`${path} is left ${state} when the run ends`);
      run = what === "ended" ? (line.state as string) : what === "paused" ? "paused" : "running";
      continue;
    }
    const path = line.node as string;
    const state = states.get(path) ?? "pending";
    if (run !== "running" && run !== "paused") wrong.push(`${line.event} of ${path} while the run is ${run}`);
    if (what === "started") {
      if (ends.has(state)) wrong.push(`${path} starts after it ${state}`);
      const early = firstOpenSource(path, melody, states, ends);
      if (early) wrong.push(`${path} starts before ${early} has ended (event ${line.n})`);
      if (run === "paused") wrong.push(`${path} starts while the run is paused`);
    } else if (what === "finished") {
      if (state === "finished") wrong.push(`${path} finishes twice`);
      if (state !== "started" && state !== "waiting" && state !== "decided") wrong.push(`${path} finishes while it is ${state}`);
    } else if (what === "pinned" && state !== "pending") wrong.push(`${path} is pinned while it is ${state}`);
    else if (what === "skipped" && state !== "pending") wrong.push(`${path} is skipped while it is ${state}`);
    else if (what === "failed" && ends.has(state)) wrong.push(`${path} fails after it ${state}`);
    else if (what === "retrying" && state !== "started" && state !== "waiting") wrong.push(`${path} is to be tried again while it is ${state}`);
    if (what !== "progress" && what !== "log") states.set(path, what);
    for (const id of storedIn(line.outputs)) if (!artifacts.has(id)) wrong.push(`the artifact ${id.slice(0, 12)} of ${path} is not there`);
  }

  if (!result) wrong.push("the run has no result");
  else if (run !== result.state) wrong.push(`the journal ends ${run}, the result is ${result.state}`);
  if (result?.state === "completed") {
    // nothing is lost: each node of the melody has come to an end, but those that only stand in for others
    const spare = new Set(melody.nodes.flatMap(({ onFailure }) => (typeof onFailure === "object" ? [(onFailure as { fallback: string }).fallback] : [])));
    for (const { id } of melody.nodes) if (!spare.has(id) && !ends.has(states.get(id) ?? "")) wrong.push(`${id} never came to an end: ${states.get(id) ?? "pending"}`);
  }
  if (result && !cancelled) {
    if (result.state !== expected.state) wrong.push(`the run ${result.state}, in a calm world it ${expected.state}`);
    const outputs = Object.fromEntries([...result.outputs].map(([name, value]) => [name, (value as { val: unknown }).val]));
    if (result.state === "completed" && JSON.stringify(outputs) !== JSON.stringify(expected.outputs))
      wrong.push(`the outputs are ${JSON.stringify(outputs)}, in a calm world ${JSON.stringify(expected.outputs)}`);
  }
  return wrong;
}

/** A node whose edges lead into this one and that has not come to an end. A fallback has none; what it stands for has. */
function firstOpenSource(path: string, melody: MelodyJson, states: ReadonlyMap<string, string>, ends: ReadonlySet<string>): string | undefined {
  const parts = path.split("/");
  let level: MelodyJson | undefined = melody;
  let prefix = "";
  for (let at = 0; at < parts.length - 1 && level; at++) {
    const node: MelodyJson["nodes"][number] | undefined = level.nodes.find(({ id }) => id === parts[at]);
    prefix += `${parts[at]}/`;
    if (states.get(prefix.slice(0, -1)) !== "started") return prefix.slice(0, -1);
    if (node?.control === "map") prefix += `${parts[++at]}/`;
    level = node?.body;
  }
  const id = parts.at(-1) as string;
  for (const { from, to } of level?.edges ?? []) {
    if (to.split(".")[0] !== id) continue;
    const source = from.split(".")[0] as string;
    if (source === "inputs") continue;
    const spared = (level?.nodes.find((node) => node.id === source)?.onFailure as { fallback?: string } | undefined)?.fallback;
    const state = states.get(prefix + source) ?? "";
    if (!ends.has(state)) return prefix + source;
    if (state === "failed" && spared && !ends.has(states.get(prefix + spared) ?? "")) return prefix + spared;
  }
  return undefined;
}

function storedIn(outputs: unknown): string[] {
  const found: string[] = [];
  const look = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    if (value[0] === "s" && typeof value[1] === "string") found.push(value[1]);
    else for (const inner of value) look(inner);
  };
  if (outputs !== undefined) for (const one of Array.isArray(outputs) ? outputs : Object.values(outputs as object)) look(one);
  return found;
}
