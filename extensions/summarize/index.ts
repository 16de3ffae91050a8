// Extractive summaries by TextRank: splits, ranks, and gives the best sentences in the order of the text.
import { Call, ErrorKind, Value } from "symphony";
import { commentsOf, isCode } from "./code";
import { Outline } from "./markdown";
import { rank } from "./rank";
import { splitSentences } from "./sentences";
import { hasWords } from "./words";

/** A sentence with fewer words, or one that only announces a list, is no summary unless there are no others. */
const WORDS_LEAST = 4;

export function process(call: Call): void {
  if (!call.has("text") && !call.has("parts")) {
    call.fail(ErrorKind.InvalidInput, "summarize.nothing", "Neither text nor parts is fed; connect one of them.", "text");
    return;
  }
  const sentences: string[] = [];
  const spare: string[] = [];
  if (call.has("text")) collect(call.input("text").text, sentences, spare);
  const parts = call.has("parts") ? call.input("parts").items : [];
  for (let i = 0; i < parts.length; i++) collect(parts[i].text, sentences, spare);

  const considered = thin(substantial(sentences.length ? sentences : spare), <i32>call.number("maxSentences"));
  const chosen = rank(considered, <i32>call.number("sentences"));
  const values: Value[] = [];
  const texts: string[] = [];
  for (let i = 0; i < chosen.length; i++) {
    texts.push(considered[chosen[i]]);
    values.push(Value.text(considered[chosen[i]]));
  }
  call.output("summary", Value.text(texts.join(" ")));
  call.output("sentences", Value.items(values));
}

/** Adds a text's sentences, and to `spare` what serves when nothing has any: headings, then code. */
function collect(text: string, sentences: string[], spare: string[]): void {
  const outline = new Outline(text);
  if (isCode(outline.prose)) {
    const comments = commentsOf(text);
    for (let i = 0; i < comments.length; i++) splitSentences(comments[i], sentences);
    return;
  }
  for (let i = 0; i < outline.blocks.length; i++) splitSentences(outline.blocks[i], sentences);
  for (let i = 0; i < outline.headings.length; i++) spare.push(outline.headings[i]);
  const comments = commentsOf(outline.fenced);
  for (let i = 0; i < comments.length; i++) splitSentences(comments[i], spare);
}

function substantial(sentences: string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < sentences.length; i++) if (!sentences[i].endsWith(":") && hasWords(sentences[i], WORDS_LEAST)) out.push(sentences[i]);
  return out.length ? out : sentences;
}

/** At most `most` of the sentences, at even distances. */
function thin(sentences: string[], most: i32): string[] {
  const count = sentences.length;
  if (count <= most) return sentences;
  const out: string[] = [];
  for (let i = 0; i < most; i++) out.push(sentences[<i32>(<i64>i * count / most)]);
  return out;
}
