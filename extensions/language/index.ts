// Names the language of a text: source code by path or look (code.ts), other scripts (scripts.ts), Latin (latin.ts).
import { Call, Value } from "symphony";
import { TextBuilder } from "symphony/json";
import { Place, guessCode, guessPath } from "./code";
import { Guess } from "./latin";
import { guessProse } from "./scripts";

/** More text makes no surer. */
const UNITS_MAX = 65536;

export function process(call: Call): void {
  const text = call.input("text").text.substring(0, UNITS_MAX);
  const guess = guessText(text, call.has("path") ? call.input("path").text : "");
  const certain = guess.code != "und";
  call.output("language", Value.text(guess.code));
  call.output("name", Value.text(guess.name));
  call.output("confidence", Value.number(certain ? Math.round(min(guess.confidence, 1) * 1000) / 1000 : 0));
}

function guessText(text: string, path: string): Guess {
  const place = guessPath(path);
  if (place.place == Place.Code) return new Guess("code", place.name, 1);
  const unfenced = withoutFences(text);
  if (place.place == Place.Unknown) {
    const code = guessCode(unfenced);
    if (code) return code;
  }
  return guessProse(withoutMarks(unfenced));
}

function withoutFences(text: string): string {
  if (!text.includes("```") && !text.includes("~~~")) return text;
  const out = new TextBuilder();
  const lines = text.split("\n");
  let fence = "";
  for (let i = 0; i < lines.length; i++) {
    const start = lines[i].trimStart();
    if (fence.length) {
      if (start.startsWith(fence)) fence = "";
    } else if (start.startsWith("```") || start.startsWith("~~~")) fence = start.substring(0, 3);
    else {
      out.text(lines[i]);
      out.unit(10);
    }
  }
  return out.toString();
}

/** Without inline code, addresses, and what stands between < and >. */
function withoutMarks(text: string): string {
  const out = new TextBuilder();
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const words = lines[i].split(" ");
    let quoted = false;
    for (let j = 0; j < words.length; j++) {
      const word = words[j];
      const marks = word.split("`").length - 1;
      const within = quoted || marks > 0;
      if (marks % 2 == 1) quoted = !quoted;
      if (within || word.includes("://") || word.includes("@") || (word.startsWith("<") && word.endsWith(">"))) continue;
      out.text(word);
      out.unit(32);
    }
    out.unit(10);
  }
  return out.toString();
}
