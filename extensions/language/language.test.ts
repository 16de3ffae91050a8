import { expect, test } from "bun:test";
import { callExtension } from "../../tests/call.ts";

async function identify(text: string, path?: string): Promise<{ language: string; name: string; confidence: number }> {
  const result = await callExtension("language", { text: { tag: "text", val: text }, ...(path ? { path: { tag: "text" as const, val: path } } : {}) });
  if ("error" in result) throw new Error(result.error.code);
  const { language, name, confidence } = Object.fromEntries([...result.outputs].map(([port, value]) => [port, (value as { val: unknown }).val])) as {
    language: string;
    name: string;
    confidence: number;
  };
  expect(confidence).toBe(Math.round(confidence * 1000) / 1000);
  return { language, name, confidence };
}

// none of these sentences is in the profiles
const prose: [string, string[]][] = [
  [
    "en",
    [
      "The committee will publish its report next week.",
      "How do I install this on my computer?",
      "good morning everyone",
      "Rust is a programming language that is fast and safe, and this file explains what changed in the last release.",
    ],
  ],
  [
    "de",
    [
      "Der Ausschuss veröffentlicht seinen Bericht nächste Woche.",
      "Wie geht es Ihnen heute?",
      "Guten Morgen zusammen, ich komme später",
      "Die Straßenbahn hatte gestern leider wieder Verspätung.",
    ],
  ],
  ["fr", ["Le comité publiera son rapport la semaine prochaine.", "Comment allez-vous aujourd'hui ?", "Je ne comprends pas ce que vous voulez dire."]],
  ["es", ["El comité publicará su informe la próxima semana.", "¿Cómo está usted hoy?", "No entiendo lo que quieres decir."]],
  ["it", ["Il comitato pubblicherà il suo rapporto la prossima settimana.", "Come stai oggi, amico mio?", "Non capisco che cosa vuoi dire."]],
  ["pt", ["O comitê publicará seu relatório na próxima semana.", "Como você está hoje?", "Não entendo o que você quer dizer."]],
  ["nl", ["De commissie publiceert volgende week haar verslag.", "Hoe gaat het vandaag met u?", "Ik begrijp niet wat je bedoelt."]],
  ["pl", ["Komisja opublikuje swój raport w przyszłym tygodniu.", "Jak się pan dzisiaj czuje?", "Nie rozumiem, co chcesz powiedzieć."]],
  ["sv", ["Kommittén kommer att publicera sin rapport nästa vecka.", "Hur mår du i dag?", "Jag förstår inte vad du menar."]],
  ["da", ["Udvalget offentliggør sin rapport i næste uge.", "Hvordan har du det i dag? Jeg håber, det går godt.", "Jeg forstår ikke, hvad du mener."]],
  ["no", ["Komiteen vil offentliggjøre rapporten sin neste uke.", "Jeg forstår ikke hva du mener.", "Hva skal vi gjøre nå som alle har gått hjem?"]],
  ["tr", ["Komite raporunu gelecek hafta yayınlayacak.", "Bugün nasılsınız?", "Ne demek istediğini anlamıyorum."]],
  ["cs", ["Výbor zveřejní svou zprávu příští týden.", "Jak se dnes máte?", "Nerozumím tomu, co chceš říct."]],
  ["fi", ["Komitea julkaisee raporttinsa ensi viikolla.", "Mitä sinulle kuuluu tänään?", "En ymmärrä mitä tarkoitat."]],
  ["hu", ["A bizottság jövő héten teszi közzé jelentését.", "Nem értem, hogy mit akarsz mondani."]],
  ["ro", ["Comitetul va publica raportul săptămâna viitoare.", "Nu înțeleg ce vrei să spui."]],
  ["ru", ["Комитет опубликует свой доклад на следующей неделе.", "Привет, мир"]],
  ["uk", ["Комітет опублікує свою доповідь наступного тижня.", "Привіт, світе"]],
  ["el", ["Η επιτροπή θα δημοσιεύσει την έκθεσή της."]],
  ["ar", ["ستنشر اللجنة تقريرها الأسبوع المقبل."]],
  ["he", ["הוועדה תפרסם את הדוח שלה בשבוע הבא."]],
  ["zh", ["委员会将于下周发表报告。", "委員會將於下週發表 GitHub 報告。"]],
  ["ja", ["委員会は来週報告書を発表します。"]],
  ["ko", ["위원회는 다음 주에 보고서를 발표할 것이다."]],
  ["hi", ["समिति अगले सप्ताह अपनी रिपोर्ट प्रकाशित करेगी।"]],
  ["th", ["คณะกรรมการจะเผยแพร่รายงานในสัปดาห์หน้า"]],
  ["en", ["# Title\n\nThis is how you build it:\n\n```ts\nconst a = 1;\nlet b = a;\nfunction c() {}\nreturn c();\n```\n\nSee https://example.org/eine/adresse for more.\n"]],
  ["und", ["", "   \n", "123 456 !!", "ok", "xqzt wvkp jjrk qqx zzxv bbdq"]],
];
for (const [language, texts] of prose)
  for (const text of texts) test(`takes ${JSON.stringify(text.slice(0, 50))} for ${language}`, async () => expect((await identify(text)).language).toBe(language));

const code: [string, string][] = [
  ["TypeScript", "import type { A } from './a';\nexport interface B {\n  name: string;\n  size: number;\n}\nexport function f(b: B): string {\n  return b.name;\n}\n"],
  ["JavaScript", "const fs = require('fs');\nfunction f(x) {\n  console.log(x);\n  return x === 1;\n}\nmodule.exports = f;\n"],
  ["Python", "import os\n\ndef read(path):\n    with open(path) as f:\n        return f.read()\n\nclass A:\n    def __init__(self):\n        self.x = None\n"],
  ["C", '#include <stdio.h>\n\nint main(void) {\n  char *s = NULL;\n  printf("%zu\\n", sizeof(s));\n  return 0;\n}\n'],
  ["Rust", "use std::fs;\n\npub fn main() {\n    let mut x = Some(1);\n    match x { _ => {} }\n}\n"],
  ["Go", 'package main\n\nimport "fmt"\n\nfunc main() {\n\tx := 1\n\tfmt.Println(x)\n}\n'],
  ["JSON", '{"a": [1, 2, {"b": null}]}'],
  ["TOML", 'id = "x"\nversion = "1"\n\n[a.b]\ntype = "text"\n'],
  ["YAML", "name: check\non: push\njobs:\n  test:\n    runs-on: linux\n    steps:\n      - uses: a\n"],
  ["Shell", "#!/bin/sh\nset -e\necho hi\n"],
  ["SQL", "SELECT a, b\nFROM t\nWHERE a = 1;\nINSERT INTO t (a) VALUES (1);\n"],
  ["HTML", "<!doctype html>\n<html><body><p>Hello there</p></body></html>"],
];
for (const [name, text] of code) test(`takes ${name} for code`, async () => expect(await identify(text)).toMatchObject({ language: "code", name }));

test("goes by the path where it tells", async () => {
  expect(await identify("Hello world", "src/a.PY")).toEqual({ language: "code", name: "Python", confidence: 1 });
  expect(await identify("const a = 1;\nlet b = 2;\nDies ist ein deutscher Satz über das Wetter.", "notes.md")).toMatchObject({ language: "de" });
  expect(await identify("Dies ist ein deutscher Satz über das Wetter.", "README")).toMatchObject({ language: "de", name: "German" });
});

test("takes a text of 3 MiB", async () =>
  expect(await identify("The weather is fine today and we are going out. ".repeat(70_000))).toMatchObject({ language: "en", confidence: 1 }));
