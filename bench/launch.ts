// How long does a person wait for the command line? Whole processes, from their start to their end.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { head, Mismatch, race } from "./figures.ts";

const root = join(import.meta.dirname, "..");
const bun = join(root, "node_modules/bun/bin/bun.exe");
const launcher = join(root, "symphony");

const MELODY = {
  symphony: 1,
  id: "two",
  inputs: { text: { type: "text", default: "One sentence stands here. Another one follows it." } },
  nodes: [
    { id: "split", kind: "operator", uses: "text-split", settings: { maxCharacters: 40 } },
    { id: "shape", kind: "operator", uses: "template", settings: { template: "done" } },
  ],
  edges: [
    { from: "inputs.text", to: "split.text" },
    { from: "split", to: "shape" },
  ],
};

export async function bench(): Promise<void> {
  head("launch", "how long does a person wait for the command line?", ["its own runtime is Bun, whatever runs this"]);
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  try {
    const melody = join(folder, "melody.json");
    const nothing = join(folder, "nothing.ts");
    writeFileSync(melody, JSON.stringify(MELODY));
    writeFileSync(nothing, 'console.log("nothing");\n');
    const whole = (program: string, args: string[], expected: RegExp) => (): number[] => {
      const begun = performance.now();
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      const ms = performance.now() - begun;
      if (status !== 0 || !expected.test(stdout)) throw new Mismatch(`${program} ${args.join(" ")} ended with ${status}: ${stdout}${stderr}`);
      return [ms];
    };
    await race({
      title: "Whole processes",
      unit: "ms",
      sample: "one process",
      warmUp: 3,
      rounds: 30,
      contestants: [
        { what: "symphony --version", block: whole(launcher, ["--version"], /^symphony \d/), beside: ["bare Bun, one line"] },
        {
          what: "symphony run, two nodes, warm",
          block: whole(launcher, ["run", melody, "--home", join(folder, "home"), "--json"], /"state":"completed"/),
          beside: ["bare Bun, one line"],
        },
        { what: "symphony validate, two nodes", block: whole(launcher, ["validate", melody, "--home", join(folder, "home")], /./), beside: ["bare Bun, one line"] },
        { what: "bare Bun, one line", block: whole(bun, ["--no-install", "--no-env-file", nothing], /nothing/) },
      ],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
