// What an extension keeps between runs, for itself alone.
import { SymphonyError } from "../../error.ts";
import type { Scalar } from "../isolate/wire.ts";
import { bytes, number, string } from "./arguments.ts";
import type { Answers, CallRecord } from "./services.ts";

export const KEY_LIMITS: { readonly keyBytes: number; readonly valueBytes: number; readonly page: number } = { keyBytes: 512, valueBytes: 1024 * 1024, page: 1000 };

export function createKeyAnswers({ manifest, guard, services: { keys } }: CallRecord): Answers {
  // another publisher's extension of the same id is another extension
  const owner = `${manifest.publisher ?? ""}/${manifest.id}`;
  const demand = (scope: "read" | "write"): void => void guard.demand("keyvalue", [scope, "own"], () => `keyvalue:${scope}:own`);

  function keyOf(value: Scalar | undefined): string {
    const key = string(value);
    const size = new TextEncoder().encode(key).length;
    if (size === 0 || size > KEY_LIMITS.keyBytes || !key.isWellFormed())
      throw new SymphonyError("step/input", `Cannot use a key of ${size} bytes: expected 1 to ${KEY_LIMITS.keyBytes} bytes of text`);
    return key;
  }

  return {
    over: () => {},
    functions: {
      "keys.get": ([key]) => {
        demand("read");
        return [keys.get(owner, keyOf(key)) ?? null];
      },
      "keys.set": ([key, value]) => {
        demand("write");
        const data = bytes(value);
        if (data.length > KEY_LIMITS.valueBytes)
          throw new SymphonyError("run/limit", `Cannot keep ${data.length} bytes under one key, at most ${KEY_LIMITS.valueBytes}; store an artifact`);
        keys.set(owner, keyOf(key), data);
        return [];
      },
      "keys.delete": ([key]) => {
        demand("write");
        keys.delete(owner, keyOf(key));
        return [];
      },
      "keys.list": ([after]) => {
        demand("read");
        return keys.keys(owner, after === null ? undefined : string(after), KEY_LIMITS.page);
      },
      "keys.increment": ([key, by]) => {
        demand("write");
        const step = number(by);
        if (!Number.isSafeInteger(step)) throw new SymphonyError("step/input", `Cannot add ${step}: expected a whole number`);
        return [keys.increment(owner, keyOf(key), step)];
      },
    },
  };
}
