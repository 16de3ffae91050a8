// A table's text as JSON rows. The grammar is in reader.ts; here are headers, ragged rows and what a cell becomes.
import { Call, ErrorKind, Value } from "symphony";
import { TextBuilder, numberEnd, quote, quoteInto } from "symphony/json";
import { Reader } from "./reader";

export function process(call: Call): void {
  const text = call.input("text").text;
  const delimiter = delimiterOf(call, text);
  if (delimiter < 0) return;
  const reader = new Reader(text, delimiter);
  const header = call.flag("header");
  const numbers = call.flag("numbers");
  const pad = call.text("ragged") == "pad";

  /** Names as JSON text with a colon, ready to be written before a value. */
  const labels: string[] = [];
  const columns: string[] = [];
  if (header && reader.next()) {
    if (!readHeader(call, reader, labels, columns)) return;
  }
  if (reader.unterminated) { failUnterminated(call, reader); return; }

  let width = header ? columns.length : -1;
  let widest = 0;
  const rows: Value[] = [];
  const starts: i32[] = [];
  const out = new TextBuilder();
  while (reader.next()) {
    const count = reader.count;
    if (width < 0) width = count;
    if (count != width && (!pad || (header && count > width))) {
      const way = header && count > width ? "take the delimiters that are too many out, or quote the cell that holds one" : "add the missing cells, or set ragged to pad";
      call.fail(ErrorKind.InvalidInput, "csv.ragged-row", `Line ${reader.line} has ${cells(count)}, and ${header ? "the header" : "the first row"} has ${width}; ${way}.`, "text");
      return;
    }
    widest = max(widest, count);
    out.cut(0);
    out.unit(header ? 123 : 91);
    const most = header ? width : count;
    for (let i = 0; i < most; i++) {
      if (i) out.unit(44);
      if (header) out.text(labels[i]);
      if (i < count) writeCell(out, reader, i, numbers);
      else out.text('""');
    }
    if (!header) starts.push(count);
    out.unit(header ? 125 : 93);
    rows.push(Value.json(out.toString()));
  }
  if (reader.unterminated) { failUnterminated(call, reader); return; }
  // without a header the widest row tells how many cells all get
  if (!header) for (let i = 0; i < rows.length; i++) if (starts[i] < widest) {
    const row = rows[i].text;
    rows[i].text = row.substring(0, row.length - 1) + ',""'.repeat(widest - starts[i]) + "]";
  }
  if (!header) for (let i = 1; i <= widest; i++) columns.push(quote(i.toString()));

  call.output("rows", Value.items(rows));
  call.output("columns", Value.json("[" + columns.join(",") + "]"));
  call.output("count", Value.number(rows.length));
}

function cells(count: i32): string { return count == 1 ? "1 cell" : count.toString() + " cells"; }

function failUnterminated(call: Call, reader: Reader): void {
  call.fail(ErrorKind.InvalidInput, "csv.unterminated-quote", `The quote that opens in line ${reader.quoteLine} is never closed; close it, or double the quotes within the cell.`, "text");
}

/** The delimiter's character, or -1 after a failure. */
function delimiterOf(call: Call, text: string): i32 {
  const name = call.text("delimiter");
  if (name == "tab") return 9;
  if (name == "auto") return guessDelimiter(text);
  if (name.length == 1) {
    const c = name.charCodeAt(0);
    if (c != 34 && c != 10 && c != 13) return c;
  }
  call.fail(ErrorKind.InvalidSettings, "csv.delimiter", `The delimiter "${name}" is not one character other than a quote or line break; give one such as ; or the words tab or auto.`, "delimiter");
  return -1;
}

/** The candidate that the first line holds most, outside of quotes; a comma when it holds none. */
function guessDelimiter(text: string): i32 {
  const candidates = [44, 59, 9, 124];
  const counts = [0, 0, 0, 0];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c == 34) quoted = !quoted;
    if (quoted) continue;
    if (c == 10 || c == 13) break;
    const at = candidates.indexOf(c);
    if (at >= 0) counts[at]++;
  }
  let best = 0;
  for (let i = 1; i < 4; i++) if (counts[i] > counts[best]) best = i;
  return candidates[best];
}

function readHeader(call: Call, reader: Reader, labels: string[], columns: string[]): bool {
  const seen = new Set<string>();
  for (let i = 0; i < reader.count; i++) {
    const name = reader.cell(i);
    const empty = name.trim().length == 0;
    if (empty || seen.has(name)) {
      const what = empty ? "is empty" : `is "${name}" again`;
      call.fail(ErrorKind.InvalidInput, "csv.header", `The name of column ${i + 1} in line ${reader.line} ${what}; give each column a name of its own, or set header to false.`, "text");
      return false;
    }
    seen.add(name);
    columns.push(quote(name));
    labels.push(quote(name) + ":");
  }
  return true;
}

function writeCell(out: TextBuilder, reader: Reader, i: i32, numbers: bool): void {
  if (reader.isPlain(i)) {
    const from = reader.from(i), end = reader.end(i);
    if (numbers && end > from && numberEnd(reader.text, from) == end && isFinite(parseFloat(reader.text.substring(from, end)))) out.part(reader.text, from, end);
    else quoteInto(out, reader.text, from, end);
    return;
  }
  const cell = reader.cell(i);
  quoteInto(out, cell, 0, cell.length);
}
