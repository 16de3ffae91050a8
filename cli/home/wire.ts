// What an owner and its clients say to each other: JSON objects, one in each frame, over a Unix socket that only this user can reach. A
// client's questions have numbers; each is answered once, and one that follows a run is told things until its end.
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { type Durability, isOrigin, type RunResult, readPart, readValues, type RunSnapshot, spellPart, spellValues, type ValueStore } from "../../pit/mod.ts";
import { CODES, type ErrorCode, type RunOrigin, type RunPart, SymphonyError } from "../../runtime/mod.ts";
import { createFrameReader, packFrames } from "../../runtime/transport/frames.ts";
import { SOCKET_PATH_BYTES_MAX } from "../../runtime/transport/socket.ts";
import type { Order } from "./home.ts";
import { ownerFolder } from "./lock.ts";

/** Raised when what is said changes. */
export const PROTOCOL = 3;

const run = z.string().regex(/^[0-9a-f-]{36}$/, "the id of a run");
const text = z.string().max(100_000);

const grant = z.strictObject({ extension: text, right: text, decision: z.enum(["allow", "deny"]), by: text });
const permission = z.discriminatedUnion("do", [
  z.strictObject({
    do: z.literal("decide"),
    of: z.strictObject({ id: text, publisher: text.optional(), asked: z.array(text).max(10_000) }),
    rights: z.array(text).max(10_000),
    decision: z.enum(["allow", "deny"]),
  }),
  z.strictObject({ do: z.literal("revoke"), numbers: z.array(z.number().int()).max(10_000) }),
  z.strictObject({ do: z.literal("revoke-run"), run, extension: text, right: text.optional() }),
]);

const order = z.strictObject({
  id: z.string().max(100),
  run,
  start: z
    .strictObject({
      origin: z.custom<RunOrigin>((value) => typeof value === "object" && value !== null && isOrigin(value as RunOrigin)),
      inputs: z.record(z.string(), z.unknown()),
      part: z.custom<RunPart>((value) => typeof value === "object" && value !== null).optional(),
    })
    .optional(),
  fresh: z.boolean().optional(),
  resume: z.strictObject({ retry: z.boolean(), from: z.array(text) }).optional(),
  again: z.boolean().optional(),
  parallel: z.number().int().min(1).max(1000).optional(),
  timeoutMs: z.number().int().min(1).optional(),
  durability: z.enum(["process", "power"]),
  approved: z.array(text),
  attended: z.boolean(),
  once: z.array(grant).max(10_000).optional(),
  grants: z.array(grant).max(10_000).optional(),
});

const control = z.discriminatedUnion("do", [
  z.strictObject({ do: z.literal("pause"), stop: z.boolean() }),
  z.strictObject({ do: z.literal("continue") }),
  z.strictObject({ do: z.literal("cancel"), reason: text }),
  z.strictObject({ do: z.literal("decide"), node: text, approved: z.boolean(), reason: text }),
]);

const id = z.number().int().min(0);

/** What a client says. */
export const Question = z.discriminatedUnion("ask", [
  z.strictObject({ id, ask: z.literal("begin"), order }),
  z.strictObject({ id, ask: z.literal("control"), run, control }),
  z.strictObject({ id, ask: z.literal("follow"), run, after: z.number().int().optional() }),
  z.strictObject({ id, ask: z.literal("unfollow") }),
  z.strictObject({ id, ask: z.literal("live") }),
  z.strictObject({ id, ask: z.literal("remove"), run }),
  z.strictObject({ id, ask: z.literal("permit"), order: permission }),
]);
export type Question = z.infer<typeof Question>;

interface WireError {
  code: string;
  message: string;
  detail?: string;
}

/** What an owner says. The first frame of a connection is its greeting. */
export type Answer =
  | { symphony: string; protocol: number; pid: number }
  | { id: number; answer: unknown }
  | { id: number; error: WireError }
  | { id: number; snapshot: RunSnapshot }
  | { id: number; event: unknown }
  | { id: number; end: WireResult };

export interface WireResult {
  state: RunResult["state"];
  outputs: Record<string, unknown>;
  error?: WireError;
}

export function spellOrder(given: Order): z.infer<typeof order> {
  const { start, ...rest } = given;
  return { ...rest, ...(start ? { start: { ...start, inputs: spellValues(start.inputs), ...(start.part ? { part: spellPart(start.part) } : {}) } } : {}) } as z.infer<typeof order>;
}

export async function readOrder({ start, ...rest }: z.infer<typeof order>, store: ValueStore): Promise<Order> {
  return {
    ...(rest as Omit<Order, "start"> & { durability: Durability }),
    ...(start ? { start: { origin: start.origin, inputs: await readValues(start.inputs, store), ...(start.part ? { part: await readPart(start.part, store) } : {}) } } : {}),
  };
}

export function spellResult({ state, outputs, error }: RunResult): WireResult {
  return { state, outputs: spellValues(outputs), ...(error ? { error: spellError(error) } : {}) };
}

export async function readResult(id: string, { state, outputs, error }: WireResult, store: ValueStore): Promise<RunResult> {
  return { run: id, state, outputs: await readValues(outputs, store), error: error ? (readError(error) as SymphonyError) : undefined };
}

export function spellError(cause: unknown): WireError {
  if (!(cause instanceof SymphonyError)) return { code: "", message: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) };
  return { code: cause.code, message: cause.message, ...(cause.detail === undefined ? {} : { detail: cause.detail }) };
}

export function readError({ code, message, detail }: WireError): Error {
  // a fault of the owner's own stays one
  return Object.hasOwn(CODES, code) ? new SymphonyError(code as ErrorCode, message, { detail }) : new Error(message);
}

/** Where a home's owner listens. A path that is too long for a socket gives way to one in the folder for temporary files. */
export function socketPath(home: string): string {
  const own = join(ownerFolder(home), "socket");
  if (Buffer.byteLength(own) <= SOCKET_PATH_BYTES_MAX) return own;
  const folder = join(tmpdir(), `symphony-${process.getuid?.() ?? "user"}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if ((process.getuid && uid !== process.getuid()) || (mode & 0o077) !== 0)
    throw new SymphonyError("home/unreachable", `Cannot listen in ${JSON.stringify(folder)}: it isn't this user's alone; use a --home with a shorter path`);
  return join(folder, createHash("sha256").update(own).digest("hex").slice(0, 16));
}

/** Calls `take` with each frame's JSON, however the bytes come. What is no frame or no JSON ends the connection. */
export function readFrames(socket: Socket, take: (json: unknown) => void): void {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = createFrameReader(
    (frame) => {
      if (socket.destroyed) return;
      let json: unknown;
      try {
        json = JSON.parse(decoder.decode(frame));
      } catch {
        socket.destroy();
        return;
      }
      take(json);
    },
    { refuse: (what) => new NoFrame(what) },
  );
  socket.on("data", (chunk: Uint8Array) => {
    try {
      void reader.push(chunk);
    } catch (cause) {
      if (!(cause instanceof NoFrame)) throw cause;
      socket.destroy();
    }
  });
}

class NoFrame extends Error {}

/** False when the other side has not yet taken what was sent before. */
export function say(socket: Socket, what: Question | Answer): boolean {
  return sayText(socket, JSON.stringify(what));
}

/** The same, already spelled. */
export function sayText(socket: Socket, json: string): boolean {
  const bytes = new TextEncoder().encode(json);
  let goesOn = true;
  for (const chunk of packFrames([bytes])) goesOn = socket.write(chunk);
  return goesOn;
}
