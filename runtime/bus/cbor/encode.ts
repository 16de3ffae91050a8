// CBOR for the bus's messages, by cbor-x: plain, which any reader of CBOR understands, and compact, with records that are said once a
// connection. What comes in is read by decode.ts.
//
// What can be said is checked first, because cbor-x would write an URL as {}, a Map by a tag of its own, half a surrogate pair as bytes
// that aren't UTF-8, and loses the thread of its records over a key named __keys__.
import { Encoder } from "cbor-x/encode";
import { SymphonyError } from "../../error.ts";
import { CBOR_LIMITS } from "./decode.ts";

/**
 * Takes null, undefined, booleans, numbers, bigints, well-formed texts, Uint8Arrays, Dates, and lists and plain objects of such. The
 * result is the caller's. Throws `bus/encode`, which names the place of what can't be said.
 */
export type Encode = (value: unknown) => Uint8Array;

export function createPlainEncoder(): Encode {
  const encoder = new Encoder({ useRecords: false, tagUint8Array: false });
  return (value) => {
    check(value);
    return encoder.encode(value);
  };
}

/** Objects of more keys, or longer ones, are tables rather than records: a message with such goes plain, which readers of compact take too. */
const RECORD_KEYS_MAX = 32;
const RECORD_KEY_MAX = 64;
/** Records of one message; with more it goes plain. */
const RECORDS_AT_ONCE_MAX = 256;
/** Records that both sides keep; then they begin anew. */
const RECORDS_KEPT_MAX = 1024;

/** For one direction of one connection: what it gives must be sent, in this order; after something that isn't, `forget` begins anew. */
export function createCompactEncoder(): Encode & { forget(): void } {
  const plain = new Encoder({ useRecords: false, tagUint8Array: false });
  let structures: unknown[] = [];
  let compact = begin();
  function begin(): Encoder {
    structures = [];
    // sequential: a record is defined where it first stands
    return new Encoder({ sequential: true, structures, tagUint8Array: false } as ConstructorParameters<typeof Encoder>[0]);
  }
  const encode: Encode = (value) => {
    if (!check(value)) return plain.encode(value);
    const before = structures.length;
    if (before > RECORDS_KEPT_MAX) compact = begin();
    const bytes = compact.encode(value);
    if (structures.length - before <= RECORDS_AT_ONCE_MAX) return bytes;
    compact = begin();
    return plain.encode(value);
  };
  return Object.assign(encode, {
    forget: () => {
      compact = begin();
    },
  });
}

// ---- what can be said ----

let items = 0;
let areRecords = true;

/** Whether its objects are fit for records. */
function check(value: unknown): boolean {
  items = 0;
  areRecords = true;
  const fault = faultOf(value, CBOR_LIMITS.depthMax);
  if (fault) throw new SymphonyError("bus/encode", `Cannot write the message: ${fault.place === "" ? "it" : `its ${fault.place.slice(0, 200)}`} ${fault.what}`);
  return areRecords;
}

interface EncodeFault {
  place: string;
  what: string;
}

function faultOf(value: unknown, depth: number): EncodeFault | undefined {
  if (++items > CBOR_LIMITS.itemsMax) return { place: "", what: `holds over ${CBOR_LIMITS.itemsMax} values` };
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? undefined : { place: "", what: "is a text with half a surrogate pair" };
    case "number":
    case "boolean":
    case "undefined":
      return undefined;
    case "bigint":
      return value < BIG && value > -BIG ? undefined : { place: "", what: "is a whole number of over 1024 bytes" };
    case "object": {
      if (value === null || value instanceof Uint8Array) return undefined;
      if (depth === 0) return { place: "", what: `is nested deeper than ${CBOR_LIMITS.depthMax}, or holds itself` };
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) {
          const fault = faultOf(value[i], depth - 1);
          if (fault) return { place: `[${i}]${fault.place}`, what: fault.what };
        }
        return undefined;
      }
      const kind = Object.getPrototypeOf(value) as object | null;
      if (kind !== Object.prototype && kind !== null && Object.getPrototypeOf(kind) !== null) {
        if (value instanceof Date) return Number.isNaN(value.getTime()) ? { place: "", what: "is no date" } : undefined;
        return { place: "", what: `is a ${kind.constructor?.name ?? "thing"}; send what it is made of, as plain objects, lists, texts and numbers` };
      }
      return faultIn(value as Record<string, unknown>, depth - 1);
    }
    default:
      return { place: "", what: `is a ${typeof value}, which can't be sent` };
  }
}
const BIG = 2n ** 8192n;

function faultIn(object: Record<string, unknown>, depth: number): EncodeFault | undefined {
  let keys = 0;
  for (const name in object) {
    keys++;
    if (name.length > RECORD_KEY_MAX || name === "__keys__") areRecords = false;
    if (!name.isWellFormed()) return { place: "", what: `has the key ${JSON.stringify(name)}, which is half a surrogate pair` };
    const fault = faultOf(object[name], depth);
    if (fault) return { place: `.${name}${fault.place}`, what: fault.what };
  }
  items += keys;
  if (keys > RECORD_KEYS_MAX) areRecords = false;
  return undefined;
}
