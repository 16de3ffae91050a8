// Both encodings: what they carry, what is refused, and where.
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "bun:test";
import { CBOR_EXAMPLES } from "../../../tests/cbor-examples.ts";
import { createRandom } from "../../../tests/random.ts";
import { drawFrame, drawPayload } from "../../../tests/payloads.ts";
import { python } from "../../../tests/platform.ts";
import { SymphonyError } from "../../error.ts";
import { CBOR_LIMITS, createRecords, decodeCbor, type Records } from "./decode.ts";
import { createCompactEncoder, createPlainEncoder } from "./encode.ts";

const fromHex = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function refusal(hex: string | Uint8Array, records?: Records): string {
  try {
    decodeCbor(typeof hex === "string" ? fromHex(hex) : hex, records ? { records } : {});
  } catch (cause) {
    if (cause instanceof SymphonyError) return `${cause.code}: ${cause.message.replace("Cannot read the message: ", "")}`;
    throw cause;
  }
  return "taken";
}

describe("what CBOR's standard shows", () => {
  for (const [hex, value] of CBOR_EXAMPLES)
    test(`${hex.slice(0, 40)} is read`, () => {
      const read = decodeCbor(fromHex(hex), { limits: { ...CBOR_LIMITS, tags: true } });
      expect(read).toEqual(value);
      expect(Object.is(read, -0)).toBe(Object.is(value, -0));
    });
});

describe("round trips", () => {
  const draw = createRandom(7);
  const payloads = Array.from({ length: 2000 }, () => drawPayload(draw));

  test("plain", () => {
    const encode = createPlainEncoder();
    for (const payload of payloads) expect(decodeCbor(encode(payload))).toEqual(payload);
  });

  test("compact, on one connection", () => {
    const encode = createCompactEncoder();
    const records = createRecords();
    for (const payload of payloads) expect(decodeCbor(encode(payload), { records })).toEqual(payload);
  });

  test("compact says keys once", () => {
    const encode = createCompactEncoder();
    const sizes = [1, 2].map((n) => encode({ identifier: n, description: "x", children: [{ identifier: n, weight: 1 }] }).length);
    expect(sizes[1]).toBeLessThan((sizes[0] as number) / 2);
  });

  test("compact outlives many shapes, tables, and messages that can't be said", () => {
    const encode = createCompactEncoder();
    const records = createRecords();
    for (let n = 0; n < 3000; n++) {
      const message = { [`shape${n}`]: 1, also: { [`inner${n % 7}`]: 2 } };
      expect(decodeCbor(encode(message), { records })).toEqual(message);
      expect(() => encode({ [`lost${n}`]: { x: () => 1 } })).toThrow();
    }
    const many = Array.from({ length: 3000 }, (_, n) => ({ [`many${n}`]: n }));
    expect(decodeCbor(encode(many), { records })).toEqual(many);
    const table = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`key${n}`, n]));
    expect(decodeCbor(encode(table), { records })).toEqual(table);
    expect(records.keys.length).toBeLessThan(1600);
  });

  test("bytes are copies: they outlive the frame", () => {
    const frame = Buffer.from(createPlainEncoder()(new Uint8Array([1, 2, 3])));
    const read = decodeCbor(frame) as Uint8Array;
    frame.fill(0);
    expect(read).toEqual(new Uint8Array([1, 2, 3]));
    expect(read.constructor).toBe(Uint8Array);
  });

  test("keys that objects have by birth are carried as any other, and reach no prototype", () => {
    for (const [name, encode] of [
      ["plain", createPlainEncoder()],
      ["compact", createCompactEncoder()],
    ] as const) {
      const text = '{"__proto__":{"polluted":1},"constructor":2,"__keys__":3,"hasOwnProperty":4}';
      const read = decodeCbor(encode(JSON.parse(text)), { records: createRecords() }) as Record<string, unknown>;
      expect([name, JSON.stringify(read)]).toEqual([name, text]);
      expect([name, read["polluted"]]).toEqual([name, undefined]);
    }
  });
});

describe("beside Python's cbor2", () => {
  const hasPython = spawnSync(python.program, ["-c", "import cbor2"], { env: python.env }).status === 0;

  test.skipIf(!hasPython)("it reads ours, and ours reads what it writes", () => {
    const draw = createRandom(11);
    const encode = createPlainEncoder();
    const payloads = Array.from({ length: 300 }, () => drawPayload(draw));
    const script = `
import sys, cbor2
for line in sys.stdin:
    value = cbor2.loads(bytes.fromhex(line))
    print(cbor2.dumps(value, timezone=__import__("datetime").timezone.utc).hex(), cbor2.dumps(value, canonical=True, timezone=__import__("datetime").timezone.utc).hex())
`;
    const { program, env } = python;
    const { stdout, stderr, status } = spawnSync(program, ["-c", script], {
      env,
      input: payloads.map((payload) => `${toHex(encode(payload))}\n`).join(""),
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    expect([status, stderr]).toEqual([0, ""]);
    const lines = stdout.trim().split("\n");
    expect(lines.length).toBe(payloads.length);
    for (const [i, line] of lines.entries()) for (const hex of line.split(" ")) expect(decodeCbor(fromHex(hex))).toEqual(payloads[i]);
  });
});

describe("what is refused", () => {
  test("names the byte and what is wrong", () => {
    const cases: [hex: string, said: string][] = [
      ["", "bus/malformed: byte 0: the message ends where a value should begin"],
      ["0000", "bus/malformed: byte 1: 1 bytes follow the value"],
      ["1f", "bus/malformed: byte 0: 0x1f begins nothing"],
      ["1c", "bus/malformed: byte 0: 0x1c begins nothing"],
      ["19ff", "bus/malformed: byte 1: the message ends within a number"],
      ["6261", "bus/malformed: byte 0: a text of 2 is claimed, and 1 bytes follow"],
      ["7bffffffffffffffff61", "bus/malformed: byte 0: a text of 18446744073709551615 is claimed, and 1 bytes follow"],
      ["5a7fffffff", "bus/malformed: byte 0: a byte string of 2147483647 is claimed, and 0 bytes follow"],
      ["9affffffff00", "bus/malformed: byte 0: an array of 4294967295 is claimed, and 1 bytes follow"],
      ["ba00ffffff6100", "bus/malformed: byte 0: a map of 16777215 is claimed, and 2 bytes follow"],
      ["62c328", "bus/malformed: byte 0: a text is not UTF-8"],
      ["63eda080", "bus/malformed: byte 0: a text is not UTF-8"],
      ["a2616101616102", 'bus/malformed: byte 4: the key "a" stands twice in one map'],
      ["bf616101616102ff", 'bus/malformed: byte 4: the key "a" stands twice in one map'],
      ["a26161f76161f7", 'bus/malformed: byte 4: the key "a" stands twice in one map'],
      ["a201020102", "bus/malformed: byte 3: the key 1 stands twice in one map"],
      ["a2695f5f70726f746f5f5f01695f5f70726f746f5f5f02", 'bus/malformed: byte 12: the key "__proto__" stands twice in one map'],
      ["a2820102018201028201", "bus/malformed: byte 1: a key is no text, number, boolean or null"],
      ["9f01", "bus/malformed: byte 0: something without end doesn't end"],
      ["5f6161ff", "bus/malformed: byte 1: a string without end holds something else than parts of its kind"],
      ["7f7f6161ffff", "bus/malformed: byte 1: a string without end holds something else than parts of its kind"],
      ["7f61c361a9ff", "bus/malformed: byte 2: a text is not UTF-8"],
      ["ff", "bus/malformed: byte 0: an end stands where a value should begin"],
      ["81ff", "bus/malformed: byte 1: an end stands where a value should begin"],
      ["bf6161ff", "bus/malformed: byte 3: an end stands where a value should begin"],
      ["f818", "bus/malformed: byte 0: a simple value is spelled too long"],
      ["f0", "bus/malformed: byte 0: the simple value 16 means nothing here"],
      ["d81b83665265674578706178", "bus/malformed"],
      ["d82000", "bus/malformed: byte 0: the tag 32 means nothing here"],
      ["c063323031", "bus/malformed: byte 0: a date is not a text such as 2013-03-21T20:04:00Z"],
      ["c16161", "bus/malformed: byte 0: a time is not a number of seconds"],
      ["c201", "bus/malformed: byte 0: a big number is not made of 1024 bytes at most"],
      ["d9e00080", "bus/malformed: byte 0: the tag 57344 means nothing here"],
      [`${"81".repeat(65)}00`, "bus/limit: byte 65: it is nested deeper than 64"],
      [`${"c1".repeat(70)}00`, "bus/limit: byte 65: it is nested deeper than 64"],
      ["9f".repeat(100_000), "bus/limit: byte 65: it is nested deeper than 64"],
    ];
    for (const [hex, said] of cases) expect([hex.slice(0, 60), refusal(hex).slice(0, said.length)]).toEqual([hex.slice(0, 60), said]);
  });

  test("records: only such as were defined, with a value for each key", () => {
    const definition = "d9dfff8419e00082616161620102";
    expect(decodeCbor(fromHex(definition), { records: createRecords() })).toEqual({ a: 1, b: 2 });
    const cases: [hex: string, said: string][] = [
      ["d9e000820102", "bus/malformed: byte 0: the record 0 was not defined"],
      ["d9dfff00", "bus/malformed: byte 0: a record is not an array"],
      ["d9dfff8219e00000", "bus/malformed: byte 0: a record is not an array"],
      ["d9dfff83008161610", "bus/malformed: byte 0: a record is defined under no number of a record"],
      ["d9dfff8519e000826161616201", "bus/malformed"],
      ["d9dfff8419e0008261616161", 'bus/malformed: byte 10: the key "a" stands twice in one map'],
      ["d9dfff8319e000810101", "bus/malformed: byte 8: a record has a key that is no text"],
    ];
    for (const [hex, said] of cases) expect([hex, refusal(hex.length % 2 ? `${hex}0` : hex, createRecords()).slice(0, said.length)]).toEqual([hex, said]);
    const records = createRecords();
    decodeCbor(fromHex(definition), { records });
    expect(refusal("d9e00081", records)).toBe("bus/malformed: byte 0: an array of 1 is claimed, and 0 bytes follow");
    expect(refusal("d9e0008101", records)).toBe("bus/malformed: byte 0: a record of 2 keys has 1 values");
  });

  test("a message of more values than the limit, before they are made", () => {
    const zeros = new Uint8Array(1_100_005);
    zeros.set([0x9a, 0x00, 0x10, 0xc8, 0xe0]);
    const before = process.memoryUsage().rss;
    expect(refusal(zeros)).toBe("bus/limit: byte 5: it holds over 1000000 values");
    expect(process.memoryUsage().rss - before).toBeLessThan(20 * 1024 * 1024);
  });

  test("what can't be said names its place", () => {
    const encode = createPlainEncoder();
    const own: Record<string, unknown> = {};
    own["self"] = own;
    const cases: [value: unknown, said: string][] = [
      [{ outputs: [{ url: new URL("http://localhost/") }] }, "its .outputs[0].url is a URL; send what it is made of, as plain objects, lists, texts and numbers"],
      [[1, () => 1], "its [1] is a function, which can't be sent"],
      [Symbol("s"), "it is a symbol, which can't be sent"],
      [{ a: new Map() }, "its .a is a Map; send what it is made of, as plain objects, lists, texts and numbers"],
      [{ a: "\ud800" }, "its .a is a text with half a surrogate pair"],
      [new Date(Number.NaN), "it is no date"],
      [2n ** 9000n, "it is a whole number of over 1024 bytes"],
      [own, "its .self.self.self"],
    ];
    for (const [value, said] of cases) {
      let message = "";
      try {
        encode(value);
      } catch (cause) {
        message = (cause as SymphonyError).message.replace("Cannot write the message: ", "");
        expect((cause as SymphonyError).code).toBe("bus/encode");
      }
      expect(message.slice(0, said.length)).toBe(said);
    }
  });
});

test("10 000 frames that do harm end in a value or a code, soon, and leave nothing behind", () => {
  const draw = createRandom(3);
  const plain = createPlainEncoder();
  const compact = createCompactEncoder();
  const records = createRecords();
  let taken = 0;
  for (let n = 0; n < 10_000; n++) {
    const isCompact = n % 2 === 0;
    const frame = drawFrame(draw, isCompact ? compact : plain);
    const begun = performance.now();
    const said = refusal(frame, isCompact ? records : undefined);
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(said).toMatch(/^(taken$|bus\/malformed: byte \d+: |bus\/limit: byte \d+: )/);
    if (said === "taken") taken++;
  }
  // the frames are near enough to sound ones that some are taken
  expect(taken).toBeGreaterThan(500);
});
