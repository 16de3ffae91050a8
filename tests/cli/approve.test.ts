// Approval: in advance, at a terminal and where nobody can be asked; what a terminal shows.
import { describe, expect, test as everywhere } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { GUESTS, BOTH, finalOf, folderOf, LOOP, melody, PUBLISH, SALES, start, symphony, test, useCommand } from "./command.ts";

useCommand();

describe("approve", () => {
  for (const runtime of BOTH)
    test(`where nobody can be asked ends with 1 and the way out, on ${runtime}`, async () => {
      const { code, stderr } = await symphony(["run", PUBLISH], { runtime });
      expect(code).toBe(1);
      expect(stderr).toContain("approve/unattended");
      expect(stderr).toContain("--approve review");
    });

  for (const name of ["review", "all"])
    test(`--approve ${name} says yes in advance`, async () => {
      const ended = await symphony(["run", PUBLISH, "--approve", name, "--json"]);
      expect(ended.code).toBe(0);
      expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { page: { mediaType: "text/markdown" } } });
    });

  test("--approve of a node that isn't there is told", async () => {
    const { code, stderr } = await symphony(["run", PUBLISH, "--approve", "reviwe"]);
    expect(code).toBe(2);
    expect(stderr).toContain("review");
  });
});

const atTerminal = "Deno" in globalThis || spawnSync("python3", ["-c", "import pty"]).status !== 0 ? everywhere.skip : everywhere;

describe("at a terminal", () => {
  for (const runtime of BOTH) {
    atTerminal(`a person is asked and says yes, on ${runtime}`, async () => {
      const running = start(["run", PUBLISH], { terminal: true, runtime });
      await running.until((stdout) => stdout.includes("Approve?"));
      running.child.stdin?.write("y\r");
      const { code, stdout } = await running.ended;
      expect(code).toBe(0);
      expect(stdout).toContain("Publish this summary?");
      expect(stdout).toContain("completed");
    });

    atTerminal(`a person is asked and says no with a reason, on ${runtime}`, async () => {
      const running = start(["run", PUBLISH], { terminal: true, runtime });
      await running.until((stdout) => stdout.includes("Approve?"));
      running.child.stdin?.write("n too short\r");
      const { code, stdout } = await running.ended;
      expect(code).toBe(1);
      expect(stdout).toContain("approve/rejected");
      expect(stdout).toContain("too short");
    });

    atTerminal(`Ctrl-C at the question cancels the run, on ${runtime}`, async () => {
      const running = start(["run", PUBLISH], { terminal: true, runtime });
      await running.until((stdout) => stdout.includes("Approve?"));
      running.child.stdin?.write("\x03");
      const { code, stdout } = await running.ended;
      expect(code).toBe(130);
      expect(stdout).toContain("cancelled");
    });

    atTerminal(
      `Ctrl-C while a step runs cancels the run, on ${runtime}`,
      async () => {
        const running = start(["run", LOOP(), ...GUESTS], { terminal: true, runtime });
        await running.until((stdout) => /loop +\d+ ms[\s\S]*loop +\d+ ms[\s\S]*loop +\d+ ms/.test(stdout));
        running.child.stdin?.write("\x03");
        const { code, stdout } = await running.ended;
        expect(stdout.slice(-300)).toContain("cancelled");
        expect(code).toBe(130);
      },
      20_000,
    );
  }

  atTerminal("NO_COLOR is heeded", async () => {
    const { stdout } = await symphony(["run", SALES], { terminal: true, env: { NO_COLOR: "1" } });
    expect(stdout).toContain("completed");
    expect(stdout).not.toMatch(/\x1b\[[\d;]*m/);
  });

  atTerminal(
    "what an artifact holds doesn't steer it",
    async () => {
      const table = join(folderOf({ "table.csv": 'a\n"\x1b]0;mine\x07\x1b[2J\x1b[31mred"\n' }), "table.csv");
      const file = melody({
        inputs: { text: { type: "text" } },
        outputs: { page: { type: "content" }, text: { type: "list<json>" } },
        nodes: [
          { id: "rows", kind: "operator", uses: "csv" },
          { id: "page", kind: "operator", uses: "template", settings: { as: "artifact", mediaType: "text/markdown", template: "{{#items}}{{a}}{{/items}}" } },
        ],
        edges: [
          { from: "inputs.text", to: "rows.text" },
          { from: "rows.rows", to: "page.items" },
          { from: "rows.rows", to: "outputs.text" },
          { from: "page.document", to: "outputs.page" },
        ],
      });
      const ended = await symphony(["run", file, "--input", `text=@${table}`, "--json"]);
      const { artifact } = (finalOf(ended).outputs as { page: { artifact: string } }).page;
      const { stdout } = await symphony(["artifacts", "show", artifact], { terminal: true });
      expect(stdout).toContain("red");
      expect(stdout).not.toMatch(/\x1b\[2J|\x1b\]0|\x1b\[31m/);
    },
    20_000,
  );
});
