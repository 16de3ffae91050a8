// Names that people and programs share: identifiers of extensions, nodes, ports, settings, secrets. Pure.

/** 1 to 128 letters, digits, '-' and '_'; not `__proto__`, which is no key of its own in JavaScript. */
export const IDENTIFIER = /^(?!__proto__$)[A-Za-z0-9_-]{1,128}$/;
export const IDENTIFIER_SAYS = "1 to 128 letters, digits, '-' and '_'";

/** Letters of other scripts that look like ours, by the letter that they look like. */
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  a: "аαạӓ",
  c: "сϲ",
  d: "ԁ",
  e: "еҽεẹ",
  g: "ɡ",
  h: "һ",
  i: "іıɩ",
  j: "ј",
  k: "κ",
  l: "ӏⅼ",
  n: "ո",
  o: "оοօ೦",
  p: "рρ",
  q: "ԛ",
  s: "ѕ",
  u: "υս",
  v: "νѵ",
  w: "ԝ",
  x: "хⅹ",
  y: "уү",
  A: "АΑ",
  B: "ВΒ",
  C: "СϹ",
  E: "ЕΕ",
  H: "НΗ",
  I: "ІΙ",
  K: "КΚ",
  M: "МΜ",
  N: "Ν",
  O: "ОΟ",
  P: "РΡ",
  T: "ТΤ",
  X: "ХΧ",
  Y: "Υ",
  Z: "Ζ",
  "-": "‐‑‒–—−",
  _: "＿",
};

/** Why a text is no identifier, with the first letter that is to blame; undefined when it is one. */
export function identifierFault(text: string): string | undefined {
  if (IDENTIFIER.test(text)) return undefined;
  if (text === "") return `it is empty; expected ${IDENTIFIER_SAYS}`;
  if (text === "__proto__") return '"__proto__" has a meaning of its own; choose another name';
  for (const letter of text) {
    if (/[A-Za-z0-9_-]/.test(letter)) continue;
    const code = `U+${(letter.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}`;
    const alike = Object.keys(LOOKS_LIKE).find((plain) => LOOKS_LIKE[plain]?.includes(letter)) ?? plainForm(letter);
    const shown = /[\p{C}\p{Z}\p{M}]/u.test(letter) ? code : `${JSON.stringify(letter)} (${code})`;
    return alike ? `it holds ${shown}, which only looks like ${JSON.stringify(alike)}; write that one` : `it holds ${shown}; expected ${IDENTIFIER_SAYS}`;
  }
  return `it has ${text.length} letters; expected ${IDENTIFIER_SAYS}`;
}

/** The letter that full-width and ornamental forms stand for. */
function plainForm(letter: string): string | undefined {
  const plain = letter.normalize("NFKD").replace(/\p{M}/gu, "");
  return /^[A-Za-z0-9_-]$/.test(plain) ? plain : undefined;
}

/** Equal for identifiers that a person may take for each other: case, `-` and `_`, 0 and o, 1, l and i, rn and m, vv and w. */
export function looksOf(identifier: string): string {
  return identifier.toLowerCase().replaceAll("_", "-").replaceAll("0", "o").replaceAll(/[1i]/g, "l").replaceAll("rn", "m").replaceAll("vv", "w").replaceAll("5", "s");
}

/** Characters that steer a terminal, hide, or turn the direction of writing; none of them may stand in words for people. */
export const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/u;
