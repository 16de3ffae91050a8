// The filters of a template: JSON in, JSON out; null stands for a missing value. A filter given a kind of value that it
// has no meaning for returns null, which prints nothing.
import { Json, JsonKind, TextBuilder, compareText, stringify } from "symphony/json";
import { fixed, sum } from "./decimal";

const NAMES = ["length", "group", "sort", "join", "first", "last", "number", "sum", "markdown", "upper", "lower", "default", "json", "entries"];
/** Fewest and most arguments, in the order of NAMES. */
const LEAST = [0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0];
const MOST = [0, 1, 2, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0];

/** Why a filter can't be used so, or an empty text. */
export function checkFilter(name: string, args: string[]): string {
  const at = NAMES.indexOf(name);
  if (at < 0) return `there is no filter "${name}"; there are ${NAMES.join(", ")}`;
  if (args.length < LEAST[at]) return `the filter ${name} needs an argument`;
  if (args.length > MOST[at]) return `the filter ${name} takes ${MOST[at] == 0 ? "no argument" : MOST[at] == 1 ? "one argument" : "two arguments"}`;
  if (name == "first" || name == "last" || name == "number") {
    const most = name == "number" ? 20 : 1000000;
    if (!isWhole(args[0]) || <i32>parseInt(args[0]) > most) return `the filter ${name} needs a whole number from 0 to ${most}, not "${args[0]}"`;
  }
  if (name == "sort" && args.length == 2 && args[1] != "desc" && args[1] != "asc") return `the order of sort is asc or desc, not "${args[1]}"`;
  return "";
}

export function applyFilter(value: Json | null, name: string, args: string[]): Json | null {
  if (name == "default") return value && value.kind != JsonKind.Null && !(value.kind == JsonKind.String && value.text.length == 0) ? value : Json.string(args[0]);
  if (name == "length") return Json.number(value ? lengthOf(value) : 0);
  if (name == "json") return Json.string(value ? stringify(value) : "null");
  if (!value) return name == "sum" ? Json.number(0) : null;
  const list = value.kind == JsonKind.Array;
  if (name == "upper") return Json.string(print(value).toUpperCase());
  if (name == "lower") return Json.string(print(value).toLowerCase());
  if (name == "markdown") return Json.string(escapeMarkdown(print(value)));
  if (name == "first" || name == "last") return part(value, <i32>parseInt(args[0]), name == "last");
  if (name == "number") {
    const isNumber = value.kind == JsonKind.Number || value.kind == JsonKind.String;
    const text = isNumber ? fixed(value.text, <i32>parseInt(args[0])) : "";
    return text.length ? Json.string(text) : null;
  }
  if (name == "entries") return value.kind == JsonKind.Object ? entriesOf(value) : null;
  if (!list) return null;
  if (name == "join") {
    const out = new TextBuilder();
    for (let i = 0; i < value.items.length; i++) {
      if (i) out.text(args.length ? args[0] : ", ");
      out.text(print(value.items[i]));
    }
    return Json.string(out.toString());
  }
  if (name == "sum") {
    const numbers: string[] = [];
    for (let i = 0; i < value.items.length; i++) {
      const one = at(value.items[i], args);
      if (one && one.kind == JsonKind.Number) numbers.push(one.text);
    }
    return Json.spelled(sum(numbers));
  }
  return name == "group" ? group(value, args) : sort(value, args);
}

/** How a value is printed: texts and numbers as they are, null and missing as nothing, lists and objects as JSON. */
export function print(value: Json | null): string {
  if (!value || value.kind == JsonKind.Null) return "";
  return value.kind == JsonKind.String || value.kind == JsonKind.Number ? value.text : stringify(value);
}

/** The field of an object or the element of a list; null when there is none. */
export function step(value: Json, name: string): Json | null {
  if (value.kind == JsonKind.Object) return value.get(name);
  if (value.kind != JsonKind.Array || !isWhole(name)) return null;
  const index = <i32>parseInt(name);
  return index < value.items.length ? value.items[index] : null;
}

function at(value: Json, args: string[]): Json | null {
  if (args.length == 0 || args[0] == ".") return value;
  const path = args[0].split(".");
  let found: Json | null = value;
  for (let i = 0; i < path.length; i++) {
    if (!found) return null;
    found = step(found, path[i]);
  }
  return found;
}

function isWhole(text: string): bool {
  if (text.length == 0 || text.length > 9) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 48 || text.charCodeAt(i) > 57) return false;
  return true;
}

function lengthOf(value: Json): i32 {
  if (value.kind >= JsonKind.Array) return value.items.length;
  if (value.kind != JsonKind.String) return 0;
  let count = 0;
  for (let i = 0; i < value.text.length; i++) if ((value.text.charCodeAt(i) & 0xfc00) != 0xdc00) count++;
  return count;
}

function part(value: Json, count: i32, fromEnd: bool): Json | null {
  if (value.kind == JsonKind.Array) return Json.array(fromEnd ? value.items.slice(max(0, value.items.length - count)) : value.items.slice(0, count));
  if (value.kind != JsonKind.String) return null;
  // by code points
  const text = value.text;
  let i = fromEnd ? text.length : 0;
  for (let left = count; left > 0 && (fromEnd ? i > 0 : i < text.length); left--) {
    if (fromEnd) i -= i > 1 && (text.charCodeAt(i - 1) & 0xfc00) == 0xdc00 ? 2 : 1;
    else i += i + 1 < text.length && (text.charCodeAt(i) & 0xfc00) == 0xd800 ? 2 : 1;
  }
  return Json.string(fromEnd ? text.substring(i) : text.substring(0, i));
}

function entriesOf(value: Json): Json {
  const out: Json[] = [];
  for (let i = 0; i < value.items.length; i++) {
    const entry = new Json(JsonKind.Object);
    entry.put("key", Json.string(value.keys[i]));
    entry.put("value", value.items[i]);
    out.push(entry);
  }
  return Json.array(out);
}

class Group {
  items: Json[] = [];
  constructor(public key: string) {}
}

function group(value: Json, args: string[]): Json {
  const places = new Map<string, i32>();
  const groups: Group[] = [];
  for (let i = 0; i < value.items.length; i++) {
    const key = print(at(value.items[i], args));
    if (!places.has(key)) { places.set(key, groups.length); groups.push(new Group(key)); }
    groups[places.get(key)].items.push(value.items[i]);
  }
  groups.sort((a, b) => a.items.length != b.items.length ? b.items.length - a.items.length : compareText(a.key, b.key));
  const out: Json[] = [];
  for (let i = 0; i < groups.length; i++) {
    const one = new Json(JsonKind.Object);
    one.put("key", Json.string(groups[i].key));
    one.put("length", Json.number(groups[i].items.length));
    one.put("items", Json.array(groups[i].items));
    out.push(one);
  }
  return Json.array(out);
}

class Keyed {
  /** Missing and null, booleans, numbers, texts, the rest: that is their order. */
  rank: i32 = 0;
  number: f64 = 0;
  text: string = "";
  constructor(public item: Json, public place: i32, key: Json | null) {
    if (key) {
      this.rank = key.kind;
      if (key.kind == JsonKind.Number) this.number = parseFloat(key.text);
      else if (key.kind == JsonKind.Boolean) this.number = key.flag ? 1 : 0;
      else if (key.kind != JsonKind.Null) this.text = print(key);
    }
  }
}

function ascending(a: Keyed, b: Keyed): i32 {
  if (a.rank != b.rank) return a.rank - b.rank;
  if (a.number != b.number) return a.number < b.number ? -1 : 1;
  return compareText(a.text, b.text);
}

function sort(value: Json, args: string[]): Json {
  const keyed: Keyed[] = [];
  for (let i = 0; i < value.items.length; i++) keyed.push(new Keyed(value.items[i], i, at(value.items[i], args)));
  // equal keys keep their order in both directions
  if (args.length == 2 && args[1] == "desc") keyed.sort((a, b) => { const order = ascending(b, a); return order ? order : a.place - b.place; });
  else keyed.sort((a, b) => { const order = ascending(a, b); return order ? order : a.place - b.place; });
  const out: Json[] = [];
  for (let i = 0; i < keyed.length; i++) out.push(keyed[i].item);
  return Json.array(out);
}

/** Text on one line that Markdown shows as it is. */
function escapeMarkdown(text: string): string {
  const out = new TextBuilder();
  let gap = false;
  let numeral = true;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c == 10 || c == 13) { gap = true; continue; }
    if (gap && out.length) out.unit(32);
    gap = false;
    const start = out.length == 0;
    // \ ` * _ [ ] < > | ~ # & anywhere; - + = at the start; . and ) after digits at the start, which begin a list
    const special = c == 92 || c == 96 || c == 42 || c == 95 || c == 91 || c == 93 || c == 60 || c == 62 || c == 124 || c == 126 || c == 35 || c == 38;
    if (special || (start && (c == 45 || c == 43 || c == 61)) || (!start && numeral && (c == 46 || c == 41))) out.unit(92);
    if (c < 48 || c > 57) numeral = false;
    out.unit(c);
  }
  return out.toString();
}
