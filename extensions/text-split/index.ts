// Cuts text into parts; joined they give the text again.
import { Call, Value } from "symphony";

export function process(call: Call): void {
  const text = call.input("text").text;
  const most = <i32>call.number("maxCharacters");
  const by = call.text("by");
  const finest = by == "paragraph" ? 0 : by == "line" ? 1 : by == "sentence" ? 2 : 3;
  const parts: Value[] = [];
  let from = 0;
  while (from < text.length) {
    const end = cut(text, from, most, finest);
    parts.push(Value.text(text.substring(from, end)));
    from = end;
  }
  call.output("parts", Value.items(parts));
  call.output("count", Value.number(parts.length));
}

/** The end of the part that begins at `from`: the last good place within `most`, coarsest kind first. */
function cut(text: string, from: i32, most: i32, coarsest: i32): i32 {
  if (text.length - from <= most) return text.length;
  const limit = from + most;
  for (let kind = coarsest; kind <= 3; kind++) {
    // a cut in the first half would leave crumbs; then a finer place is better
    for (let at = limit; at > from + most / 2; at--) if (isBreak(text, at, kind)) return at;
  }
  const last = text.charCodeAt(limit - 1);
  return last >= 0xd800 && last <= 0xdbff ? (most > 1 ? limit - 1 : limit + 1) : limit;
}

/** Whether the text may be cut before `at`. */
function isBreak(text: string, at: i32, kind: i32): bool {
  const before = text.charCodeAt(at - 1);
  if (kind == 0) return before == 10 && at >= 2 && text.charCodeAt(at - 2) == 10;
  if (kind == 1) return before == 10;
  const space = before == 32 || before == 10 || before == 9 || before == 0x3000;
  if (kind == 3) return space;
  if (before == 0x3002 || before == 0xff01 || before == 0xff1f) return true;
  if (!space || at < 2) return false;
  const end = text.charCodeAt(at - 2);
  return end == 46 || end == 33 || end == 63 || end == 0x2026;
}
