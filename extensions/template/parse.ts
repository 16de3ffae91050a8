// A template's text as a tree of nodes. All that can be wrong with a template is found here, before anything is filled.
import { checkFilter } from "./filters";

export const NESTING_MAX = 64;

export enum NodeKind { Text, Value, Section, Inverted }

export class Filter {
  constructor(public name: string, public args: string[]) {}
}

export class Node {
  /** Text: itself. */
  text: string = "";
  /** What a value or section names: one of "." alone, "@index", "@key", or field names and list indices. */
  path: string[] = [];
  /** The value is the string `text` and not what `path` names. */
  literal: bool = false;
  filters: Filter[] = [];
  children: Node[] = [];
  constructor(public kind: NodeKind, public at: i32) {}
}

export class Template {
  nodes: Node[] = [];
  /** Empty, or why the template can't be used. */
  fault: string = "";
  faultLine: i32 = 0;
  faultColumn: i32 = 0;
}

export function parseTemplate(text: string): Template {
  return new TemplateParser(text).run();
}

class TemplateParser {
  private out: Template = new Template();
  /** Within the tag being read. */
  private at: i32 = 0;
  constructor(private text: string) {}

  run(): Template {
    const text = this.text;
    const open: Node[] = [];
    let from = 0;
    while (this.out.fault.length == 0) {
      const tag = text.indexOf("{{", from);
      if (tag < 0) break;
      this.at = tag + 2;
      const nodes = open.length ? open[open.length - 1].children : this.out.nodes;
      const sign = this.peek();
      if (sign == 33) {
        const end = text.indexOf("}}", this.at);
        if (end < 0) { this.fail(tag, "this comment is not closed; end it with }}"); break; }
        this.at = end + 2;
        from = this.alone(tag, from, nodes);
      } else if (sign == 47) {
        this.at++;
        const name = this.word();
        if (!this.close(tag)) break;
        if (open.length == 0) { this.fail(tag, `{{/${name}}} closes a section, and none is open`); break; }
        const section = open[open.length - 1];
        if (section.path.join(".") != name) { this.fail(tag, `{{/${name}}} stands where {{/${section.path.join(".")}}} is expected`); break; }
        from = this.alone(tag, from, section.children);
        open.pop();
      } else {
        const section = sign == 35 || sign == 94;
        if (section) this.at++;
        const node = new Node(sign == 35 ? NodeKind.Section : sign == 94 ? NodeKind.Inverted : NodeKind.Value, tag);
        if (!this.expression(tag, node)) break;
        if (section) {
          if (node.literal) { this.fail(tag, "a section needs a name, not a quoted text"); break; }
          if (open.length == NESTING_MAX) { this.fail(tag, `sections are nested deeper than ${NESTING_MAX}`); break; }
          from = this.alone(tag, from, nodes);
          open.push(node);
        } else {
          this.add(nodes, from, tag);
          from = this.at;
        }
        nodes.push(node);
      }
    }
    if (this.out.fault.length) return this.out;
    if (open.length) {
      const section = open[open.length - 1];
      this.fail(section.at, `the section ${section.path.join(".")} is not closed; end it with {{/${section.path.join(".")}}}`);
    }
    this.add(this.out.nodes, from, text.length);
    return this.out;
  }

  private fail(at: i32, why: string): bool {
    let line = 1, begin = 0;
    for (let i = 0; i < at; i++) if (this.text.charCodeAt(i) == 10) { line++; begin = i + 1; }
    this.out.fault = why;
    this.out.faultLine = line;
    this.out.faultColumn = at - begin + 1;
    return false;
  }

  private add(nodes: Node[], from: i32, end: i32): void {
    if (end <= from) return;
    const node = new Node(NodeKind.Text, from);
    node.text = this.text.substring(from, end);
    nodes.push(node);
  }

  /**
   * Adds the text between `from` and a tag that prints nothing, which ends at `this.at`, and says where the text after it
   * begins. A tag alone on its line takes the line with it.
   */
  private alone(tag: i32, from: i32, nodes: Node[]): i32 {
    const text = this.text;
    let begin = tag;
    while (begin > from && isBlank(text.charCodeAt(begin - 1))) begin--;
    let end = this.at;
    while (end < text.length && isBlank(text.charCodeAt(end))) end++;
    const first = begin == 0 || text.charCodeAt(begin - 1) == 10;
    if (first && end < text.length && text.charCodeAt(end) == 13) end++;
    if (!first || (end < text.length && text.charCodeAt(end) != 10)) {
      this.add(nodes, from, tag);
      return this.at;
    }
    this.add(nodes, from, begin);
    return min(end + 1, text.length);
  }

  private peek(): i32 { return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1; }
  private space(): void { while (isBlank(this.peek()) || this.peek() == 10 || this.peek() == 13) this.at++; }

  /** Characters up to a space, a pipe, a brace or a quote. */
  private word(): string {
    this.space();
    const from = this.at;
    for (;;) {
      const c = this.peek();
      if (c < 0 || c <= 32 || c == 124 || c == 125 || c == 123 || c == 34) break;
      this.at++;
    }
    return this.text.substring(from, this.at);
  }

  private close(tag: i32): bool {
    this.space();
    if (this.peek() != 125 || this.at + 1 >= this.text.length || this.text.charCodeAt(this.at + 1) != 125) return this.fail(tag, "this tag is not closed by }}, or holds something after its name");
    this.at += 2;
    return true;
  }

  private expression(tag: i32, node: Node): bool {
    this.space();
    if (this.peek() == 34) {
      if (!this.quoted(tag)) return false;
      node.literal = true;
      node.text = this.last;
    } else {
      const name = this.word();
      if (name.length == 0) return this.fail(tag, "a tag needs a name, such as {{title}}; for the characters {{ write {{\"{{\"}}");
      if (name == ".") node.path = ["."];
      else {
        node.path = name.split(".");
        if (node.path.includes("")) return this.fail(tag, `"${name}" is no path; write names with one point between them`);
        if (name.startsWith("@") && name != "@index" && name != "@key") return this.fail(tag, `"${name}" is not known; there are @index and @key`);
      }
    }
    for (this.space(); this.peek() == 124; this.space()) {
      this.at++;
      const filter = new Filter(this.word(), []);
      for (this.space(); this.peek() >= 0 && this.peek() != 124 && this.peek() != 125; this.space()) {
        if (this.peek() == 34) {
          if (!this.quoted(tag)) return false;
          filter.args.push(this.last);
        } else {
          const word = this.word();
          if (word.length == 0) return this.fail(tag, "a brace can't stand in a tag; put it in quotes");
          filter.args.push(word);
        }
      }
      const why = checkFilter(filter.name, filter.args);
      if (why.length) return this.fail(tag, why);
      node.filters.push(filter);
    }
    return this.close(tag);
  }

  /** What `quoted` read. */
  private last: string = "";

  private quoted(tag: i32): bool {
    let out = "";
    this.at++;
    for (;;) {
      const c = this.peek();
      if (c < 0) return this.fail(tag, "a quoted text in this tag is not closed");
      this.at++;
      if (c == 34) break;
      if (c != 92) { out += String.fromCharCode(c); continue; }
      const e = this.peek();
      this.at++;
      if (e == 110) out += "\n";
      else if (e == 116) out += "\t";
      else if (e == 34 || e == 92) out += String.fromCharCode(e);
      else return this.fail(tag, "a backslash in quotes must stand before n, t, a quote or a backslash");
    }
    this.last = out;
    return true;
  }
}

function isBlank(c: i32): bool { return c == 32 || c == 9; }
