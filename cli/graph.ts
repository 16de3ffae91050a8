// `symphony graph`: a melody as a picture, with the states of a run.
import { existsSync, writeFileSync } from "node:fs";
import type { PastNode } from "../pit/mod.ts";
import { type DiagramStates, type Plan, SymphonyError, toMermaid, toSvg } from "../runtime/mod.ts";
import { readArgs, text, usage } from "./args.ts";
import { help } from "./help.ts";
import { planOfRun, readRun } from "./home/kept-run.ts";
import { findRunFolder } from "./home/run-store.ts";
import { soundMelody } from "./melody-file.ts";
import { write } from "./print.ts";
import { type Backstage, openBackstage } from "./stage.ts";

const FORMS = { mermaid: toMermaid, svg: toSvg };

/** As Mermaid comes. */
const MERMAID_EDGES_MAX = 500;

export async function graph(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("graph", args, { format: { type: "string" }, out: { type: "string" } });
  if (values["help"] || positionals.length === 0) return help(["graph"]);
  const [what, ...more] = positionals;
  if (more.length > 0) throw usage("Cannot draw several melodies at once", "graph");
  const out = text(values["out"]);
  if (out && text(values["format"]) === undefined && !/\.(svg|mmd|mermaid|md|txt)$/.test(out))
    throw usage(`Cannot tell how to draw into ${JSON.stringify(out)}: give it a name that ends in .svg or .mmd, or say --format`, "graph");
  const format = text(values["format"]) ?? (out?.endsWith(".svg") ? "svg" : "mermaid");
  if (!Object.hasOwn(FORMS, format)) throw usage(`Cannot use --format ${JSON.stringify(format)}: expected mermaid or svg`, "graph");
  const { plan, states } = await found(what as string, await openBackstage(values));
  if (format === "mermaid" && plan.graph.from.length > MERMAID_EDGES_MAX)
    write(2, `warning: the melody has ${plan.graph.from.length} edges; Mermaid draws more than ${MERMAID_EDGES_MAX} only where its maxEdges allows it; --format svg draws all\n`);
  const drawn = FORMS[format as keyof typeof FORMS](plan, states);
  if (out === undefined) write(1, drawn);
  else
    try {
      writeFileSync(out, drawn);
    } catch (cause) {
      throw new SymphonyError("cli/io", `Cannot write ${JSON.stringify(out)}: ${(cause as Error).message}`, { cause });
    }
  return 0;
}

/** A file if there is one, else a run. */
async function found(what: string, backstage: Backstage): Promise<{ plan: Plan; states?: DiagramStates }> {
  if (existsSync(what) || !/^[0-9a-f-]{4,36}$/.test(what)) return soundMelody(what, backstage.catalogue);
  const folder = findRunFolder(backstage.home, what);
  const { past } = await readRun(backstage, folder);
  const plan = await planOfRun(backstage, past);
  if (!plan) throw new SymphonyError("run/changed", `Cannot draw the run ${folder.id}: its melody, or an extension that it uses, isn't there any more`);
  return { plan, states: new Map([...past.nodes].map(([path, node]) => [path, { state: node.state, ...noteOf(path, node, past.nodes) }])) };
}

function noteOf(path: string, { items, state, attempt, why }: PastNode, nodes: ReadonlyMap<string, PastNode>): { note?: string } {
  if (why?.does === "memory") return { note: "kept" };
  if (why?.does === "pinned") return { note: "pinned" };
  if (items > 0) {
    const prefix = `${path}/`;
    const failed = new Set(
      [...nodes].flatMap(([inner, one]) => (inner.startsWith(prefix) && one.state === "failed" && one.after !== "fallback" ? [inner.slice(prefix.length).split("/")[0]] : [])),
    );
    return { note: `${items} items${failed.size > 0 ? `, ${failed.size} with failures` : ""}` };
  }
  return attempt > 1 && state !== "pending" ? { note: `attempt ${attempt}` } : {};
}
