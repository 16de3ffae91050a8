// Entry of the preparing process: joins its pipes to the program in child.ts.
import { servePreparation } from "./child.ts";

export async function main(): Promise<void> {
  const { stdin, stdout, exit } = await import("node:process");
  await servePreparation(stdin as AsyncIterable<Uint8Array>, (bytes) => new Promise((resolve) => stdout.write(bytes, () => resolve())));
  exit(0);
}
