// Which language a text in Latin script is in: naive Bayes over groups of three letters, with the commonest words beside
// it (after W. Cavnar and J. Trenkle, "N-Gram-Based Text Categorization", 1994, and G. Grefenstette, "Comparing two
// language identification schemes", 1995).
import { PROFILES } from "./profiles";

/** A language and how sure it is, 0 to 1. */
export class Guess {
  constructor(public code: string, public name: string, public confidence: f64) {}
}

/** Weight of the share of common words, in units of the mean logarithm of a group's likelihood. */
const WORD_WEIGHT: f64 = 3.0;
/** More groups than this make no surer. */
const GROUPS_MAX: f64 = 120;
/** Neighbouring groups share letters, so that each tells less than one. */
const SHARE: f64 = 0.35;
const GROUPS_LEAST = 8;
/** A group that a sample doesn't hold counts as so many. */
const UNSEEN: f64 = 0.2;
/** Roughly how many groups a language knows. */
const GROUP_KINDS: f64 = 3000;

/** What the samples teach. */
class Model {
  /** How often each language's sample holds a group of letters. */
  groups: Map<u64, StaticArray<u16>> = new Map<u64, StaticArray<u16>>();
  totals: StaticArray<f64> = new StaticArray<f64>(PROFILES.length);
  /** A bit for each language that a word is common in. */
  words: Map<string, u32> = new Map<string, u32>();

  constructor() {
    for (let i = 0; i < PROFILES.length; i++) this.learn(i);
  }

  private learn(language: i32): void {
    const profile = PROFILES[language];
    const words = profile.words.split(" ");
    for (let i = 0; i < words.length; i++) {
      const before = this.words.has(words[i]) ? this.words.get(words[i]) : 0;
      this.words.set(words[i], before | (1 << language));
    }
    // common words stand once more, so that their groups outweigh those of rare ones
    const groups = groupsOf(" " + profile.words + " " + lettersOnly(profile.sample));
    for (let i = 0; i < groups.length; i++) {
      if (!this.groups.has(groups[i])) this.groups.set(groups[i], new StaticArray<u16>(PROFILES.length));
      this.groups.get(groups[i])[language] += 1;
    }
    this.totals[language] = groups.length;
  }
}

/** Holds the one model once a call has needed it: building it takes longer than a start function may. */
const built: Model[] = [];

/** `letters` as `lettersOnly` gives them. Code "und" when there is too little. */
export function guessLatin(letters: string): Guess {
  if (built.length == 0) built.push(new Model());
  const model = built[0];
  const count = PROFILES.length;
  const groups = groupsOf(letters);
  const scores = new StaticArray<f64>(count);
  const seen = new StaticArray<i32>(count);
  for (let i = 0; i < groups.length; i++) {
    const known = model.groups.has(groups[i]) ? model.groups.get(groups[i]) : null;
    for (let j = 0; j < count; j++) {
      const times = known ? <f64>known[j] : 0;
      if (times > 0) seen[j]++;
      scores[j] += Math.log((times + UNSEEN) / (model.totals[j] + UNSEEN * GROUP_KINDS));
    }
  }
  const words = letters.trim().split(" ");
  const hits = new StaticArray<f64>(count);
  for (let i = 0; i < words.length; i++) {
    const holders = model.words.has(words[i]) ? model.words.get(words[i]) : 0;
    // a word that several languages know tells less
    const weight = holders ? 1 / Math.sqrt(<f64>popcnt(holders)) : 0;
    for (let j = 0; j < count; j++) if (holders & (1 << j)) hits[j] += weight;
  }
  let best = 0;
  for (let j = 0; j < count; j++) {
    scores[j] = scores[j] / max(1, groups.length) + WORD_WEIGHT * hits[j] / max(1, words.length);
    if (scores[j] > scores[best]) best = j;
  }
  const und = new Guess("und", "Undetermined", 0);
  if (groups.length < GROUPS_LEAST) return und;
  // words of no language are not told from rare ones by their likelihoods, but by how few of their groups are known
  if (<f64>seen[best] / groups.length < 0.3 && hits[best] == 0) return und;
  const weight = min(<f64>groups.length, GROUPS_MAX) * SHARE;
  let sum: f64 = 0;
  for (let j = 0; j < count; j++) sum += Math.exp((scores[j] - scores[best]) * weight);
  const confidence = 1 / sum;
  return confidence < 0.5 ? und : new Guess(PROFILES[best].code, PROFILES[best].name, confidence);
}

/** Groups of three, spaces at the ends of words among them, each as one number. */
function groupsOf(letters: string): u64[] {
  const out: u64[] = [];
  for (let i = 0; i + 2 < letters.length; i++) {
    const a = letters.charCodeAt(i), b = letters.charCodeAt(i + 1), c = letters.charCodeAt(i + 2);
    if (b == 32) continue;
    out.push((<u64>a << 32) | (<u64>b << 16) | <u64>c);
  }
  return out;
}

/** Small Latin letters, with one space for everything between them, at the beginning and at the end. */
export function lettersOnly(text: string): string {
  const lower = text.toLowerCase();
  const units = new Array<i32>();
  units.push(32);
  for (let i = 0; i < lower.length; i++) {
    const c = lower.charCodeAt(i);
    if (isLatin(c)) units.push(c);
    // "don't" and "c'est" are one word; typographic marks too
    else if ((c == 39 || c == 0x2019) && i > 0 && isLatin(lower.charCodeAt(i - 1))) units.push(39);
    else if (units[units.length - 1] != 32 && c != 0x307) units.push(32);
  }
  if (units[units.length - 1] != 32) units.push(32);
  return String.fromCharCodes(units);
}

export function isLatin(c: i32): bool {
  return ((c | 32) >= 97 && (c | 32) <= 122) || (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) || (c >= 0x1e00 && c <= 0x1eff);
}
