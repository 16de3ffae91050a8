// Languages that their script tells, or their script and a few letters.
import { Guess, guessLatin, isLatin, lettersOnly } from "./latin";

const enum Script { Latin, Cyrillic, Greek, Arabic, Hebrew, Han, Kana, Hangul, Devanagari, Thai, Count }

const LETTERS_LEAST = 3;

/** The language of prose. */
export function guessProse(text: string): Guess {
  const letters = new StaticArray<i32>(Script.Count);
  for (let i = 0; i < text.length; i++) {
    const script = scriptOf(text.charCodeAt(i));
    if (script >= 0) letters[script]++;
  }
  // one sign of these stands for several letters
  const east = (letters[Script.Han] + letters[Script.Kana]) * 3 + letters[Script.Hangul] * 2;
  let all = east;
  let best: i32 = Script.Latin;
  for (let i = 0; i < Script.Count; i++) {
    if (i == Script.Han || i == Script.Kana || i == Script.Hangul) continue;
    all += letters[i];
    if (letters[i] > letters[best]) best = i;
  }
  const und = new Guess("und", "Undetermined", 0);
  if (all < LETTERS_LEAST) return und;
  if (east > letters[best]) {
    const share = <f64>east / all;
    if (letters[Script.Hangul] > letters[Script.Han] + letters[Script.Kana]) return new Guess("ko", "Korean", share);
    // Chinese quotes a Japanese name now and then; Japanese can't do without kana
    const kana = <f64>letters[Script.Kana] / (letters[Script.Han] + letters[Script.Kana]);
    return kana > 0.05 ? new Guess("ja", "Japanese", share) : new Guess("zh", "Chinese", share * (letters[Script.Han] < 4 ? 0.7 : 1));
  }
  const share = <f64>letters[best] / all;
  if (best == Script.Latin) {
    const guess = guessLatin(lettersOnly(text));
    guess.confidence *= share;
    return guess;
  }
  if (letters[best] < LETTERS_LEAST) return und;
  if (best == Script.Cyrillic) return cyrillic(text, share);
  if (best == Script.Greek) return new Guess("el", "Greek", share);
  if (best == Script.Hebrew) return new Guess("he", "Hebrew", share);
  if (best == Script.Devanagari) return new Guess("hi", "Hindi", share);
  if (best == Script.Thai) return new Guess("th", "Thai", share);
  return new Guess("ar", "Arabic", share);
}

function scriptOf(c: i32): i32 {
  if (c < 0x370) return isLatin(c) ? Script.Latin : -1;
  if (c < 0x400) return Script.Greek;
  if (c < 0x530) return Script.Cyrillic;
  if (c >= 0x590 && c < 0x600) return Script.Hebrew;
  if ((c >= 0x620 && c < 0x660) || (c >= 0x66e && c < 0x6d4) || (c >= 0x750 && c < 0x780) || (c >= 0xfb50 && c < 0xfe00) || (c >= 0xfe70 && c < 0xfeff)) return Script.Arabic;
  if (c >= 0x900 && c < 0x980) return Script.Devanagari;
  if (c >= 0xe00 && c < 0xe80) return Script.Thai;
  if (c >= 0x1e00 && c < 0x1f00) return Script.Latin;
  if (c >= 0x1f00 && c < 0x2000) return Script.Greek;
  if (c >= 0x3041 && c < 0x3100 && c != 0x30fb) return Script.Kana;
  if ((c >= 0x3400 && c < 0xa000) || (c >= 0xf900 && c < 0xfb00)) return Script.Han;
  return (c >= 0xac00 && c < 0xd7b0) || (c >= 0x1100 && c < 0x1200) ? Script.Hangul : -1;
}

/** Russian and Ukrainian by the letters and the short words that only one of them has. */
function cyrillic(text: string, share: f64): Guess {
  let russian: f64 = 0, ukrainian: f64 = 0;
  const lower = text.toLowerCase();
  let word = "";
  for (let i = 0; i <= lower.length; i++) {
    const c = i < lower.length ? lower.charCodeAt(i) : 32;
    if (c >= 0x400 && c < 0x530) {
      // ы э ъ ё against і ї є ґ
      if (c == 0x44b || c == 0x44d || c == 0x44a || c == 0x451) russian += 1;
      else if (c == 0x456 || c == 0x457 || c == 0x454 || c == 0x491) ukrainian += 1;
      if (word.length < 8) word += String.fromCharCode(c);
      continue;
    }
    if (RUSSIAN.includes(word)) russian += 1;
    else if (UKRAINIAN.includes(word)) ukrainian += 1;
    word = "";
  }
  if (russian == ukrainian) return new Guess("ru", "Russian", share * 0.5);
  const most = max(russian, ukrainian);
  const confidence = share * (most + 0.5) / (russian + ukrainian + 1);
  return russian > ukrainian ? new Guess("ru", "Russian", confidence) : new Guess("uk", "Ukrainian", confidence);
}

const RUSSIAN: string[] = ["и", "что", "как", "это", "но", "или", "только", "был", "если", "для", "от", "когда", "очень", "ещё", "уже", "где", "есть", "привет", "мир", "он", "она"];
const UKRAINIAN: string[] = ["та", "що", "як", "це", "але", "або", "від", "був", "якщо", "коли", "дуже", "ще", "вже", "де", "й", "привіт", "він", "вона"];
