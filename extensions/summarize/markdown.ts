// A text's blocks: paragraphs and list items as prose, apart from headings, tables, front matter and fenced code. Plain
// text is Markdown without marks. Leaves out indented code, which can't be told from an indented paragraph.
import { TextBuilder } from "symphony/json";

export class Outline {
  /** Prose, one line each, without inline marks. */
  blocks: string[] = [];
  headings: string[] = [];
  /** What stands in fences. */
  fenced: string = "";
  /** The lines outside of fences as they are. */
  prose: string[] = [];

  constructor(text: string) {
    const lines = text.split("\n");
    const code: string[] = [];
    let open: string[] = [];
    let fence = "";
    for (let i = frontMatterEnd(lines); i < lines.length; i++) {
      const line = lines[i].trim();
      if (fence.length) {
        if (line.startsWith(fence)) fence = "";
        else code.push(lines[i]);
        continue;
      }
      if (line.startsWith("```") || line.startsWith("~~~")) {
        fence = line.substring(0, 3);
        open = this.end(open);
        continue;
      }
      this.prose.push(lines[i]);
      const level = headingLevel(line);
      if (level) {
        open = this.end(open);
        this.headings.push(plain(line.substring(level).trim()));
      } else if (isRule(line)) {
        // underlines make a heading of the line above
        if (open.length == 1 && (line.charCodeAt(0) == 61 || line.charCodeAt(0) == 45)) this.headings.push(plain(open.pop()));
        open = this.end(open);
      } else if (line.length == 0 || line.startsWith("|") || line.startsWith("<!--")) {
        open = this.end(open);
      } else {
        const marker = markerEnd(line);
        if (marker) open = this.end(open);
        open.push(line.substring(marker));
      }
    }
    this.end(open);
    this.fenced = code.join("\n");
  }

  private end(lines: string[]): string[] {
    if (lines.length) {
      const block = plain(lines.join(" "));
      if (block.length) this.blocks.push(block);
    }
    return [];
  }
}

function frontMatterEnd(lines: string[]): i32 {
  if (lines.length == 0 || lines[0].trimEnd() != "---") return 0;
  for (let i = 1; i < min(lines.length, 100); i++) if (lines[i].trimEnd() == "---") return i + 1;
  return 0;
}

function headingLevel(line: string): i32 {
  let level = 0;
  while (level < line.length && line.charCodeAt(level) == 35) level++;
  return level <= 6 && level < line.length && line.charCodeAt(level) == 32 ? level : 0;
}

/** Three or more of one of = - * _ and nothing else. */
function isRule(line: string): bool {
  if (line.length < 3) return false;
  const mark = line.charCodeAt(0);
  if (mark != 61 && mark != 45 && mark != 42 && mark != 95) return false;
  for (let i = 1; i < line.length; i++) if (line.charCodeAt(i) != mark && line.charCodeAt(i) != 32) return false;
  return true;
}

/** Where the text of a list item or quotation begins; 0 when the line is neither. */
function markerEnd(line: string): i32 {
  const first = line.charCodeAt(0);
  if (first == 62) return min(line.length, line.length > 1 && line.charCodeAt(1) == 32 ? 2 : 1);
  if (line.length > 1 && line.charCodeAt(1) == 32 && (first == 45 || first == 42 || first == 43 || first == 0x2022)) {
    // [ ] and [x] of a task
    return line.length > 6 && line.charCodeAt(2) == 91 && line.charCodeAt(4) == 93 ? 6 : 2;
  }
  let digits = 0;
  while (digits < line.length && digits < 4 && line.charCodeAt(digits) >= 48 && line.charCodeAt(digits) <= 57) digits++;
  if (digits == 0 || digits > 3 || digits + 1 >= line.length) return 0;
  const after = line.charCodeAt(digits);
  return (after == 46 || after == 41) && line.charCodeAt(digits + 1) == 32 ? digits + 2 : 0;
}

/** Without emphasis, code marks, images and the targets of links; runs of white space become one space. */
export function plain(text: string): string {
  const out = new TextBuilder();
  let gap = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c <= 32 || c == 0xa0 || c == 0x3000) { gap = out.length > 0; continue; }
    if (c == 96) continue;
    if ((c == 42 || c == 95) && i + 1 < text.length && text.charCodeAt(i + 1) == c) { i++; continue; }
    if (c == 42 && !isSpaceAt(text, i - 1) != !isSpaceAt(text, i + 1)) continue;
    if (c == 33 && i + 1 < text.length && text.charCodeAt(i + 1) == 91) {
      const end = targetEnd(text, i + 1);
      if (end) { i = end - 1; continue; }
    }
    if (c == 91 && targetEnd(text, i)) continue;
    if (c == 93 && i + 1 < text.length && text.charCodeAt(i + 1) == 40) {
      const end = text.indexOf(")", i);
      if (end > 0 && end - i < LINK_UNITS_MAX) { i = end; continue; }
    }
    if (gap) out.unit(32);
    gap = false;
    out.unit(c);
  }
  return out.toString();
}

const LINK_UNITS_MAX = 500;

/** Where the link or image that opens at `from` ends, 0 when none does. Looks only so far, so that brackets stay cheap. */
function targetEnd(text: string, from: i32): i32 {
  for (let i = from + 1; i < min(text.length, from + LINK_UNITS_MAX); i++) {
    if (text.charCodeAt(i) == 91) return 0;
    if (text.charCodeAt(i) != 93) continue;
    if (i + 1 >= text.length || text.charCodeAt(i + 1) != 40) return 0;
    for (let j = i + 2; j < min(text.length, i + LINK_UNITS_MAX); j++) if (text.charCodeAt(j) == 41) return j + 1;
    return 0;
  }
  return 0;
}

function isSpaceAt(text: string, at: i32): bool { return at < 0 || at >= text.length || text.charCodeAt(at) <= 32; }
