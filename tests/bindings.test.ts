// What is generated out of wit/ and the melody's schema is committed as it would be made today.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { generateBindings } from "../tasks/bindings.ts";
import { root } from "./platform.ts";

const generated = await generateBindings();

for (const [file, text] of generated)
  test(`${file} is current`, () => {
    expect(readFileSync(join(root, file), "utf8")).toBe(text);
  });

test("all contracts are there", () => {
  expect([...generated.keys()].filter((file) => file.endsWith(".d.ts")).length).toBeGreaterThan(8);
});
