// TextRank over sentences (Mihalcea and Tarau, TextRank: Bringing Order into Texts, 2004), with the cosine of TF-IDF
// weights as similarity, and a choice that passes over what was said already.
import { stopWordsFor, wordsOf } from "./words";

const DAMPING: f64 = 0.85;
const CHANGE_LEAST: f64 = 1e-6;
const ROUNDS_MAX = 50;
/** A sentence closer than this to a chosen one adds nothing. */
const SIMILARITY_MAX: f64 = 0.6;

/** A sentence's terms by rising number, with weights whose squares add up to 1. */
class Terms {
  ids: i32[] = [];
  weights: f64[] = [];
}

/** Indices of the best `most` sentences, in rising order. */
export function rank(sentences: string[], most: i32): i32[] {
  const terms = termsOf(sentences);
  const count = sentences.length;
  const likeness = new StaticArray<f64>(count * count);
  const sums = new StaticArray<f64>(count);
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const value = cosine(terms[i], terms[j]);
      likeness[i * count + j] = value;
      likeness[j * count + i] = value;
      sums[i] += value;
      sums[j] += value;
    }
  }
  const scores = iterate(likeness, sums, count);

  const order: Scored[] = [];
  for (let i = 0; i < count; i++) order.push(new Scored(i, scores[i]));
  order.sort((a, b) => a.score != b.score ? (a.score > b.score ? -1 : 1) : a.index - b.index);
  const chosen: i32[] = [];
  for (let i = 0; i < count && chosen.length < most; i++) {
    const candidate = order[i].index;
    let said = false;
    for (let j = 0; j < chosen.length && !said; j++) said = likeness[candidate * count + chosen[j]] > SIMILARITY_MAX || sentences[candidate] == sentences[chosen[j]];
    if (!said) chosen.push(candidate);
  }
  chosen.sort((a, b) => a - b);
  return chosen;
}

class Scored {
  constructor(public index: i32, public score: f64) {}
}

function iterate(likeness: StaticArray<f64>, sums: StaticArray<f64>, count: i32): StaticArray<f64> {
  let scores = new StaticArray<f64>(count);
  let next = new StaticArray<f64>(count);
  for (let i = 0; i < count; i++) scores[i] = 1;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    let change: f64 = 0;
    for (let i = 0; i < count; i++) {
      let sum: f64 = 0;
      const row = i * count;
      for (let j = 0; j < count; j++) {
        const weight = likeness[row + j];
        if (weight > 0) sum += (weight / sums[j]) * scores[j];
      }
      next[i] = 1 - DAMPING + DAMPING * sum;
      change = max(change, Math.abs(next[i] - scores[i]));
    }
    const old = scores;
    scores = next;
    next = old;
    if (change < CHANGE_LEAST) break;
  }
  return scores;
}

function termsOf(sentences: string[]): Terms[] {
  const words: string[][] = [];
  const all: string[] = [];
  for (let i = 0; i < sentences.length; i++) {
    const these = wordsOf(sentences[i]);
    words.push(these);
    for (let j = 0; j < these.length; j++) all.push(these[j]);
  }
  const stop = stopWordsFor(all);
  const numbers = new Map<string, i32>();
  const holders: i32[] = [];
  const out: Terms[] = [];
  for (let i = 0; i < words.length; i++) {
    const ids: i32[] = [];
    for (let j = 0; j < words[i].length; j++) {
      const word = words[i][j];
      if (stop.has(word) || (word.length == 1 && word.charCodeAt(0) < 0x2e80)) continue;
      if (!numbers.has(word)) { numbers.set(word, holders.length); holders.push(0); }
      ids.push(numbers.get(word));
    }
    ids.sort((a, b) => a - b);
    const terms = new Terms();
    for (let j = 0; j < ids.length; j++) {
      if (j > 0 && ids[j] == ids[j - 1]) { terms.weights[terms.weights.length - 1] += 1; continue; }
      terms.ids.push(ids[j]);
      terms.weights.push(1);
      holders[ids[j]]++;
    }
    out.push(terms);
  }
  for (let i = 0; i < out.length; i++) {
    const terms = out[i];
    let squares: f64 = 0;
    for (let j = 0; j < terms.ids.length; j++) {
      const weight = terms.weights[j] * Math.log(1 + <f64>sentences.length / holders[terms.ids[j]]);
      terms.weights[j] = weight;
      squares += weight * weight;
    }
    const length = Math.sqrt(squares);
    for (let j = 0; j < terms.ids.length; j++) terms.weights[j] /= length;
  }
  return out;
}

function cosine(a: Terms, b: Terms): f64 {
  let sum: f64 = 0;
  let i = 0, j = 0;
  while (i < a.ids.length && j < b.ids.length) {
    const left = a.ids[i], right = b.ids[j];
    if (left == right) sum += a.weights[i++] * b.weights[j++];
    else if (left < right) i++;
    else j++;
  }
  return sum;
}
