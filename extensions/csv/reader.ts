// Rows and cells of comma separated values (RFC 4180), with LF, CR or CRLF between rows. Cells are places in the text,
// so that a plain cell costs no copy. A quote within a cell that doesn't begin with one is an ordinary character.

export class Reader {
  /** Of the row that `next` read, from 1. */
  line: i32 = 0;
  count: i32 = 0;
  /** A quoted cell ran to the end of the text. */
  unterminated: bool = false;
  quoteLine: i32 = 0;

  private at: i32 = 0;
  private nextLine: i32 = 1;
  private froms: i32[] = [];
  private ends: i32[] = [];
  /** 0: as it stands; 1: quoted; 2: quoted and holds doubled quotes, or goes on after its quote. */
  private forms: i32[] = [];

  constructor(public text: string, private delimiter: i32) {
    if (text.length && text.charCodeAt(0) == 0xfeff) this.at = 1;
  }

  /** Reads a row; false at the end, and after a quote that is not closed. Empty lines are no rows. */
  next(): bool {
    const text = this.text;
    while (this.at < text.length && isBreak(text.charCodeAt(this.at))) this.lineBreak();
    if (this.at >= text.length || this.unterminated) return false;
    this.line = this.nextLine;
    this.count = 0;
    while (true) {
      if (this.at < text.length && text.charCodeAt(this.at) == 34) { if (!this.quoted()) return false; }
      else this.plain();
      if (this.at >= text.length) return true;
      if (text.charCodeAt(this.at) == this.delimiter) { this.at++; continue; }
      this.lineBreak();
      return true;
    }
  }

  private lineBreak(): void {
    const c = this.text.charCodeAt(this.at++);
    if (c == 13 && this.at < this.text.length && this.text.charCodeAt(this.at) == 10) this.at++;
    this.nextLine++;
  }

  private push(from: i32, end: i32, form: i32): void {
    if (this.count < this.froms.length) {
      this.froms[this.count] = from;
      this.ends[this.count] = end;
      this.forms[this.count] = form;
    } else {
      this.froms.push(from);
      this.ends.push(end);
      this.forms.push(form);
    }
    this.count++;
  }

  private plain(): void {
    const text = this.text;
    const delimiter = this.delimiter;
    const from = this.at;
    let at = from;
    while (at < text.length) {
      const c = text.charCodeAt(at);
      if (c == delimiter || c == 10 || c == 13) break;
      at++;
    }
    this.at = at;
    this.push(from, at, 0);
  }

  private quoted(): bool {
    const text = this.text;
    this.quoteLine = this.nextLine;
    const from = ++this.at;
    let form = 1;
    let at = from;
    while (at < text.length) {
      const c = text.charCodeAt(at);
      if (c == 10 || (c == 13 && !(at + 1 < text.length && text.charCodeAt(at + 1) == 10))) this.nextLine++;
      if (c != 34) { at++; continue; }
      if (at + 1 < text.length && text.charCodeAt(at + 1) == 34) { form = 2; at += 2; continue; }
      // what stands between the quote and the delimiter belongs to the cell
      let end = at + 1;
      while (end < text.length && text.charCodeAt(end) != this.delimiter && !isBreak(text.charCodeAt(end))) end++;
      if (end > at + 1) { form = 2; this.push(from, end, form); }
      else this.push(from, at, form);
      this.at = end;
      return true;
    }
    this.unterminated = true;
    return false;
  }

  from(i: i32): i32 { return this.froms[i]; }
  end(i: i32): i32 { return this.ends[i]; }
  /** Whether the cell stands in the text as it is, without quotes. */
  isPlain(i: i32): bool { return this.forms[i] == 0; }

  /** The characters of a cell. */
  cell(i: i32): string {
    const raw = this.text.substring(this.froms[i], this.ends[i]);
    if (this.forms[i] < 2) return raw;
    // the first quote that stands alone is the closing one
    let at = 0;
    while (at < raw.length) {
      if (raw.charCodeAt(at) != 34) { at++; continue; }
      if (at + 1 < raw.length && raw.charCodeAt(at + 1) == 34) { at += 2; continue; }
      break;
    }
    return raw.substring(0, at).replaceAll('""', '"') + raw.substring(at + 1);
  }
}

function isBreak(c: i32): bool { return c == 10 || c == 13; }
