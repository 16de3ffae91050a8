// Source code in a summary: tells it from prose by the look of its lines, and takes its comments and docstrings. Knows the
// marks of the common languages and parses none of them.
import { plain } from "./markdown";

const OPENERS = ["import ", "export ", "from ", "const ", "let ", "var ", "def ", "class ", "function ", "return ", "return;", "if (", "for (", "while (", "fn ", "pub ", "use ", "struct ", "enum ", "impl ", "package ", "public ", "private ", "static ", "#include", "#define", "elif ", "else:", "try:", "async ", "await ", "@", "type ", "interface ", "func ", "namespace ", "#!"];
const DECLARATIONS = ["export ", "def ", "class ", "async def ", "function ", "fn ", "pub ", "struct ", "enum ", "impl ", "public ", "func ", "interface ", "type "];

function startsWithAny(line: string, openings: string[]): bool {
  for (let i = 0; i < openings.length; i++) if (line.startsWith(openings[i])) return true;
  return false;
}

/** Whether more than two in five of the lines that are not blank and no comment look like code. */
export function isCode(lines: string[]): bool {
  let filled = 0;
  let like = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i].trim();
    if (line.length == 0 || commentStart(line) || line.startsWith("* ")) continue;
    filled++;
    const last = line.charCodeAt(line.length - 1);
    // ; { } ends, and brackets or an equals sign within
    if (last == 59 || last == 123 || last == 125 || startsWithAny(line, OPENERS) || (line.includes("(") && (last == 41 || last == 58 || last == 44)) || line.includes(" = ") || line.includes("=> ") || line.includes("();")) like++;
  }
  return filled >= 3 && like * 5 > filled * 2;
}

/** Characters of the mark that makes the rest of a line a comment, 0 when there is none. */
function commentStart(line: string): i32 {
  if (line.startsWith("///") || line.startsWith("//!")) return 3;
  if (line.startsWith("//") || line.startsWith("--")) return 2;
  if (line.startsWith("#!") || line.startsWith("#include") || line.startsWith("#define") || line.startsWith("#if") || line.startsWith("#end") || line.startsWith("#pragma") || line.startsWith("#[")) return 0;
  return line.startsWith("# ") || line == "#" ? 1 : 0;
}

/** The comments of source code, neighbouring lines as one; without any, the lines that declare something. */
export function commentsOf(text: string): string[] {
  const out: string[] = [];
  const declarations: string[] = [];
  const lines = text.split("\n");
  let open: string[] = [];
  /** What ends the comment or docstring that is open. */
  let until = "";
  for (let i = 0; i < lines.length; i++) {
    let line = lines[i].trim();
    if (until.length) {
      const end = line.indexOf(until);
      take(open, end < 0 ? line : line.substring(0, end));
      if (end >= 0) { until = ""; open = close(open, out); }
      continue;
    }
    const mark = commentStart(line);
    if (mark) { take(open, line.substring(mark)); continue; }
    open = close(open, out);
    const opening = line.startsWith("/*") ? "/*" : line.startsWith("<!--") ? "<!--" : line.startsWith('"""') ? '"""' : line.startsWith("'''") ? "'''" : "";
    if (opening.length) {
      const ending = opening == "/*" ? "*/" : opening == "<!--" ? "-->" : opening;
      const end = line.indexOf(ending, opening.length);
      take(open, end < 0 ? line.substring(opening.length) : line.substring(opening.length, end));
      if (end < 0) until = ending;
      else open = close(open, out);
    } else if (startsWithAny(line, DECLARATIONS)) declarations.push(plain(line));
  }
  close(open, out);
  return out.length ? out : declarations;
}

function take(open: string[], line: string): void {
  let text = line.trim();
  while (text.startsWith("*")) text = text.substring(1).trimStart();
  // tags of documentation, and code that was commented out
  if (text.startsWith("@") || text.endsWith(";") || text.endsWith("{") || text == "}") return;
  open.push(text);
}

function close(open: string[], out: string[]): string[] {
  const text = plain(open.join(" "));
  if (text.length && !text.includes("Copyright") && !text.includes("SPDX-License")) out.push(text);
  return [];
}
