// Random payloads of the bus, and frames that do harm, from a seed.

const KEYS = ["id", "name", "state", "outputs", "items", "at", "url", "__proto__", "constructor", "toString", "__keys__", "ключ", "", "a.b"];
const TEXTS = [
  "",
  "a",
  "run.finished",
  "naïve café",
  "水 is water",
  "😀",
  '\u0000\n\t"\\',
  "x".repeat(40),
  "0190a3c2-5f1e-7c3a-9b1d-2f6c1e0a7b42",
  "é".repeat(300),
  "long ".repeat(2000),
];

/** A payload that both encodings carry. */
export function drawPayload(draw: (below: number) => number, depth = 4): unknown {
  switch (draw(depth > 0 ? 13 : 10)) {
    case 0:
      return null;
    case 1:
      return draw(2) === 0;
    case 2:
      return draw(300) - 150;
    case 3:
      return (draw(2 ** 31) - 2 ** 30) * (draw(2 ** 20) + 1);
    case 4:
      return (draw(2 ** 31) - 2 ** 30) / 1000 || 0.5;
    case 5:
      return (2n ** BigInt(60 + draw(200)) + BigInt(draw(1000))) * (draw(2) === 0 ? 1n : -1n);
    case 6:
      return new Date(draw(2 ** 31) * 1000 + draw(1000));
    case 7:
      return Uint8Array.from({ length: draw(200) }, () => draw(256));
    case 8:
      return undefined;
    case 9:
      return TEXTS[draw(TEXTS.length)];
    case 10:
      return Array.from({ length: draw(8) }, () => drawPayload(draw, depth - 1));
    default: {
      const object: Record<string, unknown> = {};
      // now and then a table, which no record is made of
      for (let n = draw(draw(40) === 0 ? 60 : 7); n > 0; n--) {
        const key = draw(2) === 0 ? (KEYS[draw(KEYS.length)] as string) : `k${draw(100)}`;
        Object.defineProperty(object, key, { value: drawPayload(draw, depth - 1), enumerable: true, configurable: true, writable: true });
      }
      return object;
    }
  }
}

/** A frame changed at random, cut, put together, or random from the first byte on. */
export function drawFrame(draw: (below: number) => number, sound: (value: unknown) => Uint8Array): Uint8Array {
  if (draw(4) === 0) return Uint8Array.from({ length: draw(300) }, () => draw(256));
  const frame = Uint8Array.from(sound(drawPayload(draw)));
  switch (draw(4)) {
    case 0:
      return frame.subarray(0, draw(frame.length + 1));
    case 1: {
      const at = draw(frame.length + 1);
      return Uint8Array.from([...frame.subarray(0, at), ...Uint8Array.from({ length: draw(12) }, () => draw(256)), ...frame.subarray(at)]);
    }
    case 2:
      return Uint8Array.from([...frame, ...frame.subarray(draw(frame.length))]);
    default:
      // heads of lengths, tags and endless things are what hurts
      for (let n = 1 + draw(4); n > 0; n--)
        frame[draw(frame.length)] =
          draw(2) === 0 ? draw(256) : ([0x5f, 0x7f, 0x9f, 0xbf, 0xff, 0x5b, 0x7b, 0x9b, 0xbb, 0xdb, 0xd9, 0xdf, 0xe0, 0xc2, 0xf8, 0x1b][draw(16)] as number);
      return frame;
  }
}
