// Cuts a block of prose into sentences: full stops that end none (abbreviations, initials, ordinals, decimals) are passed
// over; CJK marks end one without a space. Leaves out what a block is (markdown.ts).

/** A sentence without any mark is cut at a space near this length. */
const SENTENCE_UNITS_MAX = 1000;

const ABBREVIATIONS = new Set<string>();
const MONTHS = new Set<string>();
addAll(ABBREVIATIONS, "mr mrs ms dr prof st sr jr vs cf al e.g i.e eg ie fig figs eq no nos vol pp p ed eds ch sec inc ltd co corp dept approx est gen gov rev hon capt lt col sgt u.s u.k jan feb mar apr jun jul aug sep sept oct nov dec "
  + "z.b d.h u.a o.ä bzw ca nr str bd hr fr abs abb vgl bspw ggf evtl inkl zzgl sog s.o s.u v.a z.t mio mrd "
  + "p.ex m mme mlle env av bd chap éd sr sra srta dña ej p.ej núm pág ud uds");
addAll(MONTHS, "januar februar märz april mai juni juli august september oktober november dezember");

function addAll(set: Set<string>, words: string): void {
  const list = words.split(" ");
  for (let i = 0; i < list.length; i++) set.add(list[i]);
}

/** Adds the sentences of one block, whose white space is single spaces. */
export function splitSentences(block: string, out: string[]): void {
  let from = 0;
  let at = 0;
  while (at < block.length) {
    const c = block.charCodeAt(at);
    at++;
    if (isWideEnd(c)) at = closingEnd(block, at, true);
    else if (isEnd(c)) {
      const mark = at - 1;
      // marks may repeat: "?!", "..."
      while (at < block.length && isEnd(block.charCodeAt(at))) at++;
      at = closingEnd(block, at, false);
      if (at < block.length && block.charCodeAt(at) != 32) continue;
      if (!endsHere(block, from, mark, at)) continue;
    } else if (!(at - from > SENTENCE_UNITS_MAX && c == 32)) continue;
    add(block, from, at, out);
    from = at;
  }
  add(block, from, block.length, out);
}

function add(block: string, from: i32, end: i32, out: string[]): void {
  const sentence = block.substring(from, end).trim();
  if (sentence.length) out.push(sentence);
}

function isEnd(c: i32): bool { return c == 46 || c == 33 || c == 63 || c == 0x2026; }
function isWideEnd(c: i32): bool { return c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0xff61 || c == 0x0964; }

/** After quotation marks and brackets that close. A straight quote closes only before a space. */
function closingEnd(text: string, from: i32, wide: bool): i32 {
  let at = from;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    const closes = c == 41 || c == 93 || c == 34 || c == 39 || c == 0x2019 || c == 0x201d || c == 0x201c || c == 0xbb || (wide && (c == 0x300d || c == 0x300f || c == 0xff09));
    if (!closes) break;
    at++;
  }
  return at;
}

/** Whether the mark ends a sentence, given that white space or the end follows at `after`. */
function endsHere(block: string, from: i32, mark: i32, after: i32): bool {
  if (after >= block.length) return true;
  const next = after + 1 < block.length ? block.charCodeAt(after + 1) : 0;
  // a small letter goes on with the sentence, whatever the mark
  const nextText = String.fromCharCode(next);
  if (nextText.toUpperCase() != nextText && nextText.toLowerCase() == nextText) return false;
  if (block.charCodeAt(mark) != 46 || (mark + 1 < after && block.charCodeAt(mark + 1) == 46)) return true;
  let begin = mark;
  while (begin > from && block.charCodeAt(begin - 1) != 32 && block.charCodeAt(begin - 1) != 40 && mark - begin < 20) begin--;
  const word = block.substring(begin, mark).toLowerCase();
  if (word.length == 0) return false;
  const first = word.charCodeAt(0);
  if (word.length == 1 && first > 57) return first > 0x2e80;
  if (ABBREVIATIONS.has(word)) return false;
  if (first >= 48 && first <= 57 && word.length <= 2) {
    // "3. Oktober", and a number that begins a list
    if (begin == from || begin == from + 1) return false;
    let end = after + 1;
    while (end < block.length && block.charCodeAt(end) > 64) end++;
    return !MONTHS.has(block.substring(after + 1, end).toLowerCase());
  }
  return true;
}
