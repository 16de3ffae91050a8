// The keywords of a text: words (tokens.ts), their scores (yake.ts), and a choice without near duplicates.
import { Call, Value } from "symphony";
import { Json, JsonKind, stringify } from "symphony/json";
import { StopWords } from "./stop-words";
import { Token, Tokens, isCode } from "./tokens";
import { Candidate, Yake } from "./yake";

/** More words than this are thinned: whole sentences at even distances, so that memory stays bounded. */
const WORDS_MAX = 120000;

export function process(call: Call): void {
  const text = call.input("text").text;
  const all = new Tokens(text);
  const tokens = thin(all.list);
  const language = call.has("language") ? call.input("language").text : "";
  const words: string[] = [];
  for (let i = 0; i < min(tokens.length, 20000); i++) words.push(tokens[i].word);
  const yake = new Yake(text, tokens, all.sentences, new StopWords(language, isCode(text), words));
  const candidates = yake.candidates(<i32>call.number("maxWords"));

  const chosen = choose(tokens, candidates, <i32>call.number("count"));
  const values: Value[] = [];
  const scored: Json[] = [];
  for (let i = 0; i < chosen.length; i++) {
    const keyword = shown(text, tokens, chosen[i].candidate);
    values.push(Value.text(keyword));
    const one = new Json(JsonKind.Object);
    one.put("keyword", Json.string(keyword));
    one.put("score", Json.number(chosen[i].score > 0 ? Math.round(chosen[0].score / chosen[i].score * 10000) / 10000 : 1));
    scored.push(one);
  }
  call.output("keywords", Value.items(values));
  call.output("scored", Value.json(stringify(Json.array(scored))));
}

class Choice {
  /** As it was when it was chosen: a phrase that takes a word's place takes its score too. */
  score: f64;
  constructor(public candidate: Candidate, public stems: string) { this.score = candidate.score; }
}

/**
 * The best candidates of which none contains another. A phrase that stands for at least half of what its word stands for
 * takes the place of the word.
 */
function choose(tokens: Token[], candidates: Candidate[], most: i32): Choice[] {
  const chosen: Choice[] = [];
  for (let i = 0; i < candidates.length; i++) {
    if (chosen.length == most && i > most * LOOK_AHEAD) break;
    const candidate = candidates[i];
    const stems = stemsOf(tokens, candidate);
    let said = false;
    for (let j = 0; j < chosen.length; j++) {
      const other = chosen[j];
      if (!other.stems.includes(stems) && !stems.includes(other.stems)) continue;
      if (!said && other.candidate.words < candidate.words && candidate.count > 1 && candidate.count * 2 >= other.candidate.count) {
        other.candidate = candidate;
        other.stems = stems;
      }
      said = true;
    }
    if (!said && chosen.length < most) chosen.push(new Choice(candidate, stems));
  }
  return chosen;
}

/** Candidates for each keyword that are looked at for a longer phrase. */
const LOOK_AHEAD = 20;

function thin(tokens: Token[]): Token[] {
  if (tokens.length <= WORDS_MAX) return tokens;
  const every = tokens.length / WORDS_MAX + 1;
  const out: Token[] = [];
  let kept = -1;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token.sentence % every != 0) continue;
    if (kept != i - 1) token.joined = false;
    kept = i;
    if (out.length < WORDS_MAX) out.push(token);
  }
  return out;
}

/** A candidate's words between spaces, without a plural's s: what contains it or is contained in it says the same. */
function stemsOf(tokens: Token[], candidate: Candidate): string {
  let out = " ";
  for (let i = candidate.token; i < candidate.token + candidate.words; i++) {
    const word = tokens[i].word;
    out += (word.length > 3 && word.endsWith("s") && !word.endsWith("ss") ? word.substring(0, word.length - 1) : word) + " ";
  }
  return out;
}

function shown(text: string, tokens: Token[], candidate: Candidate): string {
  const words: string[] = [];
  for (let i = candidate.token; i < candidate.token + candidate.words; i++) words.push(text.substring(tokens[i].from, tokens[i].end));
  return words.join(" ");
}
