// HTTP for guests: what is granted by scheme, host, port and method, and nothing beside it; redirects, names that lead elsewhere, odd
// spellings, headers that are the host's, and bounds. The servers are this test's own, on loopback.
import { createServer, type Server } from "node:http";
import { createServer as createTcp } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { askedTexts, parseRight } from "../../runtime/mod.ts";
import { createHttp } from "../../runtime/platform/http.ts";
import { createLab, type Lab, refusal } from "./lab.ts";

const seen: { url: string; method: string; headers: Record<string, string | string[] | undefined>; body: string }[] = [];
let port = 0;
let other = 0;
let raw = 0;
const servers: { close(): void }[] = [];

function serve(): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => {
      body += String(piece);
    });
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://x");
      seen.push({ url: request.url ?? "", method: request.method ?? "", headers: request.headers, body });
      const to = url.searchParams.get("to");
      if (url.pathname === "/redirect") response.writeHead(Number(url.searchParams.get("status") ?? 302), { location: to ?? "" }).end();
      else if (url.pathname === "/loop") response.writeHead(302, { location: "/loop" }).end();
      else if (url.pathname === "/big") {
        response.writeHead(200);
        const piece = Buffer.alloc(1024 * 1024);
        let left = 40;
        const more = (): void => {
          while (left-- > 0) if (!response.write(piece)) return void response.once("drain", more);
          response.end();
        };
        more();
      } else if (url.pathname === "/slow") setTimeout(() => response.end("late"), 5000);
      else if (url.pathname === "/drip") {
        response.writeHead(200);
        const timer = setInterval(() => response.write("x"), 50);
        response.on("close", () => clearInterval(timer));
      } else if (url.pathname === "/cut") {
        response.writeHead(200, { "content-length": "100" });
        response.write("abc");
        setTimeout(() => response.destroy(), 10);
      } else if (url.pathname === "/gzip") response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(JSON.stringify(request.headers)));
      else if (url.pathname === "/status") response.writeHead(Number(to), { "x-a": "1" }).end("said");
      else
        response
          .writeHead(200, { "content-type": "application/json", "x-seen": String(request.headers["authorization"] ?? "") })
          .end(JSON.stringify({ method: request.method, headers: request.headers, body }));
    });
  });
  servers.push(server);
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ server, port: (server.address() as { port: number }).port })));
}

let lab: Lab;
let named: Lab;
/** What the resolver says, and how often it was asked. */
const resolved = new Map<string, () => string[]>();
beforeAll(async () => {
  ({ port } = await serve());
  ({ port: other } = await serve());
  const tcp = createTcp((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      const path = /^\S+ (\S+)/.exec(String(data))?.[1];
      if (path === "/headers") {
        socket.write("HTTP/1.1 200 OK\r\n");
        for (let i = 0; i < 100_000 && !socket.destroyed; i++) socket.write(`x-${i}: ${"y".repeat(100)}\r\n`);
      } else if (path === "/garbage") socket.end("this is no HTTP\r\n\r\n");
      else if (path === "/nothing") socket.end();
      else if (path === "/split") socket.end("HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 2\r\n\r\nok");
    });
  });
  servers.push(tcp);
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", () => resolve()));
  raw = (tcp.address() as { port: number }).port;
  lab = await createLab();
  named = await createLab({
    settings: '[network]\nprivate = ["inner.test"]\n',
    other: { http: createHttp(async (host) => resolved.get(host)?.() ?? []) },
  });
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await named[Symbol.asyncDispose]();
  for (const server of servers) server.close();
});

const own = (path = "/", at = port): string => `http://127.0.0.1:${at}${path}`;
const GET = (): string => `network:GET:http://127.0.0.1:${port}`;
const ANY = (): string => `network:*:http://127.0.0.1:${port}`;

test("a request that is granted is sent, and its answer comes back", async () => {
  const { did, audit } = await lab.tell([["http", { url: own("/x?y=1"), method: "POST", headers: [["x-mine", "1"]], body: "hello" }]], { allow: [ANY()] });
  expect(did[0]?.ok).toMatchObject({ status: 200, url: own("/x?y=1") });
  expect(seen.at(-1)).toMatchObject({ method: "POST", url: "/x?y=1", body: "hello" });
  expect(seen.at(-1)?.headers).toMatchObject({ host: `127.0.0.1:${port}`, "x-mine": "1", connection: "close" });
  expect(audit.at(-1)).toMatchObject({ allowed: true, right: `network:POST:http://127.0.0.1:${port}` });
});

const REFUSED: [string, () => Record<string, unknown>, () => string[]][] = [
  ["another port", () => ({ url: own("/", other) }), () => [GET()]],
  ["another method", () => ({ url: own(), method: "DELETE" }), () => [GET()]],
  ["another scheme", () => ({ url: own().replace("http:", "https:") }), () => [GET()]],
  ["another host", () => ({ url: own().replace("127.0.0.1", "127.0.0.2") }), () => [GET()]],
  ["localhost for 127.0.0.1", () => ({ url: own().replace("127.0.0.1", "localhost") }), () => [GET()]],
  ["[::1] for 127.0.0.1", () => ({ url: own().replace("127.0.0.1", "[::1]") }), () => [GET()]],
  ["a mapped address", () => ({ url: own().replace("127.0.0.1", "[::ffff:127.0.0.1]") }), () => [GET()]],
  ["nothing granted", () => ({ url: own() }), () => []],
];
describe("is refused with its audit line:", () => {
  for (const [name, request, allow] of REFUSED)
    test(name, async () => {
      const before = seen.length;
      const { did, audit } = await lab.tell([["http", request()]], { allow: allow() });
      expect(refusal(did[0])).toBe("denied step.denied");
      expect(audit.some(({ allowed, right }) => allowed === false && right?.startsWith("network:"))).toBe(true);
      expect(seen.length).toBe(before);
    });
});

describe("a private address behind a right that doesn't name it is refused with its audit line:", () => {
  const EVERY = ["network:*:http://**:*"];
  for (const host of [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "[::ffff:7f00:1]",
    "0.0.0.0",
    "127.0.0.1.",
    "①②⑦.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "[fe80::1]",
    "[64:ff9b::7f00:1]",
  ])
    test(host, async () => {
      const before = seen.length;
      const { did, audit } = await lab.tell([["http", { url: `http://${host}:${port}/`, timeoutMs: 1500 }]], { allow: EVERY });
      expect(refusal(did[0])).toBe("denied http.denied");
      expect(audit.at(-1)).toMatchObject({ allowed: false, event: "check" });
      expect(seen.length).toBe(before);
    });
});

describe("a name that leads elsewhere", () => {
  const NAMED = ["network:GET:http://*.test:*"];
  const go = (host: string) => named.tell([["http", { url: `http://${host}:${port}/` }]], { allow: NAMED });

  test("to loopback is refused", async () => {
    resolved.set("evil.test", () => ["127.0.0.1"]);
    expect(refusal((await go("evil.test")).did[0])).toBe("denied http.denied");
  });
  test("to loopback, named by the right, is refused too: a name is not an address", async () => {
    resolved.set("evil.test", () => ["127.0.0.1"]);
    const { did } = await named.tell([["http", { url: `http://evil.test:${port}/` }]], { allow: [`network:GET:http://evil.test:${port}`] });
    expect(refusal(did[0])).toBe("denied http.denied");
  });
  test("to a mapped, a translated and a link-local address is refused", async () => {
    for (const address of ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1", "fc00::1", "0.0.0.0", "169.254.169.254"]) {
      resolved.set("evil.test", () => [address]);
      expect(refusal((await go("evil.test")).did[0])).toBe("denied http.denied");
    }
  });
  test("to nothing is told as that", async () => {
    resolved.set("none.test", () => []);
    expect(refusal((await go("none.test")).did[0])).toBe("denied http.denied");
  });
  test("first to a public address and then to loopback is asked once: what was judged is what is used", async () => {
    let asked = 0;
    resolved.set("rebind.test", () => [++asked === 1 ? "192.0.2.1" : "127.0.0.1"]);
    const before = seen.length;
    await named.tell([["http", { url: `http://rebind.test:${port}/`, timeoutMs: 300 }]], { allow: NAMED });
    expect(asked).toBe(1);
    expect(seen.length).toBe(before);
  });
  test("to loopback beside a public address goes to the public one", async () => {
    resolved.set("both.test", () => ["127.0.0.1", "1.1.1.1", "127.0.0.1"]);
    const before = seen.length;
    // no packet for a public address leaves: the connection ends with its time
    const { did } = await named.tell([["http", { url: `http://both.test:${port}/`, timeoutMs: 200 }]], { allow: NAMED });
    expect(did[0]?.err?.code).toMatch(/^http\.(timeout|failed)$/);
    expect(seen.length).toBe(before);
  });
  test("to loopback is fine where the settings say that it is private and meant", async () => {
    resolved.set("inner.test", () => ["127.0.0.1"]);
    const { did } = await go("inner.test");
    expect(did[0]?.ok).toMatchObject({ status: 200 });
    expect(seen.at(-1)?.headers["host"]).toBe(`inner.test:${port}`);
  });
});

describe("a redirect", () => {
  test("to what is granted is followed", async () => {
    const { did } = await lab.tell([["http", { url: own(`/redirect?to=${encodeURIComponent("/there")}`) }]], { allow: [GET()] });
    expect(did[0]?.ok).toMatchObject({ status: 200, url: own("/there") });
  });
  test("is the answer where none is to be followed", async () => {
    const { did } = await lab.tell([["http", { url: own("/redirect?to=/there"), redirects: 0 }]], { allow: [GET()] });
    expect(did[0]?.ok).toMatchObject({ status: 302 });
  });
  const AWAY: [string, () => string][] = [
    ["another port", () => own("/", other)],
    ["another host", () => own().replace("127.0.0.1", "127.0.0.2")],
    ["another scheme", () => own().replace("http", "https")],
    ["a host in another spelling", () => own().replace("127.0.0.1", "localhost")],
  ];
  for (const [name, to] of AWAY)
    test(`to ${name} is judged anew, and refused`, async () => {
      const before = seen.length;
      const { did, audit } = await lab.tell([["http", { url: own(`/redirect?to=${encodeURIComponent(to())}`) }]], { allow: [GET()] });
      expect(refusal(did[0])).toBe("denied step.denied");
      expect(audit.filter(({ allowed }) => allowed === false).length).toBe(1);
      expect(seen.length).toBe(before + 1);
    });
  for (const to of ["file:///etc/passwd", "javascript:alert(1)", "data:text/plain,x", "ftp://127.0.0.1/"])
    test(`to ${to} is refused`, async () => {
      const { did } = await lab.tell([["http", { url: own(`/redirect?to=${encodeURIComponent(to)}`) }]], { allow: [GET()] });
      expect(refusal(did[0])).toBe("invalid-input http.invalid");
    });
  test("that has no end is left", async () => {
    const { did } = await lab.tell([["http", { url: own("/loop"), redirects: 200 }]], { allow: [GET()] });
    expect(refusal(did[0])).toBe("unavailable http.failed");
  });
  test("takes no cookie and no authorization to another origin", async () => {
    const url = own(`/redirect?to=${encodeURIComponent(own("/", other))}`);
    await lab.tell(
      [
        [
          "http",
          {
            url,
            headers: [
              ["authorization", "Bearer mine"],
              ["cookie", "a=b"],
              ["x-other", "stays"],
            ],
          },
        ],
      ],
      { allow: [GET(), `network:GET:http://127.0.0.1:${other}`] },
    );
    expect(seen.at(-1)?.headers).toMatchObject({ "x-other": "stays" });
    expect(seen.at(-1)?.headers["authorization"]).toBeUndefined();
    expect(seen.at(-1)?.headers["cookie"]).toBeUndefined();
  });
  test("turns POST into GET without its body, but for 307 and 308", async () => {
    await lab.tell([["http", { url: own("/redirect?to=/there"), method: "POST", body: "x" }]], { allow: [ANY()] });
    expect(seen.at(-1)).toMatchObject({ method: "GET", body: "" });
    await lab.tell([["http", { url: own("/redirect?to=/there&status=307"), method: "POST", body: "x" }]], { allow: [ANY()] });
    expect(seen.at(-1)).toMatchObject({ method: "POST", body: "x" });
  });
});

describe("what belongs to the connection is the host's:", () => {
  for (const name of [
    "host",
    "Host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
    "sec-fetch-site",
    "x-forwarded-for",
    "http2-settings",
  ])
    test(`the header ${name}`, async () => {
      const { did } = await lab.tell([["http", { url: own(), headers: [[name, "x"]] }]], { allow: [GET()] });
      expect(refusal(did[0])).toBe("invalid-input http.invalid");
    });
  const ODD: [string, Record<string, unknown>][] = [
    ["a line's end in a header", { headers: [["x-a", "b\r\nx-evil: 1"]] }],
    ["a lone line feed in a header", { headers: [["x-a", "b\nc"]] }],
    ["NUL in a header", { headers: [["x-a", "b\0c"]] }],
    ["a header's name with a colon", { headers: [["x:a", "b"]] }],
    ["a header's name with a line's end", { headers: [["x\r\ny", "b"]] }],
    ["an empty name", { headers: [["", "b"]] }],
    ["101 headers", { headers: Array.from({ length: 101 }, (_, i) => [`x-${i}`, "y"]) }],
    ["headers of 40 000 bytes", { headers: [["x-a", "y".repeat(40_000)]] }],
    ["a body of 9 MiB", { method: "POST", body: 9 * 1024 * 1024 }],
    ["the method CONNECT", { method: "CONNECT" }],
    ["the method TRACE", { method: "TRACE" }],
    ["a method with a space", { method: "GET /x HTTP/1.1\r\nx: y" }],
    ["the method *", { method: "*" }],
    ["a user in the URL", { url: "http://user:pass@127.0.0.1/" }],
    ["a file's URL", { url: "file:///etc/passwd" }],
    ["what is no URL", { url: "not a url" }],
    ["a URL of 9 000 characters", { url: `http://127.0.0.1/${"x".repeat(9000)}` }],
  ];
  for (const [name, request] of ODD)
    test(`${name} is refused`, async () => {
      const before = seen.length;
      const { did } = await lab.tell([["http", { url: own(), ...request }]], { allow: [ANY(), "network:*:http://**:*"] });
      expect(refusal(did[0])).toBe("invalid-input http.invalid");
      expect(seen.length).toBe(before);
    });
  test("a line's end in a path is spelled, not sent", async () => {
    const { did } = await lab.tell([["http", { url: `${own()}a%0d%0ax:y\r\nz: 1` }]], { allow: [GET()] });
    expect(did[0]?.ok).toBeDefined();
    expect(seen.at(-1)?.headers["z"]).toBeUndefined();
  });
});

describe("a server that does it harm", () => {
  const BAD: [string, () => Record<string, unknown>, RegExp][] = [
    ["with 40 MiB", () => ({ url: own("/big") }), /^limit http\.limit$/],
    ["with more than was asked for", () => ({ url: own("/big"), bodyMax: 1000 }), /^limit http\.limit$/],
    ["that answers too late", () => ({ url: own("/slow"), timeoutMs: 200 }), /^timeout http\.timeout$/],
    ["that drips without an end", () => ({ url: own("/drip"), timeoutMs: 400 }), /^timeout http\.timeout$/],
    ["that hangs up", () => ({ url: own("/cut") }), /^unavailable http\.failed$/],
    ["that isn't there", () => ({ url: own("/", 1) }), /^(unavailable http\.failed|denied step\.denied)$/],
    ["with 100 000 headers", () => ({ url: own("/headers", raw) }), /^unavailable http\.failed$/],
    ["that speaks no HTTP", () => ({ url: own("/garbage", raw) }), /^unavailable http\.failed$/],
    ["that says nothing", () => ({ url: own("/nothing", raw) }), /^unavailable http\.failed$/],
  ];
  for (const [name, request, expected] of BAD)
    test(`${name} ends in an error, and the next request works`, async () => {
      const { did } = await lab.tell(
        [
          ["http", request()],
          ["http", { url: own() }],
        ],
        { allow: [GET(), `network:GET:http://127.0.0.1:${raw}`] },
      );
      expect(refusal(did[0])).toMatch(expected);
      expect(did[1]?.ok).toMatchObject({ status: 200 });
    });

  test("a call's deadline ends a request that has none", async () => {
    const begun = performance.now();
    await expect(lab.tell([["http", { url: own("/slow"), timeoutMs: 0 }]], { allow: [GET()], timeMs: 400 })).rejects.toMatchObject({ code: "step/timeout" });
    expect(performance.now() - begun).toBeLessThan(4000);
  });

  test("cancelling the step ends its request", async () => {
    const abort = new AbortController();
    const going = lab.tell([["http", { url: own("/slow") }]], { allow: [GET()], signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    // it may still answer within its grace; then it heard of it
    expect(
      await going.then(
        ({ did }) => refusal(did[0]),
        (cause: { code: string }) => cause.code,
      ),
    ).toMatch(/run.cancelled/);
  });
});

test("taking a right back ends a request that is under way, and the step hears why", async () => {
  await using strict = await createLab();
  const made = await strict.services.permissions.decide({ id: "probe", publisher: "symphony", asked: askedTexts(strict.manifest) }, [parseRight(GET())], "allow");
  const going = strict.tell([
    ["http", { url: own("/slow"), timeoutMs: 4000 }],
    ["http", { url: own() }],
  ]);
  const slow = (): number => seen.filter(({ url }) => url === "/slow").length;
  for (const before = slow(); slow() === before; ) await new Promise((resolve) => setTimeout(resolve, 5));
  await strict.services.permissions.revoke(made.map(({ n }) => n));
  const begun = performance.now();
  const { did } = await going;
  expect(did.map(refusal)).toEqual(["denied step.denied", "denied step.denied"]);
  expect(did[0]?.err?.message).toContain("taken back");
  expect(performance.now() - begun).toBeLessThan(3000);
});

test("a step that waits for a slow server doesn't hold up another", async () => {
  const slow = Array.from({ length: 12 }, () => lab.tell([["http", { url: own("/slow"), timeoutMs: 2500 }]], { allow: [GET()] }).catch(() => undefined));
  await using quick = await createLab();
  const begun = performance.now();
  const { did } = await quick.tell([["now"]]);
  expect(did[0]?.ok).toBe(true);
  expect(performance.now() - begun).toBeLessThan(2000);
  await Promise.all(slow);
}, 30_000);
