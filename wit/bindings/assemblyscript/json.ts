// JSON for guests in AssemblyScript: a strict parser (RFC 8259), a serializer that keeps the spelling of numbers, and the
// text builder and order of texts that both need. Leaves out schemas and paths.

/** Deepest nesting that `parseJson` takes. */
export const JSON_DEPTH_MAX = 256;

export enum JsonKind { Null, Boolean, Number, String, Array, Object }

/** One JSON value. Fields of an object stand in the order of their first appearance; a repeated name keeps the last value. */
export class Json {
  /** String: its characters. Number: its text as it was written. */
  text: string = "";
  flag: bool = false;
  /** Object: the names, beside `items`. */
  keys: string[] = NOTHING;
  /** Array and object: the values. */
  items: Json[] = NONE;
  private index: Map<string, i32> | null = null;

  constructor(public kind: JsonKind) {
    if (kind >= JsonKind.Array) this.items = [];
    if (kind == JsonKind.Object) this.keys = [];
  }

  static string(text: string): Json { const j = new Json(JsonKind.String); j.text = text; return j; }
  /** A number from JSON text, which is not checked. */
  static spelled(text: string): Json { const j = new Json(JsonKind.Number); j.text = text; return j; }
  static number(n: f64): Json { return Json.spelled(spellNumber(n)); }
  static boolean(flag: bool): Json { const j = new Json(JsonKind.Boolean); j.flag = flag; return j; }
  static array(items: Json[]): Json { const j = new Json(JsonKind.Array); j.items = items; return j; }

  /** The field of an object, or null when there is none. */
  get(name: string): Json | null {
    const at = this.find(name);
    return at < 0 ? null : this.items[at];
  }

  /** Sets the field of an object. */
  put(name: string, value: Json): void {
    const at = this.find(name);
    if (at >= 0) { this.items[at] = value; return; }
    const index = this.index;
    if (index) index.set(name, this.keys.length);
    this.keys.push(name);
    this.items.push(value);
    if (!index && this.keys.length > 16) {
      const made = new Map<string, i32>();
      for (let i = 0; i < this.keys.length; i++) made.set(this.keys[i], i);
      this.index = made;
    }
  }

  private find(name: string): i32 {
    const index = this.index;
    if (index) return index.has(name) ? index.get(name) : -1;
    for (let i = 0; i < this.keys.length; i++) if (this.keys[i] == name) return i;
    return -1;
  }
}

const NOTHING: string[] = [];
const NONE: Json[] = [];

/** What `parseJson` found: a value, or null and the offset where the text stops being JSON. */
export class JsonResult {
  constructor(public value: Json | null, public offset: i32) {}
}

/** Parses one JSON text. Iterative; nesting over `JSON_DEPTH_MAX` is refused like any other fault. */
export function parseJson(text: string): JsonResult {
  return new Parser(text).run();
}

enum Follows { Value, End, Fault }

class Parser {
  private at: i32 = 0;
  private bad: bool = false;
  constructor(private text: string) {}

  private peek(): i32 { return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1; }

  private space(): void {
    for (;;) {
      const c = this.peek();
      if (c != 32 && c != 10 && c != 13 && c != 9) return;
      this.at++;
    }
  }

  run(): JsonResult {
    const open: Json[] = [];
    let root: Json | null = null;
    let name = "";
    while (true) {
      // a value, with the name before it when an object is open
      this.space();
      if (open.length && open[open.length - 1].kind == JsonKind.Object) {
        if (this.peek() != 34) return this.fault();
        name = this.quoted();
        this.space();
        if (this.bad || this.peek() != 58) return this.fault();
        this.at++;
        this.space();
      }
      const value = this.scalarOrOpening();
      if (this.bad) return this.fault();
      if (open.length == 0) root = value;
      else if (open[open.length - 1].kind == JsonKind.Object) open[open.length - 1].put(name, value);
      else open[open.length - 1].items.push(value);
      if (value.kind >= JsonKind.Array) {
        this.space();
        if (this.peek() == (value.kind == JsonKind.Array ? 93 : 125)) this.at++;
        else {
          if (open.length == JSON_DEPTH_MAX) return this.fault();
          open.push(value);
          continue;
        }
      }
      const after = this.close(open);
      if (after == Follows.End) return new JsonResult(root, this.at);
      if (after == Follows.Fault) return this.fault();
    }
  }

  /** Takes what closes after a value, then a comma or the end. */
  private close(open: Json[]): Follows {
    while (open.length) {
      this.space();
      const c = this.peek();
      if (c == 44) { this.at++; return Follows.Value; }
      if (c != (open[open.length - 1].kind == JsonKind.Array ? 93 : 125)) return Follows.Fault;
      this.at++;
      open.pop();
    }
    this.space();
    return this.peek() < 0 ? Follows.End : Follows.Fault;
  }

  private fault(): JsonResult { return new JsonResult(null, this.at); }

  private scalarOrOpening(): Json {
    const c = this.peek();
    if (c == 123 || c == 91) { this.at++; return new Json(c == 91 ? JsonKind.Array : JsonKind.Object); }
    if (c == 34) return Json.string(this.quoted());
    if (c == 116) { this.word("true"); return Json.boolean(true); }
    if (c == 102) { this.word("false"); return Json.boolean(false); }
    if (c == 110) { this.word("null"); return new Json(JsonKind.Null); }
    const end = numberEnd(this.text, this.at);
    if (end < 0) { this.bad = true; return new Json(JsonKind.Null); }
    const number = Json.spelled(this.text.substring(this.at, end));
    this.at = end;
    return number;
  }

  private word(word: string): void {
    if (this.text.substr(this.at, word.length) == word) this.at += word.length;
    else this.bad = true;
  }

  /** The string at the quote that `at` stands on. */
  private quoted(): string {
    const from = ++this.at;
    while (this.at < this.text.length) {
      const c = this.text.charCodeAt(this.at);
      if (c == 34) return this.text.substring(from, this.at++);
      if (c == 92) return this.escaped(from);
      if (c < 32) break;
      this.at++;
    }
    this.bad = true;
    return "";
  }

  private escaped(from: i32): string {
    const out = new TextBuilder();
    out.part(this.text, from, this.at);
    while (this.at < this.text.length) {
      const c = this.text.charCodeAt(this.at);
      if (c < 32) break;
      this.at++;
      if (c == 34) return out.toString();
      if (c != 92) { out.unit(c); continue; }
      const e = this.peek();
      this.at++;
      if (e == 34 || e == 92 || e == 47) out.unit(e);
      else if (e == 98) out.unit(8);
      else if (e == 102) out.unit(12);
      else if (e == 110) out.unit(10);
      else if (e == 114) out.unit(13);
      else if (e == 116) out.unit(9);
      else if (e == 117) {
        let unit = 0;
        for (let i = 0; i < 4; i++) {
          const digit = hexDigit(this.peek());
          if (digit < 0) { this.bad = true; return ""; }
          unit = (unit << 4) | digit;
          this.at++;
        }
        out.unit(unit);
      } else { this.at--; break; }
    }
    this.bad = true;
    return "";
  }
}

function hexDigit(c: i32): i32 {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function digitsEnd(text: string, from: i32): i32 {
  let at = from;
  while (at < text.length && text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at++;
  return at;
}

/** Where the JSON number at `from` ends, or -1 when none stands there. */
export function numberEnd(text: string, from: i32): i32 {
  let at = from;
  if (at < text.length && text.charCodeAt(at) == 45) at++;
  const whole = at;
  at = digitsEnd(text, at);
  if (at == whole || (at > whole + 1 && text.charCodeAt(whole) == 48)) return -1;
  if (at < text.length && text.charCodeAt(at) == 46) {
    const end = digitsEnd(text, at + 1);
    if (end == at + 1) return -1;
    at = end;
  }
  if (at < text.length && (text.charCodeAt(at) | 32) == 101) {
    let digits = at + 1;
    if (digits < text.length && (text.charCodeAt(digits) == 43 || text.charCodeAt(digits) == 45)) digits++;
    const end = digitsEnd(text, digits);
    if (end == digits) return -1;
    at = end;
  }
  return at;
}

/** A number as JSON spells it: whole numbers below 2^53 without a point. NaN and infinities become null. */
export function spellNumber(n: f64): string {
  if (!isFinite(n)) return "null";
  if (Math.abs(n) <= 9007199254740991 && Math.floor(n) == n) return (<i64>n).toString();
  return n.toString();
}

/** A string as JSON text; lone surrogates are escaped. */
export function quote(text: string): string {
  const out = new TextBuilder();
  quoteInto(out, text, 0, text.length);
  return out.toString();
}

/** Writes `text` from `from` to `end` as a JSON string. */
export function quoteInto(out: TextBuilder, text: string, from: i32, end: i32): void {
  out.unit(34);
  let kept = from;
  for (let i = from; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c >= 32 && c != 34 && c != 92 && (c < 0xd800 || c > 0xdfff)) continue;
    if (c >= 0xd800 && c <= 0xdbff && i + 1 < end && (text.charCodeAt(i + 1) & 0xfc00) == 0xdc00) { i++; continue; }
    out.part(text, kept, i);
    kept = i + 1;
    out.unit(92);
    if (c == 34 || c == 92) out.unit(c);
    else if (c == 10) out.unit(110);
    else if (c == 13) out.unit(114);
    else if (c == 9) out.unit(116);
    else {
      out.unit(117);
      for (let shift = 12; shift >= 0; shift -= 4) { const d = (c >> shift) & 15; out.unit(d < 10 ? 48 + d : 87 + d); }
    }
  }
  out.part(text, kept, end);
  out.unit(34);
}

/** A value as JSON text without spaces. */
export function stringify(value: Json): string {
  const out = new TextBuilder();
  // recursion is bounded by JSON_DEPTH_MAX for what was parsed
  write(out, value);
  return out.toString();
}

function write(out: TextBuilder, value: Json): void {
  switch (value.kind) {
    case JsonKind.Boolean: out.text(value.flag ? "true" : "false"); break;
    case JsonKind.Number: out.text(value.text); break;
    case JsonKind.String: quoteInto(out, value.text, 0, value.text.length); break;
    case JsonKind.Array:
    case JsonKind.Object: {
      const object = value.kind == JsonKind.Object;
      out.unit(object ? 123 : 91);
      for (let i = 0; i < value.items.length; i++) {
        if (i) out.unit(44);
        if (object) { quoteInto(out, value.keys[i], 0, value.keys[i].length); out.unit(58); }
        write(out, value.items[i]);
      }
      out.unit(object ? 125 : 93);
      break;
    }
    default: out.text("null"); break;
  }
}

/** Text that grows at its end in linear time; `+=` copies all of it each time. */
export class TextBuilder {
  private room: ArrayBuffer = new ArrayBuffer(64);
  private units: i32 = 0;

  get length(): i32 { return this.units; }

  private grow(more: i32): void {
    const needed = (this.units + more) << 1;
    if (needed <= this.room.byteLength) return;
    const larger = new ArrayBuffer(max(needed, this.room.byteLength << 1));
    memory.copy(changetype<usize>(larger), changetype<usize>(this.room), <usize>this.units << 1);
    this.room = larger;
  }

  unit(c: i32): void {
    this.grow(1);
    store<u16>(changetype<usize>(this.room) + (<usize>this.units << 1), <u16>c);
    this.units++;
  }

  text(text: string): void { this.part(text, 0, text.length); }

  part(text: string, from: i32, end: i32): void {
    if (end <= from) return;
    this.grow(end - from);
    memory.copy(changetype<usize>(this.room) + (<usize>this.units << 1), changetype<usize>(text) + (<usize>from << 1), <usize>(end - from) << 1);
    this.units += end - from;
  }

  /** Takes back all but the first `units`. */
  cut(units: i32): void { this.units = min(units, this.units); }

  toString(): string { return this.units ? String.UTF16.decodeUnsafe(changetype<usize>(this.room), <usize>this.units << 1) : ""; }
}

/** The order of code points; `<` on strings compares UTF-16 units. */
export function compareText(a: string, b: string): i32 {
  const most = min(a.length, b.length);
  for (let i = 0; i < most; i++) {
    const x = a.charCodeAt(i), y = b.charCodeAt(i);
    if (x == y) continue;
    const xSurrogate = (x & 0xf800) == 0xd800, ySurrogate = (y & 0xf800) == 0xd800;
    return xSurrogate == ySurrogate ? x - y : xSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}
