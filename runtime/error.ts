// The one error type that callers tell apart, and the table of its codes. Leaves out how errors are shown.

/**
 * Every code, with what it means. The part before '/' names the module; `exit` is what the command line exits with.
 * A code survives the borders (component, stdio, HTTP, worker) where `instanceof` doesn't.
 */
export const CODES = {
  "gate/malformed": { exit: 4, says: "the bytes are not a component that can be read to the end" },
  "gate/unsupported": { exit: 4, says: "the component uses a feature that the gate doesn't admit" },
  "gate/name": { exit: 4, says: "a name stands outside the narrow alphabet" },
  "gate/world": { exit: 4, says: "imports or exports don't fit Symphony's worlds" },
  "gate/limit": { exit: 4, says: "the component needs more than its limits allow" },
  "prepare/failed": { exit: 4, says: "the component could not be made ready to run" },
  "prepare/timeout": { exit: 4, says: "making the component ready took too long" },
  "isolate/lost": { exit: 1, says: "the isolate's process ended by itself" },
  "isolate/protocol": { exit: 1, says: "the isolate broke the frame protocol" },
  "isolate/closed": { exit: 1, says: "the isolate was closed" },
  "step/trap": { exit: 1, says: "the component trapped" },
  "step/fuel": { exit: 1, says: "the component used up its fuel" },
  "step/timeout": { exit: 1, says: "the call passed its deadline and was killed" },
  "step/memory": { exit: 1, says: "the component reached its memory limit" },
  "step/denied": { exit: 1, says: "the step was refused a capability" },
  "step/error": { exit: 1, says: "the component returned an error" },
  "step/input": { exit: 1, says: "a value doesn't fit the input port or setting" },
  "step/output": { exit: 1, says: "the component returned something that its manifest doesn't declare" },
  "permission/invalid": { exit: 2, says: "a right or a policy can't be understood" },
  "permission/unknown": { exit: 2, says: "no such grant is kept" },
  "audit/unwritable": { exit: 3, says: "a decision can't be written to the audit log, so nothing may be done" },
  "audit/damaged": { exit: 1, says: "a line of the audit log was changed, is missing or was cut" },
  "manifest/invalid": { exit: 2, says: "the manifest has faults" },
  "settings/invalid": { exit: 2, says: "the home's settings have faults" },
  "melody/invalid": { exit: 2, says: "the melody has faults" },
  "melody/input": { exit: 2, says: "an input of the melody is missing or of the wrong type" },
  "melody/condition": { exit: 1, says: "a condition could not be evaluated" },
  "edit/conflict": { exit: 2, says: "an edit doesn't fit the melody, or two edits are about the same" },
  "extension/unknown": { exit: 2, says: "no such extension is installed" },
  "extension/unbuilt": { exit: 2, says: "the extension's component is missing" },
  "run/failed": { exit: 1, says: "a node failed and the melody says stop" },
  "run/timeout": { exit: 1, says: "the run passed its time-out" },
  "run/cancelled": { exit: 130, says: "the run was cancelled" },
  "run/limit": { exit: 1, says: "the run reached a limit" },
  "run/journal": { exit: 3, says: "the journal can't be written; `symphony resume` goes on from what it holds" },
  "run/impossible": { exit: 70, says: "the log holds a change of state that can't be" },
  "run/unknown": { exit: 2, says: "no such run is kept" },
  "run/live": { exit: 2, says: "another process runs this run" },
  "run/control": { exit: 2, says: "the run can't take that order as it stands" },
  "run/changed": { exit: 2, says: "something that the run was begun with is not the same any more" },
  "home/unreachable": { exit: 3, says: "the process that owns the home doesn't answer" },
  "home/lost": { exit: 3, says: "the process that owns the home ended, or let go of the connection" },
  "home/version": { exit: 2, says: "the process that owns the home is another version of Symphony" },
  "journal/damaged": { exit: 1, says: "the journal can't be read" },
  "journal/version": { exit: 2, says: "the journal was written by a later Symphony" },
  "approve/unattended": { exit: 1, says: "an approval was needed and nobody could be asked" },
  "approve/rejected": { exit: 1, says: "a person said no" },
  "artifact/unknown": { exit: 2, says: "no such artifact is stored" },
  "artifact/damaged": { exit: 1, says: "the stored bytes don't have the hash that they are filed under" },
  "artifact/storage": { exit: 3, says: "the disk refused" },
  "files/invalid": { exit: 1, says: "the path is not one that can be asked for" },
  "files/not-found": { exit: 1, says: "nothing stands at that path" },
  "files/exists": { exit: 1, says: "something stands at that path already" },
  "files/denied": { exit: 1, says: "the path leads out of the granted folder, or the folder isn't granted" },
  "http/failed": { exit: 1, says: "the server can't be reached, or the connection broke" },
  "http/timeout": { exit: 1, says: "the request took too long" },
  "http/denied": { exit: 1, says: "the request leads where it may not" },
  "http/invalid": { exit: 1, says: "the request can't be made as it stands" },
  "http/limit": { exit: 1, says: "the answer is larger than allowed" },
  "model/unknown": { exit: 1, says: "no such provider is set up" },
  "model/failed": { exit: 1, says: "the provider answered with an error" },
  "model/protocol": { exit: 1, says: "the provider answered with something that is not the protocol" },
  "secret/unknown": { exit: 1, says: "no such secret is kept, or it can't be read" },
  "command/failed": { exit: 1, says: "the command can't be started" },
  "bus/invalid": { exit: 2, says: "a subject, pattern or option of the bus can't be used" },
  "bus/no-responder": { exit: 1, says: "nobody answers requests on that subject" },
  "bus/timeout": { exit: 1, says: "the answer didn't come in time" },
  "bus/cancelled": { exit: 130, says: "the request was given up by who made it" },
  "bus/full": { exit: 1, says: "a subscriber's queue is full, and its publisher didn't wait" },
  "bus/slow": { exit: 1, says: "a subscriber was slower than its publishers and had asked to be ended then" },
  "bus/loop": { exit: 70, says: "handlers publish for one another without end" },
  "bus/answer": { exit: 1, says: "the answer is of another kind than was asked for" },
  "bus/closed": { exit: 1, says: "the bus, or the subscription, was closed" },
  "bus/handler": { exit: 1, says: "who answers the request failed in a way of its own" },
  "bus/encode": { exit: 2, says: "the message holds something that can't be written" },
  "bus/malformed": { exit: 1, says: "the message is not CBOR as it should be" },
  "bus/limit": { exit: 1, says: "the message is larger, deeper or more than is taken" },
  "bus/type": { exit: 1, says: "the message is of a type or version that isn't known here" },
  "bus/shape": { exit: 1, says: "the message doesn't have the shape of its type" },
  "bus/denied": { exit: 4, says: "the peer has no right to that subject" },
  "bus/rate": { exit: 1, says: "the peer sends more than its rate allows" },
  "bus/peer": { exit: 1, says: "the peer couldn't be reached, went away, or isn't who it says" },
  "cli/usage": { exit: 2, says: "the command line can't be understood" },
  "cli/io": { exit: 3, says: "a file could not be read or written" },
} as const;

export type ErrorCode = keyof typeof CODES;

/** A place in a file where something is wrong, in words a person can act on. */
export interface Fault {
  /** Where: a path inside the file such as `nodes[3].uses`, or "" for the whole. */
  path: string;
  /** What is wrong, what stands there, what was expected and the way out, in one sentence. */
  message: string;
}

/** The parts of `symphony:types/types.fault` that have no place of their own in an error. */
export interface StepDetails {
  kind: string;
  name?: string | undefined;
  details?: string | undefined;
}

/** An error that a caller can act on by its `code`. */
export class SymphonyError extends Error {
  readonly code: ErrorCode;
  /** Whether the same attempt may succeed later. */
  readonly retryable: boolean;
  /** At least so many milliseconds should pass before the next attempt. */
  readonly retryAfterMs: number;
  /** All faults of a file together, where the code ends in `/invalid`. */
  readonly faults: readonly Fault[];
  /** The component's own code, for example `csv.ragged-row`, or the code of the error that led to this one. */
  readonly detail: string | undefined;
  /** What a step said beyond its code: the kind, the port or setting at fault, further facts as JSON. */
  readonly step: StepDetails | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; retryable?: boolean; retryAfterMs?: number; faults?: readonly Fault[]; detail?: string | undefined; step?: StepDetails | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SymphonyError";
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.faults = options.faults ?? [];
    this.detail = options.detail;
    this.step = options.step;
  }
}
