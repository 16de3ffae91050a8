// Fills a text template with JSON. Syntax in parse.ts, filters in filters.ts; knows nothing of HTML and escapes nothing
// unless a filter says so.
import { Call, ErrorKind, Value, writeArtifact } from "symphony";
import { Json, JsonKind, TextBuilder, parseJson } from "symphony/json";
import { parseTemplate } from "./parse";
import { Frame, OUTPUT_UNITS_MAX, Renderer } from "./render";

export function process(call: Call): void {
  const template = parseTemplate(call.text("template"));
  if (template.fault.length) {
    call.fail(ErrorKind.InvalidSettings, "template.syntax", `Cannot read the template at line ${template.faultLine}, column ${template.faultColumn}: ${template.fault}.`, "template");
    return;
  }
  const frames: Frame[] = [];
  if (call.has("items")) {
    const items = call.input("items").items;
    const list: Json[] = [];
    for (let i = 0; i < items.length; i++) {
      const item = parse(call, items[i].text, "items");
      if (!item) return;
      list.push(item);
    }
    const outer = new Json(JsonKind.Object);
    outer.put("items", Json.array(list));
    frames.push(new Frame(outer));
  }
  if (call.has("data")) {
    const data = parse(call, call.input("data").text, "data");
    if (!data) return;
    frames.push(new Frame(data));
  }
  const out = new TextBuilder();
  const renderer = new Renderer(out, frames);
  renderer.render(template.nodes);
  if (renderer.full) {
    call.fail(ErrorKind.Limit, "template.too-long", `The filled template is longer than ${OUTPUT_UNITS_MAX} characters; give it fewer items, or a shorter template.`, "template");
    return;
  }
  const text = out.toString();
  if (call.text("as") == "text") {
    call.output("text", Value.text(text));
    return;
  }
  const written = writeArtifact(call.text("mediaType"), Uint8Array.wrap(String.UTF8.encode(text)));
  if (written.fault) call.fault = written.fault;
  else call.output("document", written.value);
}

function parse(call: Call, text: string, port: string): Json | null {
  const result = parseJson(text);
  if (!result.value) call.fail(ErrorKind.InvalidInput, "template.json", `Cannot read ${port} as JSON at character ${result.offset}; it may be nested deeper than 256.`, port);
  return result.value;
}
