// A folder of text and code in many languages and of everything odd that folders hold, made from a seed: the same seed
// gives the same names and bytes. Leaves out what is done with it.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createRandom } from "./random.ts";

export interface CorpusOptions {
  seed: number;
  /** All regular files, the odd ones included; at least as many as there are odd ones. */
  files: number;
  /** A file that stands elsewhere: links in the corpus point at it and at its folder. */
  outside?: string;
}

export interface Corpus {
  folder: string;
  /** The paths that a listing has, in no order. */
  paths: string[];
  /** How many links and pipes there are besides. */
  skipped: number;
}

/** Makes the folder and all in it. What a system can't have (pipes, links, names) is left out and not counted. */
export function createCorpus(folder: string, { seed, files, outside }: CorpusOptions): Corpus {
  const random = createRandom(seed);
  const paths: string[] = [];
  let skipped = 0;
  const place = (path: string): string => {
    const full = join(folder, path);
    mkdirSync(dirname(full), { recursive: true });
    return full;
  };
  const odd = oddFiles(random);
  if (files < odd.length) throw new RangeError(`A corpus has at least ${odd.length} files, ${files} were asked for`);
  mkdirSync(folder, { recursive: true });
  for (const [path, bytes] of odd) {
    try {
      writeFileSync(place(path), bytes);
      paths.push(path);
    } catch (cause) {
      // a name that the system can't have
      if (!["EINVAL", "EILSEQ", "ENOENT", "ENAMETOOLONG"].includes((cause as { code: string }).code)) throw cause;
    }
  }
  const missing = odd.length - paths.length;
  for (let i = 0; paths.length < files - missing; i++) {
    const [ending, make] = pick(random, KINDS);
    const depth = random(4);
    const folders = Array.from({ length: depth }, () => pick(random, FOLDERS));
    const path = [...folders, `${pick(random, FOLDERS)}-${i}.${ending}`].join("/");
    writeFileSync(place(path), make(random));
    paths.push(path);
  }
  const link = (target: string, path: string): void => {
    try {
      symlinkSync(target, place(path));
      skipped++;
    } catch (cause) {
      if ((cause as { code: string }).code !== "EPERM") throw cause;
    }
  };
  if (outside) {
    link(outside, "leads out.md");
    link(dirname(outside), "guides/leads out");
  }
  link("..", "guides/loop");
  link("itself", "itself");
  link("/nowhere/at/all", "dangling.txt");
  if (spawnSync("mkfifo", [place("guides/pipe")]).status === 0) skipped++;
  return { folder, paths, skipped };
}

type Random = (below: number) => number;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)] as T;
}

const FOLDERS = ["guides", "notes", "src", "server", "recipes", "letters", "data", "old", "harbour", "orchard"];

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** How deep the deepest file stands. */
const DEPTH = 40;

/** Path and content of everything that readers stumble over. */
function oddFiles(random: Random): [string, Uint8Array][] {
  const english = LANGUAGES[0] as Language;
  const prose = (): string => paragraphs(random, english, 4);
  const binary = Uint8Array.from({ length: 3000 }, (_, i) => (i % 7 === 0 ? 0 : random(256)));
  const mebibyte = new Uint8Array(1024 * 1024);
  const piece = utf8(paragraphs(random, english, 40));
  for (let at = 0; at < mebibyte.length; at += piece.length) mebibyte.set(piece.subarray(0, mebibyte.length - at), at);
  let line = "";
  while (line.length < 200_000) line += `${sentence(random, english)} `;
  return [
    ["empty.txt", new Uint8Array()],
    ["one-byte.txt", utf8("x")],
    ["only-spaces.txt", utf8(" \n\t\n".repeat(100))],
    ["binary.bin", binary],
    ["binary-named-as-text.md", utf8(`${prose()}\0${prose()}`)],
    ["invalid-utf8.txt", Uint8Array.from([...utf8(prose()), 0xc3, 0x28, 0xff, 0xfe, ...utf8(prose())])],
    ["utf16.txt", Uint8Array.from([0xff, 0xfe, ...[...utf8(prose())].flatMap((byte) => [byte, 0])])],
    ["bom.md", Uint8Array.from([0xef, 0xbb, 0xbf, ...utf8(`# Harbour\n\n${prose()}`)])],
    ["crlf.txt", utf8(prose().replaceAll("\n", "\r\n"))],
    ["long-line.txt", utf8(line)],
    ["mebibyte.txt", mebibyte],
    ["markup.html", utf8(`<!doctype html><script>alert(1)</script><p>${prose()}</p>`)],
    ["template.md", utf8(`{{items | sum}} {{#each}} {{/items}} \${process.env} <%= x %>\n\n${prose()}`)],
    ["direction.txt", utf8(`\u202eright to left\u202c \u0007\u001b[31mred\u001b[0m\n\n${prose()}`)],
    ["name with  spaces .md", utf8(prose())],
    ["ünïcödé 日本語 🎻.md", utf8(prose())],
    ["composed-é.md", utf8(prose())],
    ["composed-e\u0301.md", utf8(prose())],
    [`"double" 'single' \`back\`.md`, utf8(prose())],
    ["-rf", utf8(prose())],
    ["--help.md", utf8(prose())],
    ["new\nline.md", utf8(prose())],
    ["[a](b) *c* | d | <e> & #f {{g}}.md", utf8(prose())],
    ["..two-points.md", utf8(prose())],
    [".hidden", utf8(prose())],
    ["~", utf8(prose())],
    ["$HOME %PATH% ;|&", utf8(prose())],
    [`${"n".repeat(252)}.md`, utf8(prose())],
    [`${"down/".repeat(DEPTH)}deep.md`, utf8(prose())],
  ];
}

interface Language {
  ending: string;
  subjects: readonly string[];
  verbs: readonly string[];
  objects: readonly string[];
  ends: readonly string[];
}

/** Words that fit each other in any combination; enough of the small ones to tell the language. */
const LANGUAGES: readonly Language[] = [
  {
    ending: "md",
    subjects: ["The harbour master", "An old sailor", "The keeper of the lighthouse", "Every captain", "The town council", "A young engineer"],
    verbs: ["has written down", "could not find", "will repair", "remembers", "often speaks about", "was looking for"],
    objects: ["the broken crane", "a map of the coast", "the winter timetable", "the letters from the north", "an engine that was made by hand", "the price of salt"],
    ends: [
      "before the ships arrive",
      "because the storm came early",
      "with the help of his neighbours",
      "and nobody asked why",
      "when the tide is low",
      "in the year of the flood",
    ],
  },
  {
    ending: "txt",
    subjects: ["Der Gärtner", "Die alte Nachbarin", "Ein Lehrer aus der Stadt", "Das kleine Orchester", "Der Bäcker an der Ecke"],
    verbs: ["hat nicht vergessen:", "sucht noch immer", "erzählt gern von", "braucht für morgen", "findet im Keller"],
    objects: ["die Schlüssel für das Gartentor", "eine Geige ohne Saiten", "das Rezept für den Apfelkuchen", "einen Brief mit grünem Siegel"],
    ends: ["und niemand weiß, warum", "weil der Winter lang war", "bevor die Gäste kommen", "wie es früher üblich war"],
  },
  {
    ending: "txt",
    subjects: ["La boulangère", "Un vieux professeur", "Le gardien du musée", "Notre voisine", "Le chef de gare"],
    verbs: ["a oublié", "cherche toujours", "raconte souvent", "n'a jamais vu", "voudrait bien réparer"],
    objects: ["la clé de la cave", "une lettre qui vient du sud", "le tableau de la grande salle", "les horaires de l'été"],
    ends: ["parce que la pluie ne cesse pas", "avant que les enfants arrivent", "et personne ne sait pourquoi", "comme on le faisait autrefois"],
  },
  {
    ending: "txt",
    subjects: ["La maestra del pueblo", "El pescador", "Mi abuela", "El dueño del taller", "Una vecina"],
    verbs: ["no ha encontrado", "siempre recuerda", "quiere arreglar", "está buscando", "nunca olvidó"],
    objects: ["la llave de la iglesia", "una carta que llegó del norte", "el reloj de la plaza", "los libros de su padre"],
    ends: ["porque el invierno fue muy largo", "antes de que lleguen los niños", "y nadie sabe por qué", "como se hacía en otros tiempos"],
  },
  {
    ending: "txt",
    subjects: ["Старый капитан", "Учительница из деревни", "Наш сосед", "Смотритель маяка"],
    verbs: ["до сих пор ищет", "часто вспоминает", "никогда не видел", "хочет починить"],
    objects: ["ключ от старого сада", "письмо с зелёной печатью", "карту северного берега", "часы на главной площади"],
    ends: ["потому что зима была долгой", "и никто не знает почему", "пока не пришли гости", "как это делали раньше"],
  },
  {
    ending: "txt",
    subjects: ["老船长", "村里的老师", "灯塔的看守人"],
    verbs: ["一直在寻找", "常常想起", "从来没有见过"],
    objects: ["花园的旧钥匙", "北方海岸的地图", "广场上的大钟"],
    ends: ["因为冬天太长了", "可是没有人知道为什么", "在客人到来之前"],
  },
];

function sentence(random: Random, { subjects, verbs, objects, ends }: Language): string {
  return `${pick(random, subjects)} ${pick(random, verbs)} ${pick(random, objects)} ${pick(random, ends)}.`;
}

function paragraphs(random: Random, language: Language, count: number): string {
  return `${Array.from({ length: count }, () => Array.from({ length: 2 + random(5) }, () => sentence(random, language)).join(" ")).join("\n\n")}\n`;
}

const WORDS = ["order", "price", "route", "tide", "engine", "letter", "ticket", "anchor", "signal", "ledger", "cargo", "berth"];

type Kind = [ending: string, make: (random: Random) => string];

const KINDS: readonly Kind[] = [
  ...LANGUAGES.map((language): Kind => [language.ending, (random) => paragraphs(random, language, random(9))]),
  [
    "ts",
    (random) =>
      repeated(
        random,
        (a, b, n) =>
          `/** Counts each ${a} of a ${b}. */\nexport function ${a}Of${b}${n}(${b}: readonly number[]): number {\n  return ${b}.reduce((sum, ${a}) => sum + ${a} * ${n}, 0);\n}\n`,
      ),
  ],
  [
    "py",
    (random) =>
      repeated(random, (a, b, n) => `def ${a}_of_${b}_${n}(${b}: list[int]) -> int:\n    """Count each ${a} of a ${b}."""\n    return sum(${a} * ${n} for ${a} in ${b})\n\n`),
  ],
  [
    "rs",
    (random) =>
      repeated(random, (a, b, n) => `/// Counts each ${a} of a ${b}.\npub fn ${a}_of_${b}_${n}(${b}: &[u32]) -> u32 {\n    ${b}.iter().map(|${a}| ${a} * ${n}).sum()\n}\n\n`),
  ],
  [
    "c",
    (random) =>
      repeated(
        random,
        (a, b, n) =>
          `/* Counts each ${a} of a ${b}. */\nint ${a}_of_${b}_${n}(const int *${b}, size_t count) {\n  int sum = 0;\n  for (size_t i = 0; i < count; i++) sum += ${b}[i] * ${n};\n  return sum;\n}\n\n`,
      ),
  ],
  [
    "csv",
    (random) =>
      `${["id", ...WORDS.slice(0, 4)].join(",")}\n${Array.from({ length: random(60) }, (_, i) => [i, ...WORDS.slice(0, 4).map(() => random(1000))].join(",")).join("\n")}\n`,
  ],
  [
    "json",
    (random) =>
      `${JSON.stringify(Object.fromEntries(WORDS.slice(0, 1 + random(WORDS.length)).map((word) => [word, Array.from({ length: random(9) }, () => random(1e6))])), null, 2)}\n`,
  ],
];

function repeated(random: Random, one: (a: string, b: string, n: number) => string): string {
  return Array.from({ length: 1 + random(12) }, () => one(pick(random, WORDS), pick(random, WORDS), random(100))).join("");
}
