// What does a message cost to write and to read? Both encodings of the bus, with all checks of what comes in, beside JSON and beside cbor-x
// alone, which checks less.
import { Encoder } from "cbor-x/index-no-eval";
import { createRecords, decodeCbor } from "../runtime/bus/cbor/decode.ts";
import { createCompactEncoder, createPlainEncoder } from "../runtime/bus/cbor/encode.ts";
import { readFrame } from "../runtime/bus/frame.ts";
import { batches, head, race, same, versionOf } from "./figures.ts";
import { MESSAGE } from "./message.ts";

const SIZE = 500;

export async function bench(): Promise<void> {
  head("codec", "what does a message cost to write and to read?", [versionOf("cbor-x", ".")]);
  const plain = createPlainEncoder();
  const compact = createCompactEncoder();
  const records = createRecords();
  const theirs = new Encoder({ useRecords: false, tagUint8Array: false });
  const theirRecords = new Encoder({ sequential: true, structures: [], tagUint8Array: false } as ConstructorParameters<typeof Encoder>[0]);
  const theirReader = new Encoder({ sequential: true, structures: [], tagUint8Array: false } as ConstructorParameters<typeof Encoder>[0]);
  const json = JSON.stringify(MESSAGE);
  const asPlain = plain(MESSAGE);
  decodeCbor(compact(MESSAGE), { records });
  const asCompact = compact(MESSAGE);
  theirReader.decode(theirRecords.encode(MESSAGE));
  const asTheirRecords = theirRecords.encode(MESSAGE);
  for (const value of [decodeCbor(asPlain), decodeCbor(asCompact, { records }), theirs.decode(asPlain), theirReader.decode(asTheirRecords)]) same("a decoder", value, MESSAGE);
  console.log(`JSON ${json.length} bytes, plain ${asPlain.length}, compact ${asCompact.length}`);
  const contestants = (...list: [what: string, beside: string[], work: () => unknown][]) =>
    list.map(([what, beside, work]) => ({ what, beside, block: () => batches(60, SIZE, work) }));
  await race({
    title: "Write",
    unit: "us",
    sample: `the mean of ${SIZE}`,
    rounds: 6,
    contestants: contestants(
      ["JSON.stringify", [], () => JSON.stringify(MESSAGE)],
      ["cbor-x, plain", [], () => theirs.encode(MESSAGE)],
      ["plain, checked", ["cbor-x, plain", "JSON.stringify"], () => plain(MESSAGE)],
      ["cbor-x, records", [], () => theirRecords.encode(MESSAGE)],
      ["compact, checked", ["cbor-x, records", "JSON.stringify"], () => compact(MESSAGE)],
    ),
  });
  await race({
    title: "Read",
    unit: "us",
    sample: `the mean of ${SIZE}`,
    rounds: 6,
    contestants: contestants(
      ["JSON.parse", [], () => JSON.parse(json)],
      ["cbor-x, plain", [], () => theirs.decode(asPlain)],
      ["plain, checked", ["cbor-x, plain", "JSON.parse"], () => decodeCbor(asPlain)],
      ["cbor-x, records", [], () => theirReader.decode(asTheirRecords)],
      ["compact, checked", ["cbor-x, records", "JSON.parse"], () => decodeCbor(asCompact, { records })],
      ["compact, checked, and its envelope", ["JSON.parse"], () => readFrame(decodeCbor(asCompact, { records }))],
    ),
  });
}
