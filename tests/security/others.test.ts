// Secrets, models, keys, commands and artifacts: nothing that isn't granted is done, no secret is seen anywhere, nothing forged is taken,
// and what a guest leaves open is closed.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { askedTexts, parseRight } from "../../runtime/mod.ts";
import type { StepNote } from "../../runtime/extension/host.ts";
import { root } from "../platform.ts";
import { createLab, type Lab, refusal } from "./lab.ts";

const SECRET = "s3cr3t-Token+with/odd=chars";
let echo: Server;
let port = 0;
let models: ChildProcess;
let modelPort = 0;
let lab: Lab;
const received: string[] = [];
beforeAll(async () => {
  echo = createServer((request, response) => {
    const given = String(request.headers["authorization"] ?? "");
    received.push(given);
    const value = given.replace(/^\w+ /, "");
    const forms: Record<string, string> = {
      "/plain": given,
      "/base64": Buffer.from(`user:${value}`).toString("base64"),
      "/base64-1": Buffer.from(`u:${value}!`).toString("base64"),
      "/base64url": Buffer.from(`${value}..`).toString("base64url"),
      "/percent": encodeURIComponent(value),
      "/hex": Buffer.from(value).toString("hex"),
      "/json": JSON.stringify({ said: value }),
      "/twice": `${value}${value}`,
      "/form": new URLSearchParams({ said: value }).toString(),
      "/percent-lower": encodeURIComponent(value).replace(/%../g, (code) => code.toLowerCase()),
      "/every-byte": [...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join(""),
      "/slashes": JSON.stringify(value).replaceAll("/", "\\/"),
      "/hex-spaced": Buffer.from(value).toString("hex").replace(/../g, "$& ").trim(),
    };
    if (request.url === "/away") response.writeHead(302, { location: `http://localhost:${port}/plain` }).end();
    else if (request.url === "/into-host") response.writeHead(302, { location: `http://${value.replace(/[^A-Za-z0-9]/g, "")}.localhost:${port}/` }).end();
    else if (request.url === "/into-path") response.writeHead(302, { location: `ftp://x/${value}` }).end();
    else if (request.url === "/no-url") response.writeHead(302, { location: "http://[x/" }).end();
    else if (request.url === "/header-name") response.writeHead(200, { [`x-${"abc"}`]: value }).end("x");
    else if (request.url === "/again") response.writeHead(200, request.headers["accept-encoding"] === "gzip" ? { "content-encoding": "gzip" } : {}).end(SECRET);
    else if (request.url === "/gzip") response.writeHead(200, { "content-encoding": "gzip" }).end("x");
    else response.writeHead(200, { "x-echo": given }).end(forms[request.url ?? ""] ?? "nothing");
  });
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", () => resolve()));
  port = (echo.address() as { port: number }).port;
  models = spawn(process.execPath, [join(root, "tests/model-server.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  modelPort = await new Promise((resolve) => models.stdout?.once("data", (data) => resolve(Number(String(data)))));
  process.env["SYMPHONY_TEST_SECRET"] = SECRET;
  lab = await createLab({
    settings: `[secrets.token]\nenv = "SYMPHONY_TEST_SECRET"\n[secrets.missing]\nenv = "SYMPHONY_TEST_NOT_SET"\n[models.local]\nurl = "http://127.0.0.1:${modelPort}/v1"\nkey = "token"\nprices = { "echo" = { input = 1000, output = 2000 } }\n`,
  });
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  echo.close();
  models.stdin?.end();
});

const NET = (): string => `network:GET:http://127.0.0.1:${port}`;
const USE = (): string => `secret:use:token@http://127.0.0.1:${port}`;
const withSecret = (path: string, more: object = {}) => ["http", { url: `http://127.0.0.1:${port}${path}`, headers: [["authorization", "Bearer ", "token"]], ...more }] as const;

/** All that a home keeps, and where. */
function* filesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* filesBelow(path);
    else yield path;
  }
}
const FORMS = [SECRET, Buffer.from(SECRET).toString("base64").slice(4, -4), Buffer.from(SECRET).toString("hex"), encodeURIComponent(SECRET), SECRET.slice(4)];
function holdsSecret(text: string): boolean {
  return FORMS.some((form) => text.includes(form));
}

describe("a secret", () => {
  test("is sent where it may be sent", async () => {
    const { did, audit } = await lab.tell([withSecret("/none")], { allow: [NET(), USE()] });
    expect(did[0]?.ok).toMatchObject({ status: 200 });
    expect(received.at(-1)).toBe(`Bearer ${SECRET}`);
    expect(audit.some(({ right, allowed }) => allowed && right === USE())).toBe(true);
  });

  for (const path of ["/plain", "/base64", "/base64-1", "/base64url", "/percent", "/hex", "/json", "/twice", "/form", "/percent-lower", "/every-byte", "/slashes", "/hex-spaced"])
    test(`that a server sends back ${path.slice(1)} is masked, in headers too`, async () => {
      const { did } = await lab.tell([withSecret(path)], { allow: [NET(), USE()] });
      const said = JSON.stringify(did[0]?.ok);
      expect(holdsSecret(said)).toBe(false);
      expect(said).toContain("[secret]");
    });

  const NOT_SENT: [string, () => readonly unknown[], () => string[], string][] = [
    ["without the right to it", () => withSecret("/plain"), () => [NET()], "denied step.denied"],
    [
      "to another host",
      () => ["http", { url: `http://localhost:${port}/plain`, headers: [["authorization", "Bearer ", "token"]] }],
      () => [NET(), USE(), `network:GET:http://localhost:${port}`],
      "denied step.denied",
    ],
    ["under another name", () => ["http", { url: `http://127.0.0.1:${port}/plain`, headers: [["authorization", "", "other"]] }], () => [NET(), USE()], "denied step.denied"],
    ["under a name with a star", () => ["http", { url: `http://127.0.0.1:${port}/plain`, headers: [["authorization", "", "*"]] }], () => [NET(), USE()], "denied step.denied"],
    [
      "with a prefix that begins a header",
      () => ["http", { url: `http://127.0.0.1:${port}/plain`, headers: [["authorization", "x\r\ny: ", "token"]] }],
      () => [NET(), USE()],
      "invalid-input http.invalid",
    ],
    ["in the header Host", () => ["http", { url: `http://127.0.0.1:${port}/plain`, headers: [["host", "", "token"]] }], () => [NET(), USE()], "invalid-input http.invalid"],
  ];
  for (const [name, what, allow, expected] of NOT_SENT)
    test(`is not sent ${name}`, async () => {
      const before = received.length;
      const { did } = await lab.tell([what()], { allow: allow() });
      expect(refusal(did[0])).toBe(expected);
      expect(received.slice(before).some(holdsSecret)).toBe(false);
    });

  test("stays behind when a redirect leads elsewhere", async () => {
    const { did } = await lab.tell([withSecret("/away")], { allow: [NET(), USE(), `network:GET:http://localhost:${port}`] });
    expect(did[0]?.ok).toMatchObject({ status: 200 });
    expect(received.at(-1)).toBe("");
  });

  test("doesn't get into an error by way of a redirect", async () => {
    const { did, audit } = await lab.tell([withSecret("/into-path"), withSecret("/no-url"), withSecret("/into-host")], { allow: [NET(), USE()] });
    expect(did.slice(0, 2).map(refusal)).toEqual(["unavailable http.failed", "invalid-input http.invalid"]);
    expect(holdsSecret(JSON.stringify([did, audit]))).toBe(false);
  });

  test("isn't given by a second request without it, whole, compressed or in parts", async () => {
    const plain = (more: object): readonly unknown[] => ["http", { url: `http://127.0.0.1:${port}/again`, ...more }];
    const { did } = await lab.tell([withSecret("/none"), plain({}), plain({ headers: [["accept-encoding", "gzip"]] }), plain({ headers: [["range", "bytes=0-3"]] })], {
      allow: [NET(), USE()],
      run: "one",
    });
    expect(did.slice(1).map((one) => (one as { ok: { body: string } }).ok.body)).toEqual(["[secret]", "[secret]", "[secret]"]);
    const { did: later } = await lab.tell([plain({})], { allow: [NET()], run: "one" });
    expect(holdsSecret(JSON.stringify(later))).toBe(false);
  });

  test("with a letter that no header can hold is refused, and the host goes on", async () => {
    process.env["SYMPHONY_TEST_EURO"] = "token-€-value";
    await using strict = await createLab({ settings: '[secrets.token]\nenv = "SYMPHONY_TEST_EURO"\n' });
    const { did } = await strict.tell([withSecret("/plain"), ["now"]], { allow: [NET(), USE()] });
    expect(did.map(refusal)).toEqual(["not-found secret.unknown", "ok true"]);
  });

  test("that is not set up has no way to it in the message", async () => {
    await using strict = await createLab({ settings: '[secrets.token]\nfile = "/nowhere/private/place.txt"\n' });
    expect(JSON.stringify((await strict.tell([withSecret("/plain")], { allow: [NET(), USE()] })).did)).not.toContain("/nowhere");
  });

  test("and a compressed answer don't go together", async () => {
    const { did } = await lab.tell([withSecret("/gzip", {})], { allow: [NET(), USE()] });
    expect(refusal(did[0])).toBe("unavailable http.failed");
  });

  test("signs where it may sign, and nowhere else", async () => {
    const { did } = await lab.tell([["sign", "token", "text"]], { allow: ["secret:sign:token"] });
    expect(did[0]?.ok).toBe(32);
    const { did: refused, audit } = await lab.tell(
      [
        ["sign", "token", "x"],
        ["sign", "other", "x"],
        ["sign", "../x", "x"],
        ["sign", "*", "x"],
      ],
      { allow: [USE()] },
    );
    expect(refused.map(refusal)).toEqual(Array.from({ length: 4 }, () => "denied step.denied"));
    expect(audit.some(({ allowed }) => allowed === false)).toBe(true);
  });

  test("that isn't there is told by its name alone", async () => {
    await using strict = await createLab({ settings: '[secrets.token]\nenv = "SYMPHONY_TEST_NOT_SET"\n' });
    const { did } = await strict.tell([withSecret("/plain"), ["sign", "token", "x"]], { allow: [NET(), USE(), "secret:sign:token"] });
    expect(did.map(refusal)).toEqual(["not-found secret.unknown", "not-found secret.unknown"]);
  });

  test("stands nowhere in what a run leaves: log, events, errors, artifacts, audit, index", async () => {
    const notes: StepNote[] = [];
    await lab.tell([withSecret("/plain"), ["chat", "local/leaks", "x"], ["chat", "local/forbidden", "x"], ["store", "kept"], ["set", "k", "v"]], {
      allow: [NET(), USE(), "model:chat:local/**"],
      onNote: (note) => notes.push(note),
    });
    // a guest that learnt it some other way can't hand it on by a log line or a failure
    const error = await lab
      .tell([withSecret("/plain"), ["log", `I know ${SECRET}`], ["fail", `it is ${SECRET}`]], { allow: [NET(), USE()], onNote: (note) => notes.push(note) })
      .then(
        () => "",
        (cause: Error) => `${cause.message} ${JSON.stringify(cause)}`,
      );
    expect(error).toContain("[secret]");
    expect(holdsSecret(error)).toBe(false);
    expect(notes.some((note) => note.event === "node.log")).toBe(true);
    expect(holdsSecret(JSON.stringify(notes))).toBe(false);
    for (const file of filesBelow(lab.home)) expect([file, holdsSecret(readFileSync(file, "latin1"))]).toEqual([file, false]);
  });
});

describe("a model", () => {
  const CHAT = ["model:chat:local/**", "model:complete:local/**", "model:embed:local/**"];
  const model = (...what: unknown[]) => lab.tell([what], { allow: CHAT });

  test("answers, streams, completes and embeds; tokens and cost are counted", async () => {
    const notes: StepNote[] = [];
    const { did } = await lab.tell(
      [
        ["chat", "local/echo", "hello there"],
        ["stream", "local/slow", "a b c"],
        ["complete", "local/echo", "go on"],
        ["embed", "local/any", ["one", "three"]],
      ],
      { allow: CHAT, onNote: (note) => notes.push(note) },
    );
    expect(did[0]?.ok).toEqual({ text: "you said hello there", finish: "stop", inputTokens: 2, outputTokens: 4, cost: (2 * 1000 + 4 * 2000) / 1e6 });
    expect(did[1]?.ok).toMatchObject({ text: "you said a b c", pieces: ["you ", "said ", "a ", "b ", "c"] });
    expect(did[2]?.ok).toMatchObject({ text: "you said go on" });
    expect(did[3]?.ok).toEqual([
      [3, 0, 0.5],
      [5, 1, 0.5],
    ]);
    expect(notes.filter(({ event }) => event === "node.model")).toHaveLength(4);
    expect(notes[0]).toMatchObject({ model: "local/echo", inputTokens: 2, outputTokens: 4, cost: 0.01 });
  });

  test("of a server that doesn't stream, or says nothing of tokens, answers too", async () => {
    const { did } = await lab.tell(
      [
        ["chat", "local/no-stream", "x"],
        ["chat", "local/no-usage", "x"],
      ],
      { allow: CHAT },
    );
    expect(did[0]?.ok).toMatchObject({ text: "you said x", inputTokens: 1 });
    expect(did[1]?.ok).toMatchObject({ text: "you said x", inputTokens: 0, cost: 0 });
  });

  const FAULTS: [string, string, boolean][] = [
    ["busy-1", "unavailable model.429", true],
    ["broken-1", "unavailable model.500", true],
    ["cut", "unavailable http.failed", true],
    ["garbage", "unavailable model.protocol", true],
    ["garbage-event", "unavailable model.protocol", true],
    ["nothing", "unavailable model.protocol", true],
    ["forbidden", "unavailable model.401", false],
    ["unknown", "unavailable model.404", false],
  ];
  for (const [name, expected, mayPass] of FAULTS)
    test(`that is ${name} ends in ${expected}, which ${mayPass ? "may pass" : "stays"}`, async () => {
      const { did } = await model("chat", `local/${name}`, "some words to say");
      expect(refusal(did[0])).toBe(expected);
      expect(did[0]?.err?.retryAfterMs !== undefined).toBe(mayPass);
      if (name === "busy-1") expect(did[0]?.err?.retryAfterMs).toBe(50);
      expect(did[0]?.err?.message).not.toContain(SECRET);
    });

  test("that never ends is cut at the host's bound, and one that stalls at the call's deadline", async () => {
    const { did } = await model("chat", "local/endless", "x");
    expect(refusal(did[0])).toBe("limit http.limit");
    await expect(lab.tell([["chat", "local/stalls", "a b c d"]], { allow: CHAT, timeMs: 500 })).rejects.toMatchObject({ code: "step/timeout" });
    await expect(lab.tell([["chat", "local/hangs", "a"]], { allow: CHAT, timeMs: 500 })).rejects.toMatchObject({ code: "step/timeout" });
  }, 30_000);

  test("that sends the key back, whole or in pieces, is masked", async () => {
    for (const name of ["leaks", "leaks-slowly", "leaks-model", "leaks-event"]) {
      const { did } = await lab.tell([["stream", `local/${name}`, "x"]], { allow: CHAT });
      expect([name, holdsSecret(JSON.stringify(did))]).toEqual([name, false]);
    }
  });

  test("whose brackets never end is refused at once", async () => {
    const begun = performance.now();
    const { did } = await lab.tell([["chat", "local/brackets", "x"]], { allow: CHAT });
    expect(refusal(did[0])).toBe("unavailable model.protocol");
    expect(performance.now() - begun).toBeLessThan(3000);
  });

  test("whose answer was dropped on the way is counted all the same", async () => {
    const notes: StepNote[] = [];
    await lab.tell([["streamSome", "local/slow", "a b c d e f"]], { allow: CHAT, onNote: (note) => notes.push(note) });
    expect(notes.filter(({ event }) => event === "node.model")).toHaveLength(1);
  });

  const REFUSED: [string, unknown[], string[], string][] = [
    ["nobody granted", ["chat", "local/echo", "x"], [], "denied step.denied"],
    ["another was granted", ["chat", "local/echo", "x"], ["model:chat:local/other"], "denied step.denied"],
    ["only embeddings were granted", ["chat", "local/echo", "x"], ["model:embed:local/**"], "denied step.denied"],
    ["of a provider that isn't set up", ["chat", "nowhere/x", "x"], ["model:chat:**"], "not-found model.unknown"],
    ["of a provider with an inherited name", ["chat", "constructor/x", "x"], ["model:chat:**"], "not-found model.unknown"],
    ["whose name has a star", ["chat", "local/*", "x"], ["model:chat:**"], "invalid-input step.input"],
    ["without a provider", ["chat", "echo", "x"], ["model:chat:**"], "invalid-input step.input"],
    ["with too few vectors", ["embed", "local/short", ["a", "b"]], CHAT, "unavailable model.protocol"],
    ["with vectors that are none", ["embed", "local/odd", ["a"]], CHAT, "unavailable model.protocol"],
    ["with nothing to embed", ["embed", "local/any", []], CHAT, "invalid-input step.input"],
  ];
  for (const [name, what, allow, expected] of REFUSED)
    test(`${name} is refused`, async () => {
      expect(refusal((await lab.tell([what], { allow })).did[0])).toBe(expected);
    });
});

describe("keys and values", () => {
  test("stay from run to run, in order", async () => {
    await lab.tell(
      [
        ["set", "b", "2"],
        ["set", "a", "1"],
        ["increment", "n", 5],
      ],
      {},
    );
    const { did } = await lab.tell([["get", "a"], ["keys"], ["keys", "a"], ["increment", "n", -2], ["delete", "a"], ["get", "a"]], {});
    expect(did[0]?.ok).toBe("1");
    expect((did[1] as { ok: string[] }).ok.indexOf("a")).toBeLessThan((did[1] as { ok: string[] }).ok.indexOf("b"));
    expect(did[2]?.ok as string[]).not.toContain("a");
    expect(did.slice(3).map(refusal)).toEqual(["ok 3", "ok null", "ok null"]);
  });

  test("are another extension's own, and another publisher's", async () => {
    for (const change of [(text: string) => text.replace('id = "probe"', 'id = "other"'), (text: string) => text.replace('publisher = "symphony"', 'publisher = "else"')]) {
      await lab.tell([["set", "mine", "x"]]);
      await using other = await createLab({ manifest: change, other: { keys: lab.services.keys } });
      expect((await other.tell([["get", "mine"], ["keys"]])).did.map(refusal)).toEqual(["ok null", "ok []"]);
    }
  });

  const BAD: [string, unknown[], string][] = [
    ["an empty key", ["set", "", "x"], "invalid-input step.input"],
    ["a key of 600 bytes", ["get", "x".repeat(600)], "invalid-input step.input"],
    ["a value of 2 MiB", ["set", "k", 2 * 1024 * 1024], "limit run.limit"],
    ["18 MiB together", ["setMany", 18, 1024 * 1024], "limit run.limit"],
    ["adding to what is no number", ["increment", "word", 1], "invalid-input step.input"],
    ["adding a part", ["increment", "n", 0.5], "invalid-input step.input"],
    ["adding too much", ["increment", "n", Number.MAX_SAFE_INTEGER], "invalid-input step.input"],
  ];
  for (const [name, what, expected] of BAD)
    test(`${name} is refused`, async () => {
      await using own = await createLab();
      await own.tell([
        ["set", "word", "x"],
        ["increment", "n", 5],
      ]);
      expect(refusal((await own.tell([what])).did[0])).toBe(expected);
    });

  test("are refused where a policy says so", async () => {
    await using own = await createLab({ settings: '[[permissions]]\nextension = "*"\ndeny = ["keyvalue:write:own", "artifact:write:run"]\n' });
    const { did, audit } = await own.tell([
      ["get", "a"],
      ["set", "a", "1"],
      ["increment", "n", 1],
      ["store", "x"],
    ]);
    expect(did.map(refusal)).toEqual(["ok null", "denied step.denied", "denied step.denied", "denied step.denied"]);
    expect(audit.filter(({ allowed }) => allowed === false).length).toBe(2);
  });
});

describe("a command", () => {
  const SH = (script: string): string => `system:execute:${JSON.stringify(["sh", "-c", script])}`;
  const ANY = 'system:execute:["sh","-c","**"]';

  test("that is granted runs, with what it is given, and says what came of it", async () => {
    const { did, audit } = await lab.tell([["run", "any", ["cat; echo err >&2; exit 3"], "in"]], { allow: [ANY] });
    expect(did[0]?.ok).toEqual({ code: 3, output: "in", errors: "err\n" });
    expect(audit.at(-1)?.right).toContain("system:execute:");
  });

  test("has none of our variables but those that programs need", async () => {
    const { did } = await lab.tell([["run", "any", ["env"]]], { allow: [ANY] });
    expect((did[0] as { ok: { output: string } }).ok.output).not.toContain("SYMPHONY");
    expect(holdsSecret(JSON.stringify(did))).toBe(false);
  });

  const REFUSED: [string, unknown[], string[], string][] = [
    ["nobody granted", ["run", "any", ["true"]], [], "denied step.denied"],
    ["that isn't the one that was granted", ["run", "any", ["id"]], [SH("true")], "denied step.denied"],
    ["that the manifest doesn't name", ["run", "other", ["true"]], [ANY], "denied step.denied"],
    ["by its path", ["run", "/bin/sh", ["-c", "true"]], [ANY], "denied step.denied"],
    ["with 300 arguments", ["run", "any", Array.from({ length: 300 }, () => "x")], [ANY], "invalid-input step.input"],
    ["with NUL", ["run", "any", ["a\0b"]], [ANY], "invalid-input step.input"],
    ["with 9 MiB of output", ["run", "any", ["head -c 9437184 /dev/zero"]], [ANY], "limit run.limit"],
    ["a fifth at once", ["startMany", "any", ["sleep 5"], 5], [ANY], "limit run.limit"],
  ];
  for (const [name, what, allow, expected] of REFUSED)
    test(`${name} is refused`, async () => {
      expect(refusal((await lab.tell([what], { allow })).did[0])).toBe(expected);
    });

  test("that is granted with a star in it is that one", async () => {
    const { did } = await lab.tell(
      [
        ["run", "any", ["echo *"]],
        ["run", "any", ["id"]],
      ],
      { allow: [SH("echo *")] },
    );
    expect(did[0]?.ok).toBeDefined();
    expect(refusal(did[1])).toBe("denied step.denied");
  });

  test("can be talked to", async () => {
    const { did } = await lab.tell([["start", "any", ["cat"], "ping\n", 3]], { allow: [ANY] });
    expect(did[0]?.ok).toBe("ping\nping\nping\n");
  });

  test("ends with its call, however the call ends, and what it started too", async () => {
    const mark = join(lab.folder, "alive");
    const script = `(while :; do date +%s%N > ${mark}; sleep 0.02; done) & wait`;
    await lab.tell([["startMany", "any", [script], 1]], { allow: [ANY] });
    await expect(lab.tell([["run", "any", [script]]], { allow: [ANY], timeMs: 600 })).rejects.toMatchObject({ code: "step/timeout" });
    const abort = new AbortController();
    const going = lab.tell([["run", "any", [script]]], { allow: [ANY], signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    expect(
      await going.then(
        ({ did }) => refusal(did[0]),
        (cause: { code: string }) => cause.code,
      ),
    ).toMatch(/run.cancelled/);
    expect(existsSync(mark)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = readFileSync(mark, "utf8");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(readFileSync(mark, "utf8")).toBe(before);
  }, 20_000);

  test("takes with it what it left behind", async () => {
    const mark = join(lab.folder, "left");
    await lab.tell([["run", "any", [`(while :; do date +%s%N > ${mark}; sleep 0.02; done) >/dev/null 2>&1 & echo started`]]], { allow: [ANY] });
    await new Promise((resolve) => setTimeout(resolve, 150));
    const before = existsSync(mark) ? readFileSync(mark, "utf8") : "";
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(existsSync(mark) ? readFileSync(mark, "utf8") : "").toBe(before);
  });

  test("that doesn't read its input holds its step up, not the host's memory", async () => {
    await expect(lab.tell([["start", "any", ["sleep 20"], "x".repeat(1_000_000), 40]], { allow: [ANY], timeMs: 1500 })).rejects.toMatchObject({ code: "step/timeout" });
  });

  test("ends when the right to it is taken back", async () => {
    await using own = await createLab();
    const made = await own.services.permissions.decide({ id: "probe", publisher: "symphony", asked: askedTexts(own.manifest) }, [parseRight(ANY)], "allow");
    const mark = join(own.folder, "started");
    const going = own.tell([["run", "any", [`touch ${mark}; sleep 20`]]]);
    while (!existsSync(mark)) await new Promise((resolve) => setTimeout(resolve, 5));
    await own.services.permissions.revoke(made.map(({ n }) => n));
    expect(refusal((await going).did[0])).toBe("denied step.denied");
  });
});

describe("artifacts", () => {
  test("are read by who was given them, and by nobody who only knows their name", async () => {
    const { did, outputs } = await lab.tell([
      ["store", "hello"],
      ["readArtifact", "0".repeat(64)],
      ["readArtifact", "../../audit.head"],
      ["readArtifact", "__proto__"],
    ]);
    expect(did.slice(1).map(refusal)).toEqual(["denied step.denied", "denied step.denied", "denied step.denied"]);
    const made = outputs.get("made");
    const id = (made as { val: { id: string } }).val.id;
    const { did: later, audit } = await lab.tell([["readArtifact", id]]);
    expect(refusal(later[0])).toBe("denied step.denied");
    expect(audit.some(({ allowed, by }) => allowed === false && by?.includes("was not given"))).toBe(true);
    const { did: given } = await lab.tell([["readArtifact", id]], { inputs: { given: made as never } });
    expect(given[0]?.ok).toBe("hello");
  });
});

describe("between runs and calls", () => {
  test("nothing is remembered from one run to another", async () => {
    await lab.tell([["remember", "from before"]], { run: "first" });
    expect((await lab.tell([["recall"]], { run: "second" })).did[0]?.ok).toBe("");
  });

  test("a node with fewer rights isn't told what one with more has seen", async () => {
    const file = join(lab.folder, "for-one");
    writeFileSync(file, "x");
    await lab.tell([["remember", "seen with rights"]], { run: "same", folder: lab.folder, allow: [`file:read:${lab.folder}/**`] });
    expect((await lab.tell([["recall"]], { run: "same", narrowed: [] })).did[0]?.ok).toBe("");
  });

  test("the clock, chance and waiting are there for all, and a wait ends with the call", async () => {
    const { did } = await lab.tell([["now"], ["sleep", 20], ["random", 100], ["random", 1_000_000]]);
    expect(did.map(refusal)).toEqual(["ok true", "ok null", "ok 100", "ok 65536"]);
    await expect(lab.tell([["sleep", 60_000]], { timeMs: 300 })).rejects.toMatchObject({ code: "step/timeout" });
  });
});
