// One file's bytes as text: reads up to a limit, tells text from binary, leaves out a byte order mark.
import { Call, Value, read } from "symphony";

/** The host gives at most 1 MiB; smaller steps keep a pipe's buffers small. */
const STEP_BYTES = 262144;

export function readText(call: Call, root: string, path: string): void {
  const most = <i32>call.number("maxBytes");
  const parts: Uint8Array[] = [];
  let size = 0;
  let truncated = false;
  // one byte beyond the limit tells whether the file goes on
  while (size <= most) {
    const piece = read(root, path, size, min(STEP_BYTES, most + 1 - size));
    const fault = piece.fault;
    if (fault) { call.fault = fault; return; }
    const length = piece.value.length;
    if (length == 0) break;
    parts.push(piece.value);
    size += length;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (let i = 0; i < parts.length; i++) { bytes.set(parts[i], at); at += parts[i].length; }
  if (size > most) { truncated = true; size = most; }

  const from = size >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf ? 3 : 0;
  const end = textEnd(bytes, from, size, truncated);
  call.output("text", Value.text(end > from ? String.UTF8.decodeUnsafe(bytes.dataStart + from, end - from) : ""));
  call.output("binary", Value.boolean(end < 0));
  call.output("size", Value.number(size));
  call.output("truncated", Value.boolean(truncated));
}

/**
 * Where the text ends: `size`, or before a character that the limit cut. -1 when the bytes hold NUL or are not UTF-8
 * (The Unicode Standard, table 3-7).
 */
function textEnd(bytes: Uint8Array, from: i32, size: i32, truncated: bool): i32 {
  let at = from;
  while (at < size) {
    const lead = bytes[at];
    if (lead < 0x80) {
      if (lead == 0) return -1;
      at++;
      continue;
    }
    let more = 0;
    let least: i32 = 0x80, greatest: i32 = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) more = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) least = 0xa0;
      if (lead == 0xed) greatest = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) least = 0x90;
      if (lead == 0xf4) greatest = 0x8f;
    } else return -1;
    for (let i = 1; i <= more; i++) {
      if (at + i >= size) return truncated ? at : -1;
      const byte = <i32>bytes[at + i];
      if (byte < least || byte > greatest) return -1;
      least = 0x80;
      greatest = 0xbf;
    }
    at += more + 1;
  }
  return at;
}
