// Rights: their one spelling, what covers what, the tree against a search by hand, and who decides.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseManifest } from "../manifest/manifest.ts";
import { isPublicAddress } from "./address.ts";
import { type Authority, createCheck } from "./check.ts";
import { narrowingFaults } from "./narrowing.ts";
import { askedRights, askedTexts, decisionsFor, type Grant, grantHolds, openQuestions, type Policy, type RunFacts } from "./policy.ts";
import { ALL, covers, describeRight, ONE, overlaps, parseRight, pathRow, type PatternName, requestRow, type Right, SOME, spellPathObject } from "./right.ts";
import { createRightSet } from "./tree.ts";

const SPELLINGS: [string, string][] = [
  ["file:read:/data/**", "file:read:/data/**"],
  ["file:write:/", "file:write:/"],
  ["file:read:/a/\\*/b", "file:read:/a/\\*/b"],
  ["network:get:https://API.Example.com", "network:GET:https://api.example.com"],
  ["network:GET:https://example.com:443", "network:GET:https://example.com"],
  ["network:*:*://**:*", "network:*:*://**:*"],
  ["network:POST:http://127.0.0.1:8080", "network:POST:http://127.0.0.1:8080"],
  ["network:GET:http://[::1]:80/", "network:GET:http://[::1]"],
  ["network:GET:https://example.com.", "network:GET:https://example.com"],
  ['system:execute:["git", "log", "**"]', 'system:execute:["git","log","**"]'],
  ["model:chat:local/llama3:8b", "model:chat:local/llama3:8b"],
  ["bus:publish:run.*.node.>", "bus:publish:run.*.node.>"],
  ["secret:use:key@https://api.example.com", "secret:use:key@https://api.example.com"],
  ["secret:sign:key", "secret:sign:key"],
  ["artifact:write:run", "artifact:write:run"],
  ["keyvalue:read:own", "keyvalue:read:own"],
];

describe("parseRight()", () => {
  for (const [given, spelled] of SPELLINGS)
    test(`reads ${given} and has one spelling for it`, () => {
      expect(parseRight(given).text).toBe(spelled);
      expect(parseRight(spelled).text).toBe(spelled);
      expect(describeRight(parseRight(given)).length).toBeGreaterThan(3);
    });

  const WRONG: [string, string][] = [
    ["", "is no type of right"],
    ["file", "expected type:scope:object"],
    ["fiel:read:/x", 'did you mean "file"'],
    ["file:execute:/x", "is no scope of file"],
    ["file:read:x", "a path must be absolute"],
    ["file:read:/a/../b", "'..'"],
    ["file:read:/a//b", "an empty name"],
    ["file:read:/a/**/b", "only be the last"],
    ["file:read:/a/*.md", "mixes * with letters"],
    ["network:GET:ftp://x.y", "no scheme"],
    ["network:GET:https://*", "write ** for every host"],
    ["network:GET:https://a.*.com", "only be the first"],
    ["network:GET:https://*.1", "behind a wildcard"],
    ["network:GET:https://127.1", "another spelling of 127.0.0.1"],
    ["network:GET:https://0x7f.0.0.1", "another spelling of 127.0.0.1"],
    ["network:GET:https://2130706433", "another spelling of 127.0.0.1"],
    ["network:GET:https://user@x.y", "expected scheme://host"],
    ["network:GET:https://x.y/path", "expected scheme://host"],
    ["network:GET:https://x.y:70000", "is no port"],
    ["network:CONNECT:https://x.y", "is no scope of network"],
    ["network:GET:https://münchen.de", "another spelling of xn--mnchen-3ya.de"],
    ["system:execute:git log", "a JSON list"],
    ['system:execute:["*"]', "must be named"],
    ['system:execute:["git","**","x"]', "only be the last"],
    ["model:chat:", "expected provider/model"],
    ["bus:publish:a..b", "a subject such as"],
    ["secret:use:key", "where the secret may go"],
    ["secret:sign:key@https://x.y", "goes nowhere"],
    ["secret:use:k e y@https://x.y", "expected the secret's name"],
    ["artifact:read:all", 'expected "run"'],
    ["keyvalue:write:other", 'expected "own"'],
    [`file:read:/${"a".repeat(5000)}`, "characters"],
  ];
  for (const [given, says] of WRONG)
    test(`refuses ${given.slice(0, 40)} and says why`, () => {
      expect(() => parseRight(given)).toThrow(says);
    });
});

// ---- the tree, and what covers what, against the plain meaning of patterns ----

const NAMES = ["a", "b", "c"];
const pattern = fc
  .tuple(fc.array(fc.constantFrom<PatternName>(...NAMES, ONE), { maxLength: 4 }), fc.constantFrom<PatternName | undefined>(undefined, ALL, SOME))
  .map(([names, rest]): Right => ({ type: "bus", names: rest ? [...names, rest] : names, text: "" }));
const plain = fc.array(fc.constantFrom(...NAMES), { maxLength: 5 });

function meaning(names: readonly PatternName[], given: readonly string[]): boolean {
  const [first, ...rest] = names;
  if (first === ALL) return true;
  if (first === SOME) return given.length > 0;
  if (first === undefined || given.length === 0) return first === undefined && given.length === 0;
  return (first === ONE || first === given[0]) && meaning(rest, given.slice(1));
}

test("a set finds what one of its patterns means, and nothing else", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 8 }), plain, (patterns, names) => {
      const found = createRightSet(patterns).find("bus", names);
      const wanted = patterns.some((one) => meaning(one.names, names));
      expect(found >= 0).toBe(wanted);
      if (found >= 0) expect(meaning(patterns[found]?.names ?? [], names)).toBe(true);
    }),
    { numRuns: 3000, seed: 1 },
  );
});

test("what a pattern covers or overlaps is what the names that it means say", () => {
  const all: string[][] = [[]];
  for (const names of all) if (names.length < 5) for (const name of NAMES) all.push([...names, name]);
  fc.assert(
    fc.property(pattern, pattern, (wide, narrow) => {
      // names beyond the alphabet stand for all others
      const mean = all.filter((names) => meaning(narrow.names, names));
      if (covers(wide, narrow)) for (const names of mean) expect(meaning(wide.names, names)).toBe(true);
      expect(overlaps(wide, narrow)).toBe(mean.some((names) => meaning(wide.names, names)));
    }),
    { numRuns: 500, seed: 2 },
  );
});

test("a folder with stars, backslashes or > in its name is meant by its name alone", () => {
  for (const name of ["*", "**", "\\*", ">", "\\", "a\\*"]) {
    const right = parseRight(`file:read:${spellPathObject(`/x/${name}`, true)}`);
    const set = createRightSet([right]);
    expect(set.find("file", pathRow("read", `/x/${name}/y`))).toBe(0);
    expect(set.find("file", pathRow("read", "/x/other/y"))).toBe(-1);
  }
});

test("hosts are compared label by label from their end", () => {
  const find = (right: string, url: string): boolean => createRightSet([parseRight(right)]).find("network", requestRow("GET", new URL(url))) >= 0;
  expect(find("network:GET:https://*.example.com", "https://api.example.com/x")).toBe(true);
  expect(find("network:GET:https://*.example.com", "https://example.com/")).toBe(false);
  expect(find("network:GET:https://*.example.com", "https://a.b.example.com/")).toBe(false);
  expect(find("network:GET:https://**.example.com", "https://a.b.example.com/")).toBe(true);
  expect(find("network:GET:https://**.example.com", "https://evilexample.com/")).toBe(false);
  expect(find("network:GET:https://example.com", "https://example.com.evil.org/")).toBe(false);
  expect(find("network:GET:https://example.com", "https://example.com:444/")).toBe(false);
  expect(find("network:GET:https://example.com", "http://example.com/")).toBe(false);
  expect(find("network:POST:https://example.com", "https://example.com/")).toBe(false);
  expect(find("network:GET:https://example.com", "https://EXAMPLE.com./")).toBe(true);
  expect(find("network:GET:http://127.0.0.1", "http://0x7f.1/")).toBe(true);
});

test("addresses that are somebody's own are told from public ones, in every spelling", () => {
  for (const address of [
    ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1"],
    ...["224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1"],
    ...["::ffff:10.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1", "[::1]", "not an address", ""],
  ])
    expect(`${address} ${isPublicAddress(address)}`).toBe(`${address} false`);
  for (const address of ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"]) expect(`${address} ${isPublicAddress(address)}`).toBe(`${address} true`);
});

// ---- who decides ----

const HEAD = 'version = "1.0.0"\nkind = "operator"\n[inputs.folder]\ntype = "folder"\n[outputs.o]\ntype = "text"\n[settings.key]\ntype = "text"\nsecret = true\n';
const asks = (capabilities: string, id = "x", publisher = "acme") => parseManifest(`id = "${id}"\npublisher = "${publisher}"\n${HEAD}${capabilities}`, id);
const NET = '[[capabilities.network]]\nto = ["https://**.example.com"]\nmethods = ["GET", "POST"]\nreason = "r"\n';
const FACTS: RunFacts = { folders: ["/home/me/in put"], project: "/home/me/project", userHome: "/home/me", settings: new Map([["key", "token"]]) };

test("what is known only in a run takes the place of names in brackets, and nothing does where it isn't known", () => {
  const manifest = asks(
    '[[capabilities.file]]\nfolder = "inputs"\nscope = "write"\nreason = "r"\n[[capabilities.file]]\nfolder = "project"\nreason = "r"\n[[capabilities.file]]\nfolder = "~/.cache/x"\nname = "cache"\nreason = "r"\n[[capabilities.secret]]\nsetting = "key"\nto = ["https://a.example.com"]\nreason = "r"\n',
  );
  expect(askedRights(manifest, FACTS).map(({ right }) => right.text)).toEqual([
    "file:read:/home/me/in put/**",
    "file:write:/home/me/in put/**",
    "file:read:/home/me/project/**",
    "file:read:/home/me/.cache/x/**",
    "secret:use:token@https://a.example.com",
  ]);
  expect(askedRights(manifest, { folders: [], project: undefined, userHome: undefined, settings: new Map() })).toEqual([]);
});

test("a setting can't turn a name into a pattern", () => {
  const manifest = parseManifest(`id = "x"\n${HEAD}[settings.model]\ntype = "text"\n[[capabilities.model]]\nsetting = "model"\nreason = "r"\n`, "x");
  const asked = (model: string) => askedRights(manifest, { ...FACTS, settings: new Map([["model", model]]) }).map(({ right }) => right);
  expect(covers(asked("local/**")[0] as never, parseRight("model:chat:local/other"))).toBe(false);
  expect(asked("")).toEqual([]);
  expect(asked("local/llama3")[0]?.text).toBe("model:chat:local/llama3");
});

const policy = (rule: Partial<Record<"allow" | "deny" | "prompt", string[]>> & { extension?: string; publisher?: string }): Policy => ({
  extension: rule.extension ?? "*",
  publisher: rule.publisher,
  allow: (rule.allow ?? []).map(parseRight),
  deny: (rule.deny ?? []).map(parseRight),
  prompt: (rule.prompt ?? []).map(parseRight),
  place: "settings",
});
const grant = (manifest: ReturnType<typeof asks>, right: string, decision: "allow" | "deny" = "allow"): Grant => ({
  n: 1,
  extension: manifest.id,
  publisher: manifest.publisher,
  asked: askedTexts(manifest),
  right,
  decision,
  at: "2026-01-01T00:00:00Z",
});
const GET = "network:GET:https://api.example.com";

function verdict(manifest: ReturnType<typeof asks>, right: string, by: Partial<Parameters<typeof decisionsFor>[1]> & { narrowed?: string[] }): string {
  const decisions = decisionsFor(manifest, { policies: [], grants: [], runGrants: [], ...by });
  const authority: Authority = { asked: askedRights(manifest, FACTS).map((one) => one.right), narrowed: by.narrowed?.map(parseRight), ...decisions };
  const { type, names } = parseRight(right);
  const said = createCheck(authority)(type, names as string[]);
  return said.allowed ? "allowed" : said.why;
}

const NETTY = asks(NET);
const DECISIONS: [string, string, Parameters<typeof verdict>[2], string][] = [
  ["nobody granted it", GET, {}, "granted"],
  ["a person granted it", GET, { grants: [grant(NETTY, GET)] }, "allowed"],
  ["a person granted another host", GET, { grants: [grant(NETTY, "network:GET:https://b.example.com")] }, "granted"],
  ["a person granted another method", GET, { grants: [grant(NETTY, "network:POST:https://api.example.com")] }, "granted"],
  ["a person granted what isn't asked for", "network:GET:https://other.org", { grants: [grant(NETTY, "network:*:*://**:*")] }, "asked"],
  ["a policy allows it", GET, { policies: [policy({ allow: ["network:*:https://**"] })] }, "allowed"],
  ["a policy allows another extension", GET, { policies: [policy({ extension: "y", allow: ["network:*:https://**"] })] }, "granted"],
  ["a policy allows another publisher", GET, { policies: [policy({ publisher: "else", allow: ["network:*:https://**"] })] }, "granted"],
  ["a policy denies what a person granted", GET, { policies: [policy({ deny: [GET] })], grants: [grant(NETTY, GET)] }, "denied"],
  ["a policy denies what another allows", GET, { policies: [policy({ allow: ["network:*:https://**"] }), policy({ deny: ["network:*:https://**.example.com"] })] }, "denied"],
  ["a policy wants a person asked", GET, { policies: [policy({ allow: ["network:*:https://**"], prompt: [GET] })] }, "granted"],
  ["a person was asked", GET, { policies: [policy({ allow: ["network:*:https://**"], prompt: [GET] })], grants: [grant(NETTY, GET)] }, "allowed"],
  ["a person refused it for good", GET, { grants: [grant(NETTY, GET, "deny")], policies: [policy({ allow: [GET] })] }, "denied"],
  ["the run grants it", GET, { runGrants: [{ extension: "x", right: GET, decision: "allow", by: "run" }] }, "allowed"],
  ["the run grants it to another", GET, { runGrants: [{ extension: "y", right: GET, decision: "allow", by: "run" }] }, "granted"],
  ["the run refuses it", GET, { runGrants: [{ extension: "x", right: GET, decision: "deny", by: "run" }], grants: [grant(NETTY, GET)] }, "denied"],
  ["the melody leaves it out", GET, { grants: [grant(NETTY, GET)], narrowed: ["network:POST:https://api.example.com"] }, "narrowed"],
  ["the melody leaves everything out", GET, { grants: [grant(NETTY, GET)], narrowed: [] }, "narrowed"],
  ["the melody keeps it", GET, { grants: [grant(NETTY, GET)], narrowed: [GET] }, "allowed"],
];
for (const [name, right, by, expected] of DECISIONS)
  test(`${expected === "allowed" ? "allowed" : "refused"} when ${name}`, () => {
    expect(verdict(NETTY, right, by)).toBe(expected);
  });

test("a grant ends with another publisher or a wider manifest, and stays with a narrower one; a refusal stays", () => {
  const wider = asks(`${NET}[[capabilities.file]]\nfolder = "project"\nreason = "r"\n`);
  const narrower = asks(NET.replace('"https://**.example.com"', '"https://api.example.com"'));
  const other = asks(NET, "x", "other");
  expect(grantHolds(grant(NETTY, GET), NETTY)).toBe(true);
  expect(grantHolds(grant(NETTY, GET), narrower)).toBe(true);
  expect(grantHolds(grant(NETTY, GET), wider)).toBe(false);
  expect(grantHolds(grant(NETTY, GET), other)).toBe(false);
  expect(verdict(wider, GET, { grants: [grant(NETTY, GET)] })).toBe("granted");
  expect(verdict(other, GET, { grants: [grant(NETTY, GET)] })).toBe("granted");
  expect(verdict(other, GET, { grants: [grant(NETTY, GET, "deny")], policies: [policy({ allow: [GET] })] })).toBe("denied");
});

test("only what nobody has decided is asked about, and of a narrowed node only what it keeps", () => {
  const asked = askedRights(NETTY, FACTS);
  const open = (by: Partial<Parameters<typeof decisionsFor>[1]>, narrowed?: string[]) =>
    openQuestions(asked, narrowed?.map(parseRight), decisionsFor(NETTY, { policies: [], grants: [], runGrants: [], ...by })).map(({ right }) => right.text);
  expect(open({})).toEqual(["network:GET:https://**.example.com", "network:POST:https://**.example.com"]);
  expect(open({}, [GET])).toEqual([GET]);
  expect(open({ grants: [grant(NETTY, GET)] }, [GET])).toEqual([]);
  expect(open({ policies: [policy({ deny: ["network:*:*://**:*"] })] })).toEqual([]);
  expect(open({ policies: [policy({ allow: ["network:*:https://**"], prompt: ["network:POST:https://**"] })] })).toEqual(["network:POST:https://**.example.com"]);
});

test("a melody's node can keep less than its extension asks for, and never more", () => {
  expect(narrowingFaults([GET], NETTY, "x")).toEqual([]);
  expect(narrowingFaults(["network:GET:https://other.org", "nonsense", "file:read:/x"], NETTY, "x").map(({ index }) => index)).toEqual([0, 1, 2]);
});
