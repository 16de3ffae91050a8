// A snapshot file: what all events of a run up to a number come to, a line for each node. Written whole or not at all. Leaves out when
// one is made (journal-folder.ts).
import { CODES, type ErrorCode, type RunEvent, SymphonyError } from "../../runtime/mod.ts";
import { parseEvent, soundLine, spellEvent } from "./journal.ts";
import { emptyPast, type Past, type PastNode } from "./past.ts";
import { outputsIn, type Written, writtenOutputs } from "./written.ts";

const FORMAT = "symphony snapshot";
const VERSION = 1;
/** Nodes that are written or read in one go. */
const STEP = 1024;

interface Head {
  format: string;
  version: number;
  run: string;
  created: number;
  state: Past["state"];
  next: number;
  last: number;
  started: string;
  ended?: string;
  resets?: string[];
  order?: string;
}

interface NodeLine extends Omit<PastNode, "outputs" | "error" | "after" | "prompt" | "shown" | "decided" | "why"> {
  node: string;
  outputs?: (Written | [])[];
  error?: Pick<SymphonyError, "code" | "message" | "detail" | "step">;
  prompt?: string;
  shown?: unknown;
  why?: PastNode["why"];
  after?: PastNode["after"];
  decided?: PastNode["decided"];
}

/** Gives the lines of a snapshot, in steps between which other work can be done. */
export function* snapshotSteps(run: string, created: number, past: Past, line: (json: string) => void): Generator<void, void> {
  const { state, next, last, started, ended, nodes, resets, order } = past;
  if (!started) throw new SymphonyError("journal/damaged", "Cannot write a snapshot: the run has not begun");
  const head: Head = {
    format: FORMAT,
    version: VERSION,
    run,
    created,
    state,
    next,
    last,
    started: spellEvent(started),
    ...(ended ? { ended: spellEvent(ended) } : {}),
    ...(resets.size > 0 ? { resets: [...resets] } : {}),
    ...(order ? { order } : {}),
  };
  line(JSON.stringify(head));
  let count = 0;
  for (const [node, { outputs, error, ...rest }] of nodes) {
    const told: NodeLine = {
      node,
      ...rest,
      ...(outputs.length > 0 ? { outputs: writtenOutputs(outputs) } : {}),
      ...(error ? { error: { code: error.code, message: error.message, detail: error.detail, step: error.step } } : {}),
    } as NodeLine;
    line(JSON.stringify(told));
    if (++count % STEP === 0) yield;
  }
  line(JSON.stringify({ end: count }));
}

/** Reads one, in steps. Throws `journal/damaged`, for a part of a snapshot is none, and `journal/version`. */
export function* readSnapshot(bytes: Uint8Array): Generator<void, { run: string; created: number; past: Past }> {
  const damaged = (why: string): SymphonyError => new SymphonyError("journal/damaged", `Cannot read the snapshot: ${why}`);
  let head: Head | undefined;
  const past = emptyPast();
  let count = 0;
  for (let at = 0, number = 1; at < bytes.length; number++) {
    const end = bytes.indexOf(0x0a, at);
    const json = end < 0 ? undefined : soundLine(bytes, at, end);
    if (json === undefined) throw damaged(`line ${number} is damaged`);
    at = end + 1;
    if (!head) {
      head = json as unknown as Head;
      if (head.format !== FORMAT) throw damaged("its first line is none of a snapshot");
      if (head.version !== VERSION)
        throw new SymphonyError(
          "journal/version",
          `Cannot read the snapshot: it has version ${JSON.stringify(head.version)}, this Symphony reads ${VERSION}; use the Symphony that wrote it`,
        );
      Object.assign(past, { state: head.state, next: head.next, last: head.last, started: eventIn(head.started, head.run) });
      past.order = head.order;
      for (const path of head.resets ?? []) past.resets.add(path);
      if (head.ended !== undefined) past.ended = eventIn(head.ended, head.run) as Past["ended"];
    } else if ("end" in json) {
      if (json["end"] !== count || at !== bytes.length) throw damaged("its end doesn't fit the rest");
      return { run: head.run, created: head.created, past };
    } else {
      const { node, outputs = [], error, ...rest } = json as unknown as NodeLine;
      if (typeof node !== "string") throw damaged(`line ${number} is about no node`);
      past.nodes.set(node, {
        prompt: undefined,
        shown: undefined,
        decided: undefined,
        why: undefined,
        after: undefined,
        ...rest,
        outputs: outputsIn(outputs) as PastNode["outputs"],
        error: error && Object.hasOwn(CODES, error.code) ? new SymphonyError(error.code as ErrorCode, error.message, { detail: error.detail, step: error.step }) : undefined,
      });
      if (++count % STEP === 0) yield;
    }
  }
  throw damaged("its end is missing");
}

const eventIn = (line: string, run: string): RunEvent => parseEvent(JSON.parse(line), run);
