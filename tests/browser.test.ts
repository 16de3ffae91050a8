// The runtime and the Pit in a browser: bundled without anything of node:, and run in Chromium with the same results.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { exercise } from "./browser-entry.ts";
import { root } from "./platform.ts";

const onDeno = "Deno" in globalThis;
const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => spawnSync(path, ["--version"], { stdio: "ignore" }).status === 0);
const component = new Uint8Array(readFileSync(join(root, "extensions/text-split/build/text-split.wasm")));
const melody = JSON.stringify({
  symphony: 1,
  id: "tab",
  inputs: { list: { type: "list<number>" } },
  outputs: { all: { type: "list<json>" } },
  nodes: [
    {
      id: "each",
      kind: "control",
      control: "map",
      body: {
        inputs: { item: { type: "number" } },
        outputs: { card: { type: "json" } },
        nodes: [
          { id: "size", kind: "control", control: "branch", cases: [{ name: "small", when: "value < 10" }] },
          { id: "card", kind: "control", control: "merge", mode: "object" },
        ],
        edges: [
          { from: "inputs.item", to: "size.value" },
          { from: "size.small", to: "card.small" },
          { from: "size.otherwise", to: "card.large" },
          { from: "card.value", to: "outputs.card" },
        ],
      },
    },
  ],
  edges: [
    { from: "inputs.list", to: "each.items" },
    { from: "each.card", to: "outputs.all" },
  ],
});

/** The bundle as one script that leaves `exercise` on the page. */
async function bundle(): Promise<string> {
  const built = await Bun.build({ entrypoints: [join(root, "tests/browser-entry.ts")], target: "browser", format: "esm", throw: false });
  if (!built.success) throw new Error(built.logs.map(String).join("\n"));
  return (built.outputs[0] as Blob).text();
}

test.skipIf(onDeno)("runtime and Pit bundle for the browser without node:", async () => {
  const code = await bundle();
  expect(/(?:from|import|require)\s*\(?\s*["'](?:node:|fs["']|path["']|child_process["'])/.exec(code)?.[0]).toBeUndefined();
  expect(code).not.toContain("__require(");
});

test("gate, plan, run and store work on this runtime as the browser's test expects", async () => {
  const answer = (await exercise(component, melody)) as Record<string, unknown>;
  expect(answer["state"]).toBe("completed");
  expect(answer["refused"]).toBe("gate/malformed");
  expect(answer["same"]).toBe(true);
  expect(answer["outputs"]).toEqual({ all: [{ small: 1 }, { large: 20 }] });
});

test.skipIf(onDeno || !chromium)(
  "Chromium gates, plans, runs and stores with the same hashes and events",
  async () => {
    const script = await bundle();
    const page = `<!doctype html><title>waiting</title><pre id=out></pre><script type=module>
${script}
const component = new Uint8Array(await (await fetch("/component")).arrayBuffer());
const melody = await (await fetch("/melody")).text();
let answer; try { answer = await exercise(component, melody); } catch (cause) { answer = { thrown: String(cause.stack) }; }
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });
</script>`;
    const profile = mkdtempSync(join(tmpdir(), "symphony-chromium-"));
    let browser: ReturnType<typeof spawn> | undefined;
    const server = createServer();
    try {
      const answer = await new Promise<unknown>((resolve, reject) => {
        server.on("request", (request, response) => {
          if (request.url === "/component") response.end(component);
          else if (request.url === "/melody") response.end(melody);
          else if (request.url === "/answer") {
            let body = "";
            request.on("data", (chunk) => {
              body += chunk;
            });
            request.on("end", () => {
              response.end();
              resolve(JSON.parse(body));
            });
          } else response.setHeader("content-type", "text/html").end(page);
        });
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo;
          const flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            `--user-data-dir=${profile}`,
          ];
          browser = spawn(chromium as string, [...flags, `http://127.0.0.1:${port}/`], { stdio: "ignore" });
          browser.on("exit", (code) => reject(new Error(`Chromium ended with ${code}`)));
        });
      });
      expect(answer).toEqual(JSON.parse(JSON.stringify(await exercise(component, melody))));
    } finally {
      browser?.removeAllListeners("exit");
      browser?.kill("SIGKILL");
      server.close();
      server.closeAllConnections();
      await new Promise((resolve) => (browser && browser.exitCode === null && browser.signalCode === null ? browser.once("exit", resolve) : resolve(undefined)));
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  },
  30_000,
);
