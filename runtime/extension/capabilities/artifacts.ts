// The artifacts of a call: it reads those that it was given or has made, and makes new ones.
import { SymphonyError } from "../../error.ts";
import type { ArtifactRef, Item } from "../../value.ts";
import { number, string } from "./arguments.ts";
import type { Answers, ArtifactPort, CallRecord } from "./services.ts";

/** Limits of one call. */
export const ARTIFACT_LIMITS: { readonly pieceBytes: number; readonly openWriters: number; readonly bytes: number; readonly count: number } = {
  pieceBytes: 1024 * 1024,
  openWriters: 16,
  bytes: 1024 * 1024 * 1024,
  count: 10_000,
};

export interface ArtifactAnswers extends Answers {
  /** Artifacts that it was given or has made. */
  known(id: string): ArtifactRef | undefined;
  /** Makes one as the call would. */
  store(mediaType: string, bytes: Uint8Array): Promise<ArtifactRef>;
}

export function createArtifactAnswers({ manifest, inputs, guard, services: { artifacts } }: CallRecord): ArtifactAnswers {
  const given = new Map<string, ArtifactRef>();
  for (const { value } of inputs) for (const item of value.tag === "items" ? value.val : [value as Item]) if (item.tag === "artifact") given.set(item.val.id, item.val);
  const writers = new Map<number, ReturnType<ArtifactPort["create"]>>();
  let written = 0;
  let finished = 0;

  const demand = (scope: "read" | "write"): void => void guard.demand("artifact", [scope, "run"], () => `artifact:${scope}:run`);

  function writerOf(id: number) {
    demand("write");
    const open = writers.get(id);
    if (!open) throw new SymphonyError("step/input", `Cannot use this writer: it is finished, or over ${ARTIFACT_LIMITS.openWriters} are open`);
    return open;
  }

  function abandon(id: number): void {
    const open = writers.get(id);
    writers.delete(id);
    open?.then((writer) => writer.abort()).catch(() => {});
  }

  function count(bytes: number): void {
    written += bytes;
    if (written > ARTIFACT_LIMITS.bytes) throw new SymphonyError("run/limit", `Cannot make artifacts of over ${ARTIFACT_LIMITS.bytes} bytes in one call`);
  }

  return {
    known: (id) => given.get(id),
    async store(mediaType, bytes) {
      demand("write");
      count(bytes.length);
      const writer = await artifacts.create(mediaType);
      await writer.append(bytes);
      const ref = await writer.finish();
      given.set(ref.id, ref);
      return ref;
    },
    over: () => {
      for (const id of [...writers.keys()]) abandon(id);
    },
    functions: {
      "artifacts.read": async ([id, offset, length]) => {
        demand("read");
        if (!given.has(string(id))) {
          guard.refuse(
            "artifact:read:run",
            `the artifact ${string(id)
              .slice(0, 64)
              .replace(/[^0-9a-f]/g, "?")} was not given to this step`,
          );
          throw new SymphonyError("step/denied", `Cannot read the artifact ${string(id).slice(0, 64)} for ${manifest.id}: it was not given to this step`);
        }
        const from = number(offset);
        if (!Number.isSafeInteger(from) || from < 0) throw new SymphonyError("files/invalid", `Cannot read from ${from}: expected a whole number from 0`);
        return [await artifacts.read(string(id), from, Math.min(number(length), ARTIFACT_LIMITS.pieceBytes))];
      },
      "writer.new": ([id, mediaType]) => {
        if (writers.has(number(id))) throw new SymphonyError("isolate/protocol", "Cannot open a writer twice");
        if (!guard.allows("artifact", ["write", "run"]) || writers.size >= ARTIFACT_LIMITS.openWriters) return [];
        const writer = artifacts.create(string(mediaType));
        // told at the first append
        writer.catch(() => {});
        writers.set(number(id), writer);
        return [];
      },
      "writer.append": async ([id, data]) => {
        const open = writerOf(number(id));
        const bytes = data instanceof Uint8Array ? data : new Uint8Array(0);
        if (bytes.length > ARTIFACT_LIMITS.pieceBytes) throw new SymphonyError("run/limit", `Cannot append ${bytes.length} bytes at a time, at most ${ARTIFACT_LIMITS.pieceBytes}`);
        count(bytes.length);
        await (await open).append(bytes);
        return [];
      },
      "writer.finish": async ([id]) => {
        const open = writerOf(number(id));
        writers.delete(number(id));
        const writer = await open;
        if (++finished > ARTIFACT_LIMITS.count) {
          await writer.abort();
          throw new SymphonyError("run/limit", `Cannot make over ${ARTIFACT_LIMITS.count} artifacts in one call`);
        }
        const ref = await writer.finish().catch(async (cause: unknown) => {
          await writer.abort().catch(() => {});
          throw cause;
        });
        given.set(ref.id, ref);
        return [ref.id, ref.size, ref.mediaType];
      },
      "writer.drop": ([id]) => {
        abandon(number(id));
        return [];
      },
    },
  };
}
