// A text as words with their places: in which sentence, and whether punctuation stands before. Identifiers stay whole;
// Han and kana, which have no spaces, are cut at what is grammar.

export class Token {
  constructor(
    /** In small letters. */
    public word: string,
    public from: i32,
    public end: i32,
    public sentence: i32,
    /** The first of its sentence, so that its capital says nothing. */
    public opens: bool,
    /** Whether a phrase may go on from the word before to this one. */
    public joined: bool,
  ) {}
}

export class Tokens {
  list: Token[] = [];
  sentences: i32 = 0;

  private opens: bool = true;
  private joined: bool = false;
  /** Where a number ended that only spaces may follow; what comes is its unit. */
  private numberEnd: i32 = -1;

  constructor(private text: string) {
    let at = 0;
    while (at < text.length) {
      const c = text.charCodeAt(at);
      if (isDense(c)) at = this.dense(at);
      else if (isWordUnit(c)) at = this.word(at);
      else {
        this.separator(at);
        at++;
      }
    }
    if (!this.opens) this.sentences++;
  }

  private separator(at: i32): void {
    const text = this.text;
    const c = text.charCodeAt(at);
    if (c == 32 || c == 9 || c == 13) return;
    const next = at + 1 < text.length ? text.charCodeAt(at + 1) : 10;
    if (c == 10) {
      // one line break is a space; a blank line, and a line that begins with a mark, end a sentence
      const word = isWordUnit(next) || isDense(next);
      if (word) return;
      if (next == 32 || next == 9) { this.joined = false; return; }
    }
    this.joined = false;
    const ends = c == 10 || c == 33 || c == 63 || c == 59 || c == 0x2026 || c == 0x3002 || c == 0xff01 || c == 0xff1f || (c == 46 && next <= 32);
    if (ends && !this.opens) { this.sentences++; this.opens = true; }
  }

  private word(from: i32): i32 {
    const text = this.text;
    let at = from;
    let digits = true;
    while (at < text.length) {
      const c = text.charCodeAt(at);
      if (isWordUnit(c) && !isDense(c)) {
        if (c < 48 || c > 57) digits = false;
        at++;
      } else if (c == 45 && at + 1 < text.length && isLetter(text.charCodeAt(at + 1)) && isLetter(text.charCodeAt(at - 1))) at++;
      else break;
    }
    const count = at - from;
    // numbers and single letters name nothing, and end a phrase
    if (digits || count == 1 || isNumeral(text, from, at)) {
      this.joined = false;
      if (count > 1 || digits) this.numberEnd = at;
      return at;
    }
    const unit = count <= 3 && this.numberEnd >= 0 && from - this.numberEnd <= 1;
    if (!unit && count <= WORD_UNITS_MAX) this.add(from, at);
    else this.joined = false;
    return at;
  }

  private add(from: i32, end: i32): void {
    this.list.push(new Token(this.text.substring(from, end).toLowerCase(), from, end, this.sentences, this.opens, this.joined));
    this.opens = false;
    this.joined = true;
  }

  /** Runs of Han or katakana of 2 to 6 signs are words; longer ones give their pairs. Hiragana ends a word. */
  private dense(from: i32): i32 {
    const text = this.text;
    let at = from;
    const kind = denseKind(text.charCodeAt(from));
    while (at < text.length && at - from < 200 && denseKind(text.charCodeAt(at)) == kind) at++;
    const count = at - from;
    this.joined = false;
    if (kind >= 2 && count >= 2) {
      if (count <= 6 || kind == 3) this.add(from, at);
      else for (let i = from; i + 2 <= at; i += 1) { this.joined = false; this.add(i, i + 2); }
    }
    this.joined = false;
    return at;
  }
}

/** A longer run of letters is no word but data. */
const WORD_UNITS_MAX = 60;
const CHINESE_GRAMMAR = "的了是在和与及或也都就这那我你他她它们于而被把但并着";

/** 0: not dense; 1: grammar; 2: Han; 3: katakana, Thai and the like. */
function denseKind(c: i32): i32 {
  if (c >= 0x3041 && c <= 0x309f) return 1;
  if (c >= 0x30a0 && c <= 0x30ff) return c == 0x30fb ? 1 : 3;
  if ((c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff)) return CHINESE_GRAMMAR.includes(String.fromCharCode(c)) ? 1 : 2;
  return (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x1780 && c <= 0x17ff) ? 3 : 0;
}

function isDense(c: i32): bool { return c >= 0x0e00 && denseKind(c) > 0; }

function isLetter(c: i32): bool { return c >= 0x80 ? isWordUnit(c) : (c | 32) >= 97 && (c | 32) <= 122; }

/** Digits with at most two letters behind: 10ms, 3rd, 0x, 2x. */
function isNumeral(text: string, from: i32, end: i32): bool {
  const first = text.charCodeAt(from);
  if (first < 48 || first > 57) return false;
  let letters = 0;
  for (let i = from; i < end; i++) if (text.charCodeAt(i) > 57) letters++;
  return letters <= 2 || text.charCodeAt(from + 1) == 120;
}

function isWordUnit(c: i32): bool {
  if (c < 0x80) return (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c == 95;
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c == 0xd7 || c == 0xf7 || c == 0x0964 || c == 0x0965 || c == 0x060c || c == 0x061b || c == 0x061f || c == 0xfeff) return false;
  if (c >= 0x2000 && c <= 0x2bff) return false;
  if (c >= 0x3000 && c <= 0x303f) return false;
  if (c >= 0xd83c && c <= 0xd83e) return false;
  if (c >= 0xfe10 && c <= 0xfe6f) return false;
  return c < 0xff00 || (c >= 0xff21 && c <= 0xff3a) || (c >= 0xff41 && c <= 0xff5a);
}

/** Whether more than two in five of the filled lines end or begin as code does. */
export function isCode(text: string): bool {
  const lines = text.split("\n");
  let filled = 0;
  let like = 0;
  for (let i = 0; i < min(lines.length, 2000); i++) {
    const line = lines[i].trim();
    if (line.length == 0 || line.startsWith("//") || line.startsWith("# ") || line.startsWith("*")) continue;
    filled++;
    const last = line.charCodeAt(line.length - 1);
    if (last == 59 || last == 123 || last == 125 || (line.includes("(") && (last == 41 || last == 58 || last == 44)) || line.includes(" = ") || line.includes("=> ")) like++;
    else if (line.startsWith("import ") || line.startsWith("def ") || line.startsWith("return ") || line.startsWith("class ") || line.startsWith("#include")) like++;
  }
  return filled >= 3 && like * 5 > filled * 2;
}
