// The register of message types: names with versions, the shape of each version, and how an older one is made into the next. What crosses a
// link is held to it; in process nothing is checked.
import type { z } from "zod";
import { SymphonyError } from "../error.ts";
import { near } from "../near.ts";
import { faultsOf } from "../schema.ts";

export interface MessageType<T = unknown> {
  /** `run/node`; messages name it with its version, as `run/node@2`. */
  name: string;
  /** From 1 on, without gaps. */
  version: number;
  schema: z.ZodType<T>;
  /** Makes a payload of the version before into this one. */
  upgrade?: (older: never) => T;
  /** For people. */
  description?: string;
}

export interface Types {
  /** Throws `bus/invalid` for a name or version that can't be. */
  define<T>(type: MessageType<T>): void;
  /**
   * The payload in its newest version. A message without a type is taken as it is. Throws `bus/type` for a type or version that isn't known,
   * and `bus/shape`, which tells all that is wrong.
   */
  read(type: string, payload: unknown): { type: string; payload: unknown };
  /** `run/node@2`, for who sends. Throws `bus/type`. */
  current(name: string): string;
  list(): MessageType[];
}

const NAME = /^[a-z][a-z0-9-]*(\/[a-z][a-z0-9-]*)*$/;
const TYPE = /^([a-z][a-z0-9/-]{0,99})@(\d{1,5})$/;

function upgraded({ name, version, upgrade }: MessageType, older: unknown): unknown {
  try {
    return (upgrade as (older: unknown) => unknown)(older);
  } catch (cause) {
    throw new SymphonyError("bus/shape", `Cannot make ${name}@${version - 1} into ${name}@${version}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

export function createTypes(): Types {
  const versions = new Map<string, MessageType[]>();

  function unknown(type: string): SymphonyError {
    const name = type.split("@")[0] ?? "";
    const alike = near(name, [...versions.keys()]);
    return new SymphonyError("bus/type", `Cannot take a message of the type ${JSON.stringify(type.slice(0, 120))}: it isn't known here${alike}`);
  }

  return {
    define(type) {
      if (!NAME.test(type.name)) throw new SymphonyError("bus/invalid", `Cannot define the type ${JSON.stringify(type.name)}: expected a name such as run/node`);
      const known = versions.get(type.name) ?? [];
      if (type.version !== known.length + 1)
        throw new SymphonyError("bus/invalid", `Cannot define ${type.name}@${type.version}: expected version ${known.length + 1}, which comes after those that there are`);
      if (type.version > 1 && !type.upgrade)
        throw new SymphonyError("bus/invalid", `Cannot define ${type.name}@${type.version}: expected an upgrade from version ${type.version - 1}`);
      versions.set(type.name, [...known, type as MessageType]);
    },
    read(type, payload) {
      if (type === "") return { type, payload };
      const [, name, spelled] = TYPE.exec(type) ?? [];
      const known = name === undefined ? undefined : versions.get(name);
      if (!known) throw unknown(type);
      const version = Number(spelled);
      if (version < 1 || version > known.length)
        throw new SymphonyError("bus/type", `Cannot take a message of the type ${type}: this side knows ${name} up to version ${known.length}; bring it to the sender's version`);
      let value = payload;
      for (let at = version; at <= known.length; at++) {
        const one = known[at - 1] as MessageType;
        if (at > version) value = upgraded(one, value);
        const checked = one.schema.safeParse(value);
        if (!checked.success)
          throw new SymphonyError("bus/shape", `Cannot take a message of the type ${name}@${at}: it hasn't the shape of one`, {
            faults: faultsOf(checked.error, value, one.schema),
          });
        value = checked.data;
      }
      return { type: `${name}@${known.length}`, payload: value };
    },
    current(name) {
      const known = versions.get(name);
      if (!known) throw unknown(name);
      return `${name}@${known.length}`;
    },
    list: () => [...versions.values()].flat(),
  };
}
