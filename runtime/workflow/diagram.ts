// A melody as a picture: Mermaid text, or SVG with a layered layout; with the states of a run where there is one. Pure. Leaves out the
// canvas on which melodies are edited.
import { compareUtf8 } from "../order.ts";
import type { Graph } from "./graph.ts";
import type { Plan, PlanNode } from "./plan.ts";

/** States of a run by path, and what is to be said beside, such as "3 of 4 items". */
export type DiagramStates = ReadonlyMap<string, { state: string; note?: string }>;

/** Fill and line by state; told apart without colour by the sign. */
const STATES: Readonly<Record<string, { fill: string; line: string; sign: string }>> = {
  pending: { fill: "#FDFEFC", line: "#76828A", sign: "" },
  running: { fill: "#E6F3EF", line: "#0A7256", sign: "▶ " },
  waiting: { fill: "#F8EFE4", line: "#954B00", sign: "? " },
  retrying: { fill: "#F8EFE4", line: "#954B00", sign: "↻ " },
  completed: { fill: "#E9EDE9", line: "#182024", sign: "✓ " },
  failed: { fill: "#FAE9E6", line: "#BA2B15", sign: "✗ " },
  skipped: { fill: "#F6F8F5", line: "#98A5A9", sign: "– " },
  cancelled: { fill: "#F6F8F5", line: "#98A5A9", sign: "⊘ " },
};

const KNOWN = Object.keys(STATES).sort(compareUtf8);

function kindOf({ work }: PlanNode): string {
  return work.does === "call" ? work.manifest.id : work.does;
}

interface Wire {
  from: number;
  to: number;
  label: string;
  isConditional: boolean;
  orders: boolean;
}

function wiresOf({ nodes, graph, fromSlot, toSlot, conditions }: Plan): Wire[] {
  return Array.from(graph.from, (from, edge) => {
    const to = graph.to[edge] as number;
    const orders = (fromSlot[edge] as number) < 0;
    const [out, into] = [nodes[from]?.outputs[fromSlot[edge] as number]?.name, nodes[to]?.inputs[toSlot[edge] as number]?.name];
    return { from, to, orders, isConditional: conditions[edge] !== undefined, label: orders ? "" : out === into ? (out ?? "") : `${out} → ${into}` };
  });
}

// ---- Mermaid ----

/** A flow chart in Mermaid's language; bodies of maps and sub-melodies as graphs inside. */
export function toMermaid(plan: Plan, states?: DiagramStates): string {
  const lines = ["flowchart LR"];
  const classes = new Map<string, string[]>();
  let next = 0;

  const level = (body: Plan, prefix: string, indent: string): string[] => {
    const names = body.nodes.map(() => `n${next++}`);
    for (const [at, node] of body.nodes.entries()) {
      const name = names[at] as string;
      const found = states?.get(prefix + node.id);
      const sign = found ? (STATES[found.state]?.sign ?? "") : "";
      const text = quoted(`${sign}${node.title}${found?.note ? ` (${found.note})` : ""}`);
      const { work } = node;
      if (work.does === "map" || work.does === "melody") {
        lines.push(`${indent}subgraph ${name}["${text}"]`);
        level(work.body, `${prefix}${node.id}/`, `${indent}  `);
        lines.push(`${indent}end`);
      } else {
        const [open, close] = work.does === "branch" ? ["{", "}"] : work.does === "approve" || work.does === "delay" ? ["([", "])"] : ["[", "]"];
        lines.push(`${indent}${name}${open}"${text}<br/><small>${quoted(kindOf(node))}</small>"${close}`);
      }
      if (found) classes.set(found.state, [...(classes.get(found.state) ?? []), name]);
    }
    for (const { from, to, label, isConditional, orders } of wiresOf(body)) {
      const arrow = orders || isConditional ? "-.->" : "-->";
      lines.push(`${indent}${names[from]} ${arrow}${label ? `|"${quoted(label)}"|` : ""} ${names[to]}`);
    }
    for (const [at, { fallback }] of body.nodes.entries()) if (fallback >= 0) lines.push(`${indent}${names[at]} -. "on failure" .-> ${names[fallback]}`);
    return names;
  };

  const names = level(plan, "", "  ");
  for (const [at, { name }] of plan.inputs.entries()) {
    const own = `in${at}`;
    lines.push(`  ${own}(["${quoted(name)}"])`);
    for (const { input, node, isOrder } of plan.entry.map((entry) => ({ ...entry, isOrder: entry.slot < 0 })))
      if (input === at) lines.push(`  ${own} ${isOrder ? "-.->" : "-->"} ${names[node]}`);
  }
  for (const [at, { name }] of plan.outputs.entries()) {
    const own = `out${at}`;
    lines.push(`  ${own}(["${quoted(name)}"])`);
    for (const { node, slot, output } of plan.exit) if (output === at) lines.push(`  ${node < 0 ? `in${slot}` : names[node]} --> ${own}`);
  }
  for (const state of KNOWN) {
    const members = classes.get(state);
    if (!members) continue;
    const { fill, line } = STATES[state] as (typeof STATES)[string];
    lines.push(`  classDef ${state} fill:${fill},stroke:${line},color:#182024`, `  class ${members.join(",")} ${state}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A text that stands for nothing but itself inside Mermaid's quotes: what means something there is written as its number. */
function quoted(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").replace(/["#&<>%`\\{}|;]/g, (character) => `#${character.charCodeAt(0)};`);
}

// ---- SVG ----

const BOX = { width: 184, height: 46, across: 72, down: 22, margin: 24 };
const TITLE_MAX = 24;
/** Passes that put nodes near what they hang on. */
const SWEEPS = 4;

/** A picture with the nodes in layers, from left to right; inputs and outputs of the melody at the ends. */
export function toSvg(plan: Plan, states?: DiagramStates): string {
  const places = layout(plan.graph, plan.order);
  const { x, y, width, height } = places;
  const parts: string[] = [];
  for (const { from, to, label, isConditional, orders } of wiresOf(plan)) {
    const [x1, y1, x2, y2] = [(x[from] as number) + BOX.width, (y[from] as number) + BOX.height / 2, x[to] as number, (y[to] as number) + BOX.height / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    parts.push(
      `<path class="wire${isConditional || orders ? " dashed" : ""}" d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}">${label ? `<title>${escaped(label)}</title>` : ""}</path>`,
    );
  }
  for (const [at, node] of plan.nodes.entries()) {
    const found = states?.get(node.id) ?? (states ? { state: "pending" } : undefined);
    const look = STATES[found?.state ?? "pending"] ?? (STATES["pending"] as (typeof STATES)[string]);
    const says = [node.title === node.id ? "" : node.id, kindOf(node), found?.state, found?.note, node.isFallback ? "runs in another's place" : ""].filter(Boolean).join(", ");
    const second = [kindOf(node), found?.note].filter(Boolean).join(" · ");
    parts.push(
      `<g transform="translate(${x[at]} ${y[at]})"><title>${escaped(`${node.title}: ${says}`)}</title><rect width="${BOX.width}" height="${BOX.height}" rx="3" fill="${look.fill}" stroke="${look.line}"${node.isFallback ? ' stroke-dasharray="4 3"' : ""}/><text x="12" y="20" class="title">${escaped(look.sign + cut(node.title))}</text><text x="12" y="36" class="kind">${escaped(cut(second))}</text></g>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(plan.name || plan.id)}</title>
<style>text{font:13px system-ui,sans-serif;fill:#182024}.title{font-weight:600}.kind{font-size:11px;fill:#5B676C}.wire{fill:none;stroke:#7D898E;stroke-width:1.5}.dashed{stroke-dasharray:5 4}</style>
<rect width="100%" height="100%" fill="#ECEFEC"/>
${parts.join("\n")}
</svg>
`;
}

/** A text as XML has it; what XML can't have stands as U+FFFD. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

function cut(text: string): string {
  const characters = Array.from(text);
  return characters.length > TITLE_MAX ? `${characters.slice(0, TITLE_MAX - 1).join("")}…` : text;
}

export interface Places {
  /** Left and upper corners, in pixels, by node. */
  x: Float64Array;
  y: Float64Array;
  width: number;
  height: number;
}

/**
 * Layers by the longest way from a source, and within them the order of barycentres (Sugiyama, Tagawa and Toda 1981), which leaves
 * few crossings; O(edges log nodes).
 */
export function layout(graph: Graph, order: Uint32Array): Places {
  const { nodes, from, to, inStart, inEdges, outStart, outEdges } = graph;
  const layer = new Uint32Array(nodes);
  const layers: number[][] = [];
  for (const node of order) {
    for (let at = inStart[node] as number; at < (inStart[node + 1] as number); at++)
      layer[node] = Math.max(layer[node] as number, (layer[from[inEdges[at] as number] as number] as number) + 1);
    const row = layer[node] as number;
    layers[row] ??= [];
    (layers[row] as number[]).push(node);
  }
  const rank = new Float64Array(nodes);
  const place = (row: readonly number[]): void => {
    for (const [at, node] of row.entries()) rank[node] = at - row.length / 2;
  };
  for (const row of layers) place(row);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forward = sweep % 2 === 0;
    const [start, edges, end] = forward ? [inStart, inEdges, from] : [outStart, outEdges, to];
    for (const row of forward ? layers : [...layers].reverse()) {
      const centre = new Map<number, number>();
      for (const node of row) {
        const [first, last] = [start[node] as number, start[node + 1] as number];
        let sum = 0;
        for (let at = first; at < last; at++) sum += rank[end[edges[at] as number] as number] as number;
        centre.set(node, last > first ? sum / (last - first) : (rank[node] as number));
      }
      row.sort((a, b) => (centre.get(a) as number) - (centre.get(b) as number) || a - b);
      place(row);
    }
  }
  const tallest = layers.reduce((most, row) => Math.max(most, row.length), 0);
  const [x, y] = [new Float64Array(nodes), new Float64Array(nodes)];
  for (const [column, row] of layers.entries())
    for (const [at, node] of row.entries()) {
      x[node] = BOX.margin + column * (BOX.width + BOX.across);
      y[node] = BOX.margin + (at + (tallest - row.length) / 2) * (BOX.height + BOX.down);
    }
  return {
    x,
    y,
    width: Math.max(1, layers.length) * (BOX.width + BOX.across) - BOX.across + 2 * BOX.margin,
    height: Math.max(1, tallest) * (BOX.height + BOX.down) - BOX.down + 2 * BOX.margin,
  };
}
