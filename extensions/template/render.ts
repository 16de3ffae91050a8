// Fills a parsed template. A name is looked for in the innermost section's value first, then outwards; the rest of a
// path only below what its first name found.
import { Json, JsonKind, TextBuilder } from "symphony/json";
import { applyFilter, print, step } from "./filters";
import { Node, NodeKind } from "./parse";

/** A filled template may be this long; nested lists multiply quickly. */
export const OUTPUT_UNITS_MAX = 8388608;

/** What a section stands on. */
export class Frame {
  /** From 1 within a list; 0 outside of one. */
  index: i32 = 0;
  /** The item's own key, or the name of the section. */
  key: string = "";
  constructor(public value: Json) {}
}

export class Renderer {
  /** The output reached its limit; what was written is cut. */
  full: bool = false;
  constructor(private out: TextBuilder, private frames: Frame[]) {}

  /** Recursion is bounded by the parser's NESTING_MAX. */
  render(nodes: Node[]): void {
    for (let i = 0; i < nodes.length && !this.full; i++) {
      const node = nodes[i];
      if (node.kind == NodeKind.Text) this.out.text(node.text);
      else {
        const value = this.evaluate(node);
        if (node.kind == NodeKind.Value) this.out.text(print(value));
        else if (node.kind == NodeKind.Section) { if (value && isTruthy(value)) this.section(node, value); }
        else if (!value || !isTruthy(value)) this.render(node.children);
      }
      if (this.out.length > OUTPUT_UNITS_MAX) this.full = true;
    }
  }

  private section(node: Node, value: Json): void {
    const list = value.kind == JsonKind.Array;
    const count = list ? value.items.length : 1;
    for (let i = 0; i < count && !this.full; i++) {
      const frame = new Frame(list ? value.items[i] : value);
      frame.index = list ? i + 1 : 0;
      const key = frame.value.kind == JsonKind.Object ? frame.value.get("key") : null;
      frame.key = list && key && key.kind == JsonKind.String ? key.text : node.path[node.path.length - 1];
      this.frames.push(frame);
      this.render(node.children);
      this.frames.pop();
    }
  }

  private evaluate(node: Node): Json | null {
    let value = node.literal ? Json.string(node.text) : this.find(node.path);
    for (let i = 0; i < node.filters.length; i++) value = applyFilter(value, node.filters[i].name, node.filters[i].args);
    return value;
  }

  private find(path: string[]): Json | null {
    const frames = this.frames;
    const first = path[0];
    if (first == ".") return frames.length ? frames[frames.length - 1].value : null;
    if (first == "@index" || first == "@key") {
      for (let i = frames.length - 1; i >= 0; i--) {
        if (first == "@index" && frames[i].index) return Json.number(frames[i].index);
        if (first == "@key" && frames[i].key.length) return Json.string(frames[i].key);
      }
      return null;
    }
    let found: Json | null = null;
    for (let i = frames.length - 1; i >= 0 && !found; i--) found = step(frames[i].value, first);
    for (let i = 1; i < path.length && found; i++) found = step(found, path[i]);
    return found;
  }
}

/** Missing, null, false, 0, an empty text and an empty list are not. */
function isTruthy(value: Json): bool {
  switch (value.kind) {
    case JsonKind.Null: return false;
    case JsonKind.Boolean: return value.flag;
    case JsonKind.String: return value.text.length > 0;
    case JsonKind.Array: return value.items.length > 0;
    case JsonKind.Number: return parseFloat(value.text) != 0;
    default: return true;
  }
}
