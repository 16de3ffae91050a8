// Frames carry every value as it is, in any cut, and what is no frame is refused.
import { expect, test } from "bun:test";
import { SymphonyError } from "../../error.ts";
import type { Entry, Item, Value } from "../../value.ts";
import { FRAME_BYTES_MAX, FrameCutter, FrameReader, FrameWriter, type Scalar, type StepError } from "./wire.ts";

let seed = 5;
function random(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}
const TEXTS = ["", "a", "x".repeat(47), "y".repeat(48), "ünïcödé", "😀".repeat(20), "\u0000\u2028", "é".repeat(3000), "plain ascii"];
const text = (): string => TEXTS[random(TEXTS.length)] as string;

function item(): Item {
  switch (random(7)) {
    case 0:
      return { tag: "null" };
    case 1:
      return { tag: "boolean", val: random(2) === 1 };
    case 2:
      return { tag: "number", val: [0, -0, 1e308, -5.5, 2 ** 53, 5e-324][random(6)] as number };
    case 3:
      return { tag: "text", val: text() };
    case 4:
      return { tag: "json", val: JSON.stringify({ [text()]: text() }) };
    case 5:
      return { tag: "bytes", val: { mediaType: "a/b", data: Uint8Array.from({ length: random(300) }, () => random(256)) } };
    default:
      return { tag: "artifact", val: { id: "f".repeat(64), size: 2 ** 40, mediaType: "text/plain" } };
  }
}
const value = (): Value => (random(4) === 0 ? { tag: "items", val: Array.from({ length: random(20) }, item) } : item());
const entries = (): Entry[] => Array.from({ length: random(6) }, () => ({ name: text(), value: value() }));

test("entries, scalars and errors come out as they went in, however the bytes are cut", () => {
  for (let round = 0; round < 300; round++) {
    const sent = entries();
    const scalars: Scalar[] = [null, true, false, -0, text(), Uint8Array.from([random(256)])];
    const fault = { kind: "limit" as const, code: text(), message: text(), name: random(2) ? text() : undefined, details: random(2) ? "{}" : undefined };
    const error: StepError = random(2) ? { tag: "permanent", val: fault } : { tag: "transient", val: { fault, retryAfterMs: random(2 ** 31) } };
    const writer = new FrameWriter();
    for (let frame = 0; frame < 3; frame++) {
      writer.begin(frame + 1);
      writer.entries(sent);
      writer.scalars(scalars);
      writer.error(error);
      writer.end();
    }
    const bytes = writer.take(true);
    const cutter = new FrameCutter();
    let frames = 0;
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random(random(4) === 0 ? 4000 : 20);
      cutter.push(bytes.slice(at, at + size), (type, payload) => {
        expect(type).toBe(++frames);
        const reader = new FrameReader(payload);
        expect(reader.entries()).toEqual(sent);
        expect(reader.scalars()).toEqual(scalars);
        expect(reader.error()).toEqual(error);
        reader.end();
      });
      at += size;
    }
    expect(frames).toBe(3);
  }
});

test("a payload that is cut off or damaged is refused as a breach, never with another error", () => {
  const writer = new FrameWriter();
  writer.begin(1);
  writer.entries([
    {
      name: "a",
      value: {
        tag: "items",
        val: [
          { tag: "text", val: "some text" },
          { tag: "bytes", val: { mediaType: "a/b", data: new Uint8Array(9) } },
        ],
      },
    },
  ]);
  writer.end();
  const whole = writer.take(true).subarray(5);
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = round < whole.length ? whole.slice(0, round) : whole.slice();
    if (round >= whole.length) bytes[random(bytes.length)] = random(256);
    try {
      const reader = new FrameReader(bytes);
      reader.entries();
      reader.end();
    } catch (cause) {
      refused++;
      expect((cause as SymphonyError).code).toBe("isolate/protocol");
    }
  }
  expect(refused).toBeGreaterThan(1000);
});

test("a frame that says it is larger than any may be is refused at its head", () => {
  const head = new Uint8Array(5);
  new DataView(head.buffer).setUint32(0, FRAME_BYTES_MAX + 2, true);
  expect(() => new FrameCutter().push(head, () => {})).toThrow(SymphonyError);
});

test("a list that claims more than its frame can hold reserves nothing", () => {
  const writer = new FrameWriter();
  writer.begin(1);
  writer.u32(4_000_000_000);
  writer.end();
  expect(() => new FrameReader(writer.take(true).subarray(5)).entries()).toThrow(/list longer than its frame/);
});

test("writing more than a frame holds is a RangeError, and takes nothing along", () => {
  const writer = new FrameWriter();
  writer.begin(1);
  writer.raw(new Uint8Array(FRAME_BYTES_MAX));
  expect(() => writer.end()).toThrow(RangeError);
  expect(writer.length).toBe(0);
});
