// A page in Chromium that does something and tells what came of it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => spawnSync(path, ["--version"], { stdio: "ignore" }).status === 0,
);

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** An entry file and all that it imports as one module for the browser. */
export async function bundleFor(entry: string): Promise<string> {
  const built = await Bun.build({ entrypoints: [entry], target: "browser", format: "esm", throw: false });
  if (!built.success) throw new Error(built.logs.map(String).join("\n"));
  return (built.outputs[0] as Blob).text();
}

/**
 * What `body`, statements that leave something in `answer`, comes to on a page with `script` as its module. `files` by path are there too;
 * the page is isolated from other origins, so that it has shared memory.
 */
export async function inChromium({ script, body, files }: { script: string; body: string; files: Record<string, string | Uint8Array> }): Promise<unknown> {
  const page = `<!doctype html><title>waiting</title><script type=module>
${script}
let answer; try { ${body} } catch (cause) { answer = { thrown: String(cause.stack) }; }
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });
</script>`;
  const profile = mkdtempSync(join(tmpdir(), "symphony-chromium-"));
  let browser: ReturnType<typeof spawn> | undefined;
  const server = createServer();
  try {
    return await new Promise<unknown>((resolve, reject) => {
      server.on("request", (request, response) => {
        const path = request.url ?? "/";
        response.setHeader("cross-origin-opener-policy", "same-origin");
        response.setHeader("cross-origin-embedder-policy", "require-corp");
        if (path === "/answer") {
          let text = "";
          request.on("data", (chunk) => {
            text += chunk;
          });
          request.on("end", () => {
            response.end();
            resolve(JSON.parse(text));
          });
          return;
        }
        const file = files[path];
        if (path.endsWith(".js")) response.setHeader("content-type", "text/javascript; charset=utf-8");
        else if (file === undefined) response.setHeader("content-type", "text/html; charset=utf-8");
        response.end(file ?? page);
      });
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        browser = spawn(chromium as string, [...FLAGS, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`], { stdio: "ignore" });
        browser.on("exit", (code) => reject(new Error(`Chromium ended with ${code}`)));
      });
    });
  } finally {
    browser?.removeAllListeners("exit");
    browser?.kill("SIGKILL");
    server.close();
    server.closeAllConnections();
    await new Promise((resolve) => (browser && browser.exitCode === null && browser.signalCode === null ? browser.once("exit", resolve) : resolve(undefined)));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
