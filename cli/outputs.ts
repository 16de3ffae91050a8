// What a run gave, as scripts and people get it: one object, lines, files in a folder.
import { accessSync, constants, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ArtifactStore, RunResult } from "../pit/mod.ts";
import { SymphonyError, valueToJson } from "../runtime/mod.ts";
import { painter, spellBytes, spellMs, withoutControls, write } from "./print.ts";

/** Values and artifact hashes; never paths or times. */
export function finalObject(result: RunResult): object {
  return {
    run: result.run,
    state: result.state,
    outputs: Object.fromEntries([...result.outputs].map(([name, value]) => [name, valueToJson(value)])),
    ...(result.error ? { error: { code: result.error.code, ...(result.error.detail ? { detail: result.error.detail } : {}), message: result.error.message } } : {}),
  };
}

const ENDINGS: Readonly<Record<string, string>> = {
  "text/markdown": "md",
  "text/plain": "txt",
  "text/csv": "csv",
  "text/html": "html",
  "application/json": "json",
  "image/png": "png",
  "image/svg+xml": "svg",
};

/** Before the work begins: whether a folder is there, or could be made, and written to. */
export function checkWritable(folder: string): void {
  let at = folder;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  try {
    accessSync(at, constants.W_OK);
    if (!statSync(at).isDirectory()) throw new Error(`${JSON.stringify(at)} is no folder`);
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot copy outputs to ${JSON.stringify(folder)}: ${(cause as Error).message}`, { cause });
  }
}

export async function copyOutputs(artifacts: ArtifactStore, result: RunResult, folder: string): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true });
    for (const [name, value] of result.outputs) {
      if (value.tag === "artifact") writeFileSync(join(folder, `${name}.${endingOf(value.val.mediaType)}`), await artifacts.get(value.val.id));
      else if (value.tag === "bytes") writeFileSync(join(folder, `${name}.${endingOf(value.val.mediaType)}`), value.val.data);
      else if (value.tag === "text") writeFileSync(join(folder, `${name}.txt`), value.val);
      else writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(valueToJson(value), null, 2)}\n`);
    }
  } catch (cause) {
    if (cause instanceof SymphonyError) throw cause;
    throw new SymphonyError(
      "cli/io",
      `Cannot copy the outputs to ${JSON.stringify(folder)}: ${(cause as Error).message}; artifacts are kept, \`symphony artifacts list\` shows them, and other outputs were told`,
      {
        cause,
      },
    );
  }
}

function endingOf(mediaType: string): string {
  const plain = mediaType.replace(/;.*$/, "");
  return (Object.hasOwn(ENDINGS, plain) && ENDINGS[plain]) || "bin";
}

/** Code, the step's own code where it says more, and what happened. */
function errorLine(error: SymphonyError | undefined): string {
  return error ? [...new Set([error.code, error.detail, error.message])].filter((part) => part !== undefined).join(": ") : "";
}

export function tell(result: RunResult, out: string | undefined, ms: number): void {
  const paint = painter();
  if (result.state === "completed") write(2, `${paint("green", "completed")} in ${spellMs(ms)}\n`);
  else write(2, `${paint("red", result.state)} after ${spellMs(ms)}: ${withoutControls(errorLine(result.error))}\n`);
  for (const [name, value] of result.outputs) {
    if (value.tag === "artifact") {
      const where = out ? join(out, `${name}.${endingOf(value.val.mediaType)}`) : `symphony artifacts show ${value.val.id.slice(0, 12)}`;
      write(1, `${name}: ${withoutControls(value.val.mediaType)}, ${spellBytes(value.val.size)}, ${result.state === "completed" ? where : value.val.id}\n`);
    } else {
      const shown = withoutControls(value.tag === "text" ? value.val : JSON.stringify(valueToJson(value)));
      write(1, `${name}: ${shown.length > 2000 ? `${shown.slice(0, 2000)}... (${shown.length} characters; --json gives all)` : shown}\n`);
    }
  }
}
