// `symphony ext new`: the beginning of an extension in a language: manifest, source, a case that passes, and a README.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { identifierFault, SymphonyError } from "../../runtime/mod.ts";
import { near } from "../../runtime/near.ts";
import { type Parsed, text, usage } from "../args.ts";
import { write } from "../print.ts";

const LANGUAGES = ["assemblyscript", "javascript", "typescript", "c", "rust"] as const;
type Language = (typeof LANGUAGES)[number];
const SHORT: Readonly<Record<string, Language>> = { as: "assemblyscript", js: "javascript", ts: "typescript", rs: "rust" };

export function createExtension([name, ...more]: readonly string[], values: Parsed["values"]): number {
  if (name === undefined || more.length > 0)
    throw usage(name === undefined ? "Cannot begin an extension: no name is given" : `Cannot begin several extensions at once: ${name}, ${more.join(", ")}`, "ext");
  const folder = resolve(name);
  const id = basename(folder);
  const why = identifierFault(id);
  if (why) throw usage(`Cannot call an extension ${JSON.stringify(id)}: ${why}`, "ext");
  const wanted = text(values["language"]) ?? "assemblyscript";
  const language = SHORT[wanted] ?? (LANGUAGES as readonly string[]).find((one) => one === wanted);
  if (!language)
    throw usage(
      `Cannot write an extension in ${JSON.stringify(wanted)}: expected ${LANGUAGES.join(", ")}${near(wanted, LANGUAGES)}; components of other tools can be used too (docs/extensions.md)`,
      "ext",
    );
  const kind = text(values["kind"]) ?? "operator";
  if (kind !== "operator" && kind !== "instrument") throw usage(`Cannot begin ${JSON.stringify(kind)}: expected operator or instrument`, "ext");
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new SymphonyError("cli/io", `Cannot begin an extension in ${JSON.stringify(folder)}: the folder isn't empty`);
  const files: Record<string, string> = {
    "manifest.toml": manifest(id, kind),
    "cases/greets.json": `${JSON.stringify({ inputs: { text: "world" }, settings: { marks: 2 }, outputs: { text: "Hello, world!!" } }, null, 2)}\n`,
    "README.md": `# ${id}\n\nGreets. Input \`text\`, output \`text\`; the setting \`marks\` (default 1) says how many exclamation marks stand behind it.\n\n\`\`\`json\n{ "id": "greet", "kind": "${kind}", "uses": "${id}", "inputs": { "text": "world" } }\n\`\`\`\n`,
    ...SOURCES[language as Language](kind),
  };
  mkdirSync(join(folder, "cases"), { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  write(
    1,
    `${Object.keys(files)
      .map((file) => `  ${join(name, file)}`)
      .join(
        "\n",
      )}\n\nNext:\n  symphony ext build ${name}\n  symphony ext test ${name}\n  symphony ext check ${name}\nA melody uses it as "${id}" when its folder's parent is named: symphony run MELODY --extensions ${name.includes("/") ? resolve(name, "..") : "."}\n`,
  );
  return 0;
}

function manifest(id: string, kind: string): string {
  return `id = "${id}"
version = "0.1.0"
kind = "${kind}"
title = "${id[0]?.toUpperCase()}${id.slice(1).replaceAll(/[-_]/g, " ")}"
description = "Greets."
component = "build/${id}.wasm"
# equal inputs always lead to equal outputs, and to nothing else: an answer that is kept may stand for a call
pure = true

# What it may do beyond computing is asked for here, each with the reason that a person reads (docs/permissions.md):
# [[capabilities.network]]
# to = ["https://api.example.com"]
# reason = "Asks the weather service for the forecast."

[inputs.text]
type = "text"
description = "Whom to greet."

[outputs.text]
type = "text"
description = "The greeting."

[settings.marks]
type = "number"
default = 1
min = 0
max = 10
description = "Exclamation marks to add."
`;
}

const SOURCES: Readonly<Record<Language, (kind: "operator" | "instrument") => Record<string, string>>> = {
  assemblyscript: () => ({
    "index.ts": `// Greets.
import { Call, Value } from "symphony";

export function process(call: Call): void {
  const marks = "!".repeat(<i32>call.number("marks"));
  call.output("text", Value.text("Hello, " + call.input("text").text + marks));
}
`,
  }),
  javascript: (kind) => ({
    "index.js": `// Greets.
import { ${kind}, text } from "symphony";

export const ${kind === "operator" ? "transform" : "inference"} = ${kind}((call) => {
  call.output("text", text(\`Hello, \${call.input("text")}\${"!".repeat(call.setting("marks"))}\`));
});
`,
  }),
  typescript: (kind) => ({
    "index.mts": `// Greets.
import { ${kind}, text } from "symphony";

export const ${kind === "operator" ? "transform" : "inference"} = ${kind}((call) => {
  const whom: string = call.input("text");
  const marks: number = call.setting("marks");
  call.output("text", text(\`Hello, \${whom}\${"!".repeat(marks)}\`));
});
`,
  }),
  c: () => ({
    "index.c": `// Greets.
#include "symphony.h"

void process(sym_call *call) {
  sym_string whom = sym_input(call, "text")->text;
  int marks = (int)sym_number_setting(call, "marks");
  sym_string hello = sym_str("Hello, ");
  char *out = sym_allocate(hello.length + whom.length + marks);
  memcpy(out, hello.data, hello.length);
  memcpy(out + hello.length, whom.data, whom.length);
  for (int i = 0; i < marks; i++) out[hello.length + whom.length + i] = '!';
  sym_output(call, "text", sym_text((sym_string){out, hello.length + whom.length + marks}));
}
`,
  }),
  rust: () => ({
    "index.rs": `// Greets.
use crate::symphony::{Call, Fault, Value};

pub fn process(call: &mut Call) -> Result<(), Fault> {
    let marks = "!".repeat(call.number("marks")? as usize);
    let greeting = format!("Hello, {}{}", call.text("text")?, marks);
    call.output("text", Value::Text(greeting));
    Ok(())
}
`,
  }),
};
