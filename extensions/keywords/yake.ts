// Keywords by features of the text itself: R. Campos, V. Mangaravite, A. Pasquali, A. Jorge, C. Nunes, A. Jatowt, "YAKE!
// Keyword extraction from single documents using multiple local features", Information Sciences 509 (2020). Lower scores
// are better. Differs from it in what counts as one word (tokens.ts) and in how near duplicates are told (index.ts).
import { StopWords } from "./stop-words";
import { Token } from "./tokens";

class Word {
  count: i32 = 0;
  capitals: i32 = 0;
  acronyms: i32 = 0;
  /** Numbers of the sentences, rising, each once. */
  sentences: i32[] = [];
  /** Distinct and all neighbours on each side. */
  leftKinds: i32 = 0;
  leftAll: i32 = 0;
  rightKinds: i32 = 0;
  rightAll: i32 = 0;
  stop: bool = false;
  score: f64 = 0;
  constructor(public text: string) {}
}

export class Candidate {
  constructor(public score: f64, public count: i32, /** Of the token that shows it best, and how many words it has. */ public token: i32, public words: i32) {}
}

export class Yake {
  private words: Word[] = [];
  private ids: StaticArray<i32>;
  private pairs: Map<i64, i32> = new Map<i64, i32>();

  constructor(private text: string, private tokens: Token[], sentences: i32, stop: StopWords) {
    const numbers = new Map<string, i32>();
    this.ids = new StaticArray<i32>(tokens.length);
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i];
      if (!numbers.has(token.word)) {
        numbers.set(token.word, this.words.length);
        const made = new Word(token.word);
        const acronym = isAcronym(text, token);
        // two letters name something only as an acronym
        made.stop = stop.has(token.word) || (token.word.length < 3 && !acronym && token.word.charCodeAt(0) < 0x0e00);
        this.words.push(made);
      }
      const id = numbers.get(token.word);
      unchecked(this.ids[i] = id);
      this.count(i, id);
    }
    this.scoreWords(sentences);
  }

  private count(i: i32, id: i32): void {
    const token = this.tokens[i];
    const word = this.words[id];
    word.count++;
    if (isAcronym(this.text, token)) word.acronyms++;
    else if (!token.opens && isCapital(this.text.charAt(token.from))) word.capitals++;
    const places = word.sentences;
    if (places.length == 0 || places[places.length - 1] != token.sentence) places.push(token.sentence);
    if (i == 0 || !token.joined) return;
    const before = this.ids[i - 1];
    const left = this.words[before];
    const key = (<i64>before << 32) | id;
    const seen = this.pairs.has(key) ? this.pairs.get(key) : 0;
    this.pairs.set(key, seen + 1);
    if (seen == 0) { left.rightKinds++; word.leftKinds++; }
    left.rightAll++;
    word.leftAll++;
  }

  private scoreWords(sentences: i32): void {
    let most = 1, kinds = 0;
    let sum: f64 = 0, squares: f64 = 0;
    for (let i = 0; i < this.words.length; i++) {
      const word = this.words[i];
      most = max(most, word.count);
      if (word.stop) continue;
      kinds++;
      sum += word.count;
      squares += <f64>word.count * word.count;
    }
    const mean = kinds ? sum / kinds : 1;
    const spread = kinds ? Math.sqrt(max(0, squares / kinds - mean * mean)) : 0;
    for (let i = 0; i < this.words.length; i++) {
      const word = this.words[i];
      const count = <f64>word.count;
      const casing = <f64>max(word.capitals, word.acronyms) / (1 + Math.log(count));
      const middle = word.sentences[word.sentences.length >> 1];
      const position = Math.log(Math.log(3 + <f64>middle));
      const frequency = count / (mean + spread);
      const left = word.leftAll ? <f64>word.leftKinds / word.leftAll : 0;
      const right = word.rightAll ? <f64>word.rightKinds / word.rightAll : 0;
      const relatedness = 1 + (left + right) * (count / most);
      const spreadOver = <f64>word.sentences.length / max(1, sentences);
      word.score = relatedness * position / (casing + frequency / relatedness + spreadOver / relatedness);
    }
  }

  /** Every phrase of up to `most` words that neither begins nor ends with a stop word, the best first. */
  candidates(most: i32): Candidate[] {
    // a trie of phrases: a child is found by its parent's place and the word, so that no phrase is a string
    const children = new Map<i64, i32>();
    const counts: i32[] = [0];
    const shown: i32[] = [0];
    const lengths: i32[] = [0];
    const tokens = this.tokens;
    for (let i = 0; i < tokens.length; i++) {
      if (this.words[this.ids[i]].stop) continue;
      let place = 0;
      for (let n = 0; n < most && i + n < tokens.length; n++) {
        if (n > 0 && !tokens[i + n].joined) break;
        const key = (<i64>place << 32) | this.ids[i + n];
        if (children.has(key)) place = children.get(key);
        else {
          children.set(key, counts.length);
          place = counts.length;
          counts.push(0);
          shown.push(i);
          lengths.push(n + 1);
        }
        counts[place]++;
        // a place within a sentence shows the spelling; at its beginning there is a capital for another reason
        if (tokens[shown[place]].opens && !tokens[i].opens) shown[place] = i;
      }
    }
    const out: Candidate[] = [];
    for (let place = 1; place < counts.length; place++) {
      const first = shown[place], words = lengths[place];
      if (this.words[this.ids[first + words - 1]].stop) continue;
      if (words > 1 && counts[place] == 1 && this.isChance(first, words)) continue;
      out.push(new Candidate(this.scorePhrase(first, words, counts[place]), counts[place], first, words));
    }
    out.sort((a, b) => a.score != b.score ? (a.score < b.score ? -1 : 1) : a.token != b.token ? a.token - b.token : b.words - a.words);
    return out;
  }

  /** Whether a phrase that stands once has a word that stands more often, and says more by itself. */
  private isChance(first: i32, words: i32): bool {
    for (let i = first; i < first + words; i++) if (this.words[this.ids[i]].count > 1) return true;
    return false;
  }

  private scorePhrase(first: i32, words: i32, count: i32): f64 {
    let product: f64 = 1;
    let sum: f64 = 0;
    for (let i = first; i < first + words; i++) {
      const word = this.words[this.ids[i]];
      if (!word.stop) {
        product *= word.score;
        sum += word.score;
        continue;
      }
      // a stop word within counts by how firmly it holds its neighbours together
      const before = this.pairs.get((<i64>this.ids[i - 1] << 32) | this.ids[i]);
      const after = this.pairs.get((<i64>this.ids[i] << 32) | this.ids[i + 1]);
      const held = (<f64>before / this.words[this.ids[i - 1]].count) * (<f64>after / this.words[this.ids[i + 1]].count);
      product *= 2 - held;
      sum -= 1 - held;
    }
    return product / (count * (1 + max(sum, -0.9)));
  }
}

function isCapital(letter: string): bool { return letter.toLowerCase() != letter; }

/** Two or more capitals, digits aside. */
function isAcronym(text: string, token: Token): bool {
  let capitals = 0;
  if (token.end - token.from > 8) return false;
  for (let i = token.from; i < token.end; i++) {
    const c = text.charCodeAt(i);
    if (c >= 48 && c <= 57) continue;
    if (!(c < 0x80 ? c >= 65 && c <= 90 : isCapital(String.fromCharCode(c)))) return false;
    capitals++;
  }
  return capitals >= 2;
}
