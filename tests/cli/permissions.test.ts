// Permissions from the command line: who is asked, what stands in the journal, what is granted, explained, taken back and recorded.
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test as everywhere } from "bun:test";
import { root } from "../platform.ts";
import { BOTH, finalOf, place, start, symphony, test, TEST_MS, useCommand } from "./command.ts";

useCommand();

let server: Server;
let port = 0;
let slow: (() => void)[] = [];
const seen: string[] = [];
beforeAll(async () => {
  if ("Deno" in globalThis) return;
  server = createServer((request, response) => {
    seen.push(request.url ?? "");
    if (request.url === "/slow") slow.push(() => response.end("late"));
    else response.writeHead(200, { "content-type": "text/plain" }).end("hello");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  port = (server.address() as { port: number }).port;
});
afterAll(() => {
  for (const end of slow) end();
  slow = [];
  server?.close();
});

let homes = 0;
/** A project of its own with a melody that sends a request, and a home of its own. */
function project(): { home: string; file: string; right: string; url: string; folder: string } {
  const folder = mkdtempSync(join(place.space, "project-"));
  const right = `network:GET:http://127.0.0.1:${port}`;
  writeFileSync(join(folder, "symphony.toml"), "");
  const file = join(folder, "melody.json");
  writeFileSync(
    file,
    JSON.stringify({
      symphony: 1,
      id: "fetch",
      inputs: { url: { type: "text" } },
      outputs: { text: { type: "text" } },
      nodes: [{ id: "get", kind: "operator", uses: "http", rights: [right] }],
      edges: [
        { from: "inputs.url", to: "get.url" },
        { from: "get.text", to: "outputs.text" },
      ],
    }),
  );
  return { home: join(place.space, `home-${homes++}`), file, right, url: `http://127.0.0.1:${port}/x`, folder };
}

describe("where nobody can be asked", () => {
  for (const runtime of BOTH)
    test(
      `what isn't granted is told, and refused when a step tries it, on ${runtime}`,
      async () => {
        const { home, file, right, url } = project();
        const { code, stderr, objects } = await symphony(["run", file, "--input", `url=${url}`, "--json"], { home, runtime });
        expect(code).toBe(1);
        expect(stderr).toContain(`--allow 'http=${right}'`);
        expect(finalOf({ objects } as never).error).toMatchObject({ detail: "step.denied" });
        const audit = await symphony(["audit", "--denied", "--json"], { home, runtime });
        expect(audit.objects).toHaveLength(1);
        expect(audit.objects[0]).toMatchObject({ event: "check", extension: "http", node: "get", right, allowed: false });
      },
      TEST_MS,
    );

  test(
    "--allow grants for this run, its resumes and its retries, and for no other run",
    async () => {
      const { home, file, url } = project();
      const failed = await symphony(["run", file, "--input", `url=${url.replace("/x", "")}:1/`, "--json", "--allow", "http"], { home });
      expect(failed.code).toBe(1);
      const { run } = finalOf(failed) as { run: string };
      const again = await symphony(["resume", run, "--retry", "--json"], { home });
      expect(finalOf(again).error).not.toMatchObject({ detail: "step.denied" });
      const ran = await symphony(["run", file, "--input", `url=${url}`, "--json", "--allow", "http"], { home });
      expect(finalOf(ran)).toMatchObject({ state: "completed", outputs: { text: "hello" } });
      expect(JSON.stringify(ran.objects[0])).toContain('"by":"a person, by --allow"');
      expect((await symphony(["run", file, "--input", `url=${url}`, "--json"], { home })).code).toBe(1);
    },
    TEST_MS,
  );

  test(
    "a refused run goes on when it is resumed with the right",
    async () => {
      const { home, file, url } = project();
      const failed = await symphony(["run", file, "--input", `url=${url}`, "--json"], { home });
      const { run } = finalOf(failed) as { run: string };
      const again = await symphony(["resume", run, "--retry", "--allow", "http", "--json"], { home });
      expect(finalOf(again)).toMatchObject({ state: "completed" });
      expect(JSON.stringify(again.objects)).toContain('"grants":[');
    },
    TEST_MS,
  );

  test("--allow of what isn't asked for, or of an extension that isn't used, is a mistake", async () => {
    const { home, file, url } = project();
    for (const [given, says] of [
      ["csv", "uses no such extension"],
      ["http=file:read:/etc/**", "doesn't ask for that"],
      ["http=nonsense", "is no type of right"],
    ] as const) {
      const { code, stderr } = await symphony(["run", file, "--input", `url=${url}`, "--allow", given], { home });
      expect([code, stderr.includes(says) || stderr]).toEqual([2, true]);
    }
  });

  test(
    "policies of the home allow, deny and prompt",
    async () => {
      const { home, file, right, url } = project();
      mkdirSync(home, { recursive: true });
      const policy = (rule: string): void => writeFileSync(join(home, "settings.toml"), `[[permissions]]\nextension = "http"\n${rule}\n`);
      policy(`allow = ["${right}"]`);
      expect((await symphony(["run", file, "--input", `url=${url}`], { home })).code).toBe(0);
      policy(`allow = ["${right}"]\nprompt = ["network:*:*://**:*"]`);
      expect((await symphony(["run", file, "--input", `url=${url}`], { home })).code).toBe(1);
      policy(`deny = ["${right}"]`);
      expect((await symphony(["run", file, "--input", `url=${url}`, "--allow", "http"], { home })).code).toBe(1);
      policy('deny = ["network:GET:https://*"]');
      const wrong = await symphony(["run", file, "--input", `url=${url}`], { home });
      expect([wrong.code, wrong.stderr.includes("permissions[0].deny[0]") && wrong.stderr.includes("write ** for every host")]).toEqual([2, true]);
    },
    TEST_MS,
  );
});

const atTerminal = "Deno" in globalThis || spawnSync("python3", ["-c", "import pty"]).status !== 0 ? everywhere.skip : everywhere;
describe("at a terminal", () => {
  const ask = async (home: string, file: string, url: string, answer: string): Promise<{ code: number | null; stdout: string }> => {
    const running = start(["run", file, "--input", `url=${url}`], { home, terminal: true });
    await running.until((stdout) => stdout.includes("Allow?"));
    running.child.stdin?.write(`${answer}\n`);
    const { code, stdout } = await running.ended;
    return { code, stdout };
  };

  atTerminal(
    "a person sees who asks, what exactly and why, and each answer means what it says",
    async () => {
      const { home, file, right, url } = project();
      const once = await ask(home, file, url, "o");
      expect(once.code).toBe(0);
      for (const part of ["HTTP request (http 0.1.0, says it is by symphony)", `GET http://127.0.0.1:${port}`, "Why: Sends the request", "For: get", right])
        expect(once.stdout).toContain(part);
      const denied = await ask(home, file, url, "x\nd");
      expect(denied.stdout).toContain("Please answer");
      expect(denied.code).toBe(1);
      const always = await ask(home, file, url, "a");
      expect(always.code).toBe(0);
      expect((await symphony(["run", file, "--input", `url=${url}`], { home })).code).toBe(0);
      expect((await symphony(["permissions", "list", "--json"], { home })).objects[0]).toMatchObject({ extension: "http", right, decision: "allow", holds: true });
    },
    TEST_MS,
  );

  atTerminal(
    "once is for this time, and for this run holds when it is resumed",
    async () => {
      for (const [answer, code] of [
        ["o", 1],
        ["r", 0],
      ] as const) {
        const { home, file, url } = project();
        expect((await ask(home, file, url, answer)).code).toBe(0);
        const [run] = readdirSync(join(home, "runs")).filter((name) => !name.startsWith(".")) as [string];
        const again = await symphony(["resume", run.replace(/^.*?([0-9a-f-]{36}).*$/, "$1"), "--from", "get", "--json"], { home });
        expect([answer, again.code]).toEqual([answer, code]);
      }
    },
    TEST_MS,
  );

  atTerminal(
    "never is kept",
    async () => {
      const { home, file, url } = project();
      expect((await ask(home, file, url, "n")).code).toBe(1);
      expect((await symphony(["run", file, "--input", `url=${url}`, "--allow", "http"], { home })).code).toBe(1);
    },
    TEST_MS,
  );
});

describe("permissions", () => {
  for (const runtime of BOTH)
    test(
      `are granted, explained and taken back, on ${runtime}`,
      async () => {
        const { home, file, right, url } = project();
        const run = () => symphony(["run", file, "--input", `url=${url}`], { home, runtime });
        const explain = async () => (await symphony(["permissions", "explain", "http", url, "--json"], { home, runtime })).objects[0];
        expect(await explain()).toMatchObject({ may: false, asked: "network:*:http://**:*", by: null });
        expect((await symphony(["permissions", "allow", "http", right], { home, runtime })).code).toBe(0);
        expect(await explain()).toMatchObject({ may: true, by: "a person, always (grant 1)" });
        expect((await run()).code).toBe(0);
        expect((await symphony(["permissions", "revoke", "http"], { home, runtime })).stdout).toContain("taken back");
        expect(await explain()).toMatchObject({ may: false });
        expect((await run()).code).toBe(1);
        expect((await symphony(["audit", "verify"], { home, runtime })).code).toBe(0);
      },
      TEST_MS * 2,
    );

  test(
    "taken back while a run is under way end what it has open, by another process, and stay taken back",
    async () => {
      const { home, file, url } = project();
      const running = start(["run", file, "--input", `url=${url.replace("/x", "/slow")}`, "--json", "--allow", "http"], { home });
      while (!seen.includes("/slow")) await new Promise((resolve) => setTimeout(resolve, 20));
      const live = (await symphony(["runs", "list", "--json"], { home })).objects[0] as { run: string };
      const begun = performance.now();
      expect((await symphony(["permissions", "revoke", "--run", live.run, "http"], { home })).stdout).toContain("Taken back");
      const ended = await running.ended;
      expect(performance.now() - begun).toBeLessThan(8000);
      expect(ended.code).toBe(1);
      expect(JSON.stringify(finalOf(ended))).toContain("taken back");
      const again = await symphony(["resume", live.run, "--retry", "--json"], { home });
      expect(finalOf(again).error).toMatchObject({ detail: "step.denied" });
    },
    TEST_MS,
  );

  test("mistakes are told with the way out", async () => {
    const { home } = project();
    for (const [args, code, says] of [
      [["permissions", "lst"], 2, 'did you mean "list"'],
      [["permissions", "allow", "nosuch"], 2, "no such|Cannot find the extension"],
      [["permissions", "allow", "http", "file:read:/etc/**"], 2, "doesn't ask for that"],
      [["permissions", "revoke", "99"], 2, "no such grant"],
      [["permissions", "explain", "http"], 2, "expected an extension, and a right"],
      [["audit", "verfy"], 2, "expected list or verify"],
      [["audit", "--since", "soon"], 2, "expected a date"],
    ] as [string[], number, string][]) {
      const ended = await symphony(args, { home });
      expect([args.join(" "), ended.code, new RegExp(says).test(ended.stderr) || ended.stderr]).toEqual([args.join(" "), code, true]);
    }
  });

  test("in a damaged file grant nothing", async () => {
    const { home, file, url } = project();
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "permissions.json"), '{"version":1,"identities":[],"grants":[{"n":1}]}');
    const { code, stderr } = await symphony(["run", file, "--input", `url=${url}`], { home });
    expect([code, stderr.includes("permissions.json") && stderr.includes("damaged")]).toEqual([2, true]);
  });
});

describe("audit verify", () => {
  test(
    "ends with another code when a line was changed, taken out or cut, or all was deleted",
    async () => {
      const { home, file, url } = project();
      await symphony(["run", file, "--input", `url=${url}`, "--allow", "http"], { home });
      const log = join(home, "audit/00000000.jsonl");
      const whole = readFileSync(log, "utf8");
      expect((await symphony(["audit", "verify"], { home })).code).toBe(0);
      const lines = whole.trimEnd().split("\n");
      for (const [damage, says] of [
        [whole.replace('"allowed":true', '"allowed":false'), "was changed"],
        [`${[lines[0], ...lines.slice(2)].join("\n")}\n`, "missing"],
        [`${lines.slice(0, -1).join("\n")}\n`, "at the end"],
        ["", "missing"],
      ] as const) {
        writeFileSync(log, damage);
        const { code, stdout } = await symphony(["audit", "verify"], { home });
        expect([code, stdout.includes(says) || stdout]).toEqual([1, true]);
      }
      writeFileSync(log, whole);
      expect((await symphony(["audit", "verify"], { home })).code).toBe(0);
      appendFileSync(log, "{}\n");
      expect((await symphony(["audit", "verify"], { home })).code).toBe(1);
    },
    TEST_MS,
  );
});

describe("carets", () => {
  const hasRust = ["rustc", "/usr/bin/rustc"].some((program) => {
    const { status, stdout } = spawnSync(program, ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"], { encoding: "utf8" });
    return status === 0 && existsSync(stdout.trim());
  });
  const hasC = spawnSync("clang", ["--version"]).status === 0;
  for (const [language, isThere] of [
    ["assemblyscript", true],
    ["javascript", true],
    ["typescript", true],
    ["c", hasC],
    ["rust", hasRust],
  ] as const)
    (isThere && !("Deno" in globalThis) ? everywhere : everywhere.skip)(
      `from new to a node that runs in a melody, in ${language}`,
      async () => {
        const at = mkdtempSync(join(place.space, "authors-"));
        const carets = (...args: string[]) => spawnSync(join(root, "carets"), [...args, "--home", place.home], { cwd: at, encoding: "utf8" });
        const begun = performance.now();
        expect(carets("new", "greeter", "--language", language).status).toBe(0);
        const built = carets("build", "greeter");
        expect([built.status, built.stderr]).toEqual([0, ""]);
        const tried = carets("test", "greeter");
        expect(tried.stdout).toContain("1 passed, 0 failed");
        expect(tried.stdout).toMatch(/passed {2}greets {2}\(\d+(\.\d)? ms, [\d.]+ ?[kM]? fuel, .*B/);
        expect(carets("check", "greeter").status).toBe(0);
        const file = join(at, "melody.json");
        writeFileSync(
          file,
          JSON.stringify({
            symphony: 1,
            id: "greet",
            outputs: { text: { type: "text" } },
            nodes: [{ id: "greet", kind: "operator", uses: "greeter", inputs: { text: "you" } }],
            edges: [{ from: "greet.text", to: "outputs.text" }],
          }),
        );
        const ended = await symphony(["run", file, "--json", "--extensions", at]);
        expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { text: "Hello, you!" } });
        expect(performance.now() - begun).toBeLessThan(300_000);
      },
      TEST_MS * 4,
    );

  test("check tells all that is wrong, and exits with 2", async () => {
    const at = mkdtempSync(join(place.space, "authors-"));
    mkdirSync(join(at, "bad"));
    writeFileSync(join(at, "bad/manifest.toml"), 'id = "httq"\nversion = "1"\nkind = "operator"\n[[capabilities.network]]\nto = ["ftp://x"]\nreason = "r"\n');
    const { code, stderr } = await symphony(["ext", "check", join(at, "bad")]);
    expect([code, stderr.includes("line 2, version") && stderr.includes("line 5, capabilities.network[0].to[0]") && stderr.includes("outputs: there are none")]).toEqual([2, true]);
  });

  test(
    "test grants nothing that a case asks for, unless it is trusted",
    async () => {
      const at = mkdtempSync(join(place.space, "authors-"));
      spawnSync("cp", ["-r", join(root, "tests/guests/probe"), join(at, "probe")]);
      mkdirSync(join(at, "probe/cases"));
      const mark = join(at, "started");
      writeFileSync(join(at, "probe/cases/one.json"), JSON.stringify({ allow: ['system:execute:["sh","-c","**"]'], inputs: { do: [["run", "any", [`touch ${mark}`]]] } }));
      const refused = await symphony(["ext", "test", join(at, "probe")]);
      expect(refused.stderr).toContain("which is not granted");
      expect(existsSync(mark)).toBe(false);
      await symphony(["ext", "test", join(at, "probe"), "--trust"]);
      expect(existsSync(mark)).toBe(true);
      writeFileSync(join(at, "probe/cases/one.json"), JSON.stringify({ folders: { folder: "/etc" }, inputs: { do: [["entries", "folder", ""]] } }));
      expect((await symphony(["ext", "test", join(at, "probe")])).stderr).toContain("outside of the extension's");
    },
    TEST_MS,
  );
});
