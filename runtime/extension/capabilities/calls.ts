// What a guest can ask of the host, for one call: brings the capabilities together. Each is judged by the host's own record of the call.
// Leaves out how the question comes (isolate).
import { SymphonyError } from "../../error.ts";
import type { ArtifactRef } from "../../value.ts";
import type { HostCalls } from "../isolate/isolate.ts";
import type { HostFunction, Scalar } from "../isolate/wire.ts";
import { plain, string } from "./arguments.ts";
import { createArtifactAnswers } from "./artifacts.ts";
import { createCommands } from "./commands.ts";
import { createFileAnswers } from "./files.ts";
import { createKeyAnswers } from "./keys.ts";
import { createModels } from "./models.ts";
import { createRequests } from "./requests.ts";
import { createSecrets } from "./secrets.ts";
import type { Answers, CallRecord } from "./services.ts";

const LOG_LINES_MAX = 1000;
const LEVELS = ["debug", "info", "warn", "error"];
const PROGRESS_MS = 50;

export interface CallAnswers extends HostCalls {
  /** Artifacts that the call was given or has made. */
  known(id: string): ArtifactRef | undefined;
  /** Makes an artifact as the call would. */
  store(mediaType: string, bytes: Uint8Array): Promise<ArtifactRef>;
  /** A text without any secret that the call has used. */
  mask(text: string): string;
}

/** Answers the host calls of one call. */
export function createHostCalls(record: CallRecord): CallAnswers {
  const artifacts = createArtifactAnswers(record);
  const secrets = createSecrets(record);
  const parts: Answers[] = [
    artifacts,
    secrets,
    createFileAnswers(record),
    createRequests(record, secrets),
    createModels(record, secrets),
    createKeyAnswers(record),
    createCommands(record),
    createBasics(record, secrets.maskText),
  ];
  const functions: Answers["functions"] = Object.assign(Object.create(null), ...parts.map((part) => part.functions));
  /** What a server says, or names, may hold a secret. */
  const masked = (cause: unknown): never => {
    if (!(cause instanceof SymphonyError) || !secrets.inUse()) throw cause;
    const { code, message, retryable, retryAfterMs, detail } = cause;
    throw new SymphonyError(code, secrets.maskText(message), { cause, retryable, retryAfterMs, detail });
  };
  return {
    answer(name, args) {
      const answer = functions[name];
      if (!answer) throw new SymphonyError("isolate/protocol", `Cannot answer ${name}: nobody does`);
      try {
        const given = answer(args);
        return given instanceof Promise ? given.catch(masked) : given;
      } catch (cause) {
        return masked(cause);
      }
    },
    over() {
      for (const part of parts) part.over();
      record.guard.over();
    },
    known: artifacts.known,
    store: artifacts.store,
    mask: secrets.maskText,
  };
}

/** What every step may ask, and nobody needs to grant. */
function createBasics(record: CallRecord, mask: (text: string) => string): Answers {
  let lines = 0;
  let progressAt = Number.NEGATIVE_INFINITY;
  const functions: Partial<Record<HostFunction, (args: readonly Scalar[]) => Scalar[]>> = {
    "call.remaining-ms": () => [Math.floor(record.remainingMs())],
    "call.cancelled": () => [record.signal?.aborted ?? false],
    "call.idempotency-key": () => [`${record.run}:${record.path}`],
    "call.attempt": () => [record.attempt],
    "log.write": ([level, message]) => {
      if (lines++ >= LOG_LINES_MAX) return [];
      record.onLog(LEVELS.includes(string(level)) ? string(level) : "info", plain(mask(string(message).slice(0, 4096))));
      return [];
    },
    "progress.report": ([fraction, note]) => {
      const now = performance.now();
      if (now - progressAt < PROGRESS_MS) return [];
      progressAt = now;
      record.onProgress(Math.min(1, Math.max(0, Number(fraction) || 0)), plain(mask(string(note).slice(0, 256))));
      return [];
    },
  };
  return { functions, over: () => {} };
}
