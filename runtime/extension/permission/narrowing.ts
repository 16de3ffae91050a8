// What a melody's node leaves of the rights that its extension asks for. Pure.
import { near } from "../../near.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { covers, parseRight, type Right } from "./right.ts";

/** Rights of a melody's node that its extension doesn't ask for, each with what it does ask for of that type. */
export function narrowingFaults(narrowed: readonly string[], { capabilities }: Pick<Manifest, "capabilities">, id: string): { index: number; message: string }[] {
  const faults: { index: number; message: string }[] = [];
  for (const [index, text] of narrowed.entries()) {
    let right: Right;
    try {
      right = parseRight(text);
    } catch (cause) {
      faults.push({ index, message: (cause as Error).message });
      continue;
    }
    const asked = capabilities.flatMap(({ rights }) => rights).filter(({ type }) => type === right.type);
    // folders and secrets that are known only in a run are looked at there
    if (asked.some((one) => covers(one, right) || one.text.includes("("))) continue;
    const texts = asked.map((one) => one.text);
    faults.push({
      index,
      message: `${JSON.stringify(text)} is nothing that ${id} asks for${near(text, texts) || (texts.length ? `; it asks for ${texts.join(", ")}` : "; it asks for nothing of that type")}`,
    });
  }
  return faults;
}
