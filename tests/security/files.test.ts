// Folders: nothing leads out, nothing that isn't granted is done, what is made is bounded, and each refusal is a line of the audit log.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, linkSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createLab, type Did, type Lab, refusal } from "./lab.ts";

let lab: Lab;
let inside: string;
let outside: string;
beforeAll(async () => {
  lab = await createLab();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(() => {
  inside = join(lab.folder, "inside");
  outside = join(lab.folder, "outside");
  for (const folder of [inside, outside]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(inside, "sub"), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "secret");
  writeFileSync(join(inside, "plain"), "plain");
  symlinkSync(outside, join(inside, "link"));
  symlinkSync(join(outside, "secret"), join(inside, "filelink"));
  symlinkSync("..", join(inside, "sub/up"));
  symlinkSync("loop", join(inside, "loop"));
  linkSync(join(outside, "secret"), join(outside, "hard"));
  spawnSync("mkfifo", [join(inside, "pipe")]);
});

const READ = (): string => `file:read:${inside}/**`;
const WRITE = (): string => `file:write:${inside}/**`;
const untouched = (): void => {
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe("secret");
  expect(spawnSync("ls", ["-A", outside], { encoding: "utf8" }).stdout.trim().split("\n").sort()).toEqual(["hard", "secret"]);
};

type Way = readonly [way: string, ...args: unknown[]];
const NAMES_OUT: Way[] = [
  ["read", "folder", "../outside/secret"],
  ["read", "folder", "sub/../../outside/secret"],
  ["read", "folder", "/etc/passwd"],
  ["read", "folder", "//etc/passwd"],
  ["read", "folder", "./plain"],
  ["read", "folder", "sub//x"],
  ["read", "folder", "sub\\..\\..\\outside"],
  ["read", "folder", "plain\0.txt"],
  ["read", "folder", "a/".repeat(3000)],
  ["write", "folder", "../outside/new", "x"],
  ["create", "folder", "../outside/new"],
  ["createFolder", "folder", "../outside/new"],
  ["removeFile", "folder", "../outside/secret"],
  ["rename", "folder", "plain", "../outside/plain"],
  ["rename", "folder", "../outside/secret", "stolen"],
  ["truncate", "folder", "../outside/secret", 0],
  ["stat", "folder", "../outside/secret"],
  ["entries", "folder", ".."],
  ["touch", "folder", "../outside/secret", 0],
];
describe("a path that names its way out", () => {
  for (const way of NAMES_OUT)
    test(`${way[0]} ${JSON.stringify(way.slice(2)).slice(0, 50)} is refused, and recorded`, async () => {
      const { did, audit } = await lab.tell([way], { folder: inside, allow: [READ(), WRITE()] });
      expect(refusal(did[0])).toBe("invalid-input files.invalid");
      expect(audit.some(({ allowed, right }) => allowed === false && right?.startsWith("file:"))).toBe(true);
      untouched();
    });
});

const LINKS: [Way, string][] = [
  [["read", "folder", "link/secret"], "not-found files.not-found"],
  [["read", "folder", "filelink"], "denied files.denied"],
  [["read", "folder", "sub/up/plain"], "not-found files.not-found"],
  [["read", "folder", "loop"], "denied files.denied"],
  [["read", "folder", "pipe"], "denied files.denied"],
  [["read", "folder", "sub"], "denied files.denied"],
  [["entries", "folder", "link"], "not-found files.not-found"],
  [["entries", "folder", "loop"], "not-found files.not-found"],
  [["create", "folder", "link/new"], "not-found files.not-found"],
  [["create", "folder", "filelink"], "denied files.denied"],
  [["write", "folder", "filelink", "x", 0], "denied files.denied"],
  [["write", "folder", "link/secret", "x", 0], "not-found files.not-found"],
  [["write", "folder", "pipe", "x"], "denied files.denied"],
  [["truncate", "folder", "filelink", 0], "denied files.denied"],
  [["createFolder", "folder", "link/new"], "not-found files.not-found"],
  [["removeFile", "folder", "link/secret"], "not-found files.not-found"],
  [["removeFolder", "folder", "link"], "not-found files.not-found"],
  [["rename", "folder", "link/secret", "stolen"], "not-found files.not-found"],
  [["rename", "folder", "plain", "link/plain"], "not-found files.not-found"],
  [["touch", "folder", "filelink", 0], "denied files.denied"],
];
describe("a link", () => {
  for (const [way, expected] of LINKS)
    test(`is not followed by ${way[0]} ${JSON.stringify(way.slice(2))}`, async () => {
      const { did } = await lab.tell([way], { folder: inside, allow: [READ(), WRITE()] });
      expect(refusal(did[0])).toBe(expected);
      untouched();
    });

  test("is looked at, moved and deleted as a link", async () => {
    const { did } = await lab.tell(
      [
        ["stat", "folder", "filelink"],
        ["rename", "folder", "filelink", "sub/moved"],
        ["removeFile", "folder", "sub/moved"],
      ],
      { folder: inside, allow: [READ(), WRITE()] },
    );
    expect((did[0] as { ok: { kind: string } }).ok.kind).toBe("link");
    expect(did.slice(1).map(refusal)).toEqual(["ok null", "ok null"]);
    untouched();
  });
});

const READ_ONLY: Way[] = [
  ["create", "folder", "new"],
  ["write", "folder", "plain", "x"],
  ["truncate", "folder", "plain", 0],
  ["createFolder", "folder", "new"],
  ["removeFile", "folder", "plain"],
  ["removeFolder", "folder", "sub"],
  ["rename", "folder", "plain", "sub/plain"],
  ["rename", "folder", "plain", "plain"],
  ["touch", "folder", "plain", 0],
];
describe("read-only stays read-only", () => {
  for (const way of READ_ONLY)
    test(`${way[0]} ${way.slice(2).join(" ")} is refused with an audit line that says why`, async () => {
      const { did, audit } = await lab.tell([way], { folder: inside, allow: [READ()] });
      expect(refusal(did[0])).toBe("denied step.denied");
      const line = audit.find(({ allowed }) => allowed === false);
      expect(line).toMatchObject({ extension: "probe", node: "probe", by: "nobody granted it" });
      expect(line?.right?.startsWith(`file:write:${inside}/`)).toBe(true);
      expect(did[0]?.err?.message).not.toContain(lab.folder);
      expect(readFileSync(join(inside, "plain"), "utf8")).toBe("plain");
    });

  test("through a hard link that stands in a folder which may be written, only what that link is", async () => {
    // a hard link is the file itself: who put it there put the file there
    const writable = join(inside, "sub");
    linkSync(join(inside, "plain"), join(writable, "same"));
    const { did } = await lab.tell(
      [
        ["write", "folder", "plain", "x", 0],
        ["write", "folder", "sub/same", "y", 0],
      ],
      { folder: inside, allow: [READ(), `file:write:${writable}/**`] },
    );
    expect(did.map(refusal)).toEqual(["denied step.denied", "ok null"]);
  });

  test("what may be written and not read can't be moved to where it is read", async () => {
    mkdirSync(join(inside, "blind"));
    writeFileSync(join(inside, "blind/x"), "x");
    const { did } = await lab.tell(
      [
        ["read", "folder", "blind/x"],
        ["rename", "folder", "blind/x", "sub/x"],
        ["read", "folder", "sub/x"],
      ],
      { folder: inside, allow: [`file:read:${inside}/sub/**`, WRITE()] },
    );
    expect(did.map(refusal)).toEqual(["denied step.denied", "denied files.denied", "not-found files.not-found"]);
  });
});

describe("a folder", () => {
  const NOT_HANDED: [string, Way[], string][] = [
    ["of another name", [["read", "other", "plain"]], "denied files.denied"],
    ["whose name is a path", [["read", "/etc", "passwd"]], "denied files.denied"],
    ["whose name is inherited", [["read", "constructor", "x"]], "denied files.denied"],
    ["whose name is __proto__", [["read", "__proto__", "x"]], "denied files.denied"],
  ];
  for (const [name, ways, expected] of NOT_HANDED)
    test(`${name} isn't there`, async () => {
      const { did } = await lab.tell(ways, { folder: inside, allow: [READ()] });
      expect(refusal(did[0])).toBe(expected);
    });

  test("that nobody granted gives nothing, not even its name", async () => {
    const { did, audit } = await lab.tell([["roots"], ["entries", "folder", ""], ["read", "folder", "plain"], ["stat", "folder", ""]], { folder: inside });
    expect(did.map(refusal)).toEqual(["ok []", "denied step.denied", "denied step.denied", "denied step.denied"]);
    expect(audit.filter(({ allowed }) => allowed === false).length).toBeGreaterThanOrEqual(2);
  });

  test("of which a part is granted gives that part", async () => {
    writeFileSync(join(inside, "sub/a"), "a");
    const { did } = await lab.tell(
      [
        ["read", "folder", "sub/a"],
        ["read", "folder", "plain"],
        ["entries", "folder", ""],
      ],
      { folder: inside, allow: [`file:read:${inside}/sub/**`] },
    );
    expect(did.map(refusal)).toEqual(['ok "a"', "denied step.denied", "denied step.denied"]);
  });

  test("in which a part is refused gives the rest", async () => {
    writeFileSync(join(inside, "sub/a"), "a");
    await using strict = await createLab({
      settings: `[[permissions]]\nextension = "*"\nallow = [${JSON.stringify(READ())}]\ndeny = [${JSON.stringify(`file:read:${inside}/sub/**`)}]\n`,
    });
    const { did, audit } = await strict.tell(
      [
        ["read", "folder", "plain"],
        ["read", "folder", "sub/a"],
        ["stat", "folder", "sub/a"],
      ],
      { folder: inside },
    );
    expect(did.map(refusal)).toEqual(['ok "plain"', "denied step.denied", "denied step.denied"]);
    expect(audit.find(({ allowed }) => allowed === false)?.by).toContain("permissions[0]");
  });

  test("that the melody's node leaves out isn't used", async () => {
    const { did, audit } = await lab.tell([["read", "folder", "plain"]], { folder: inside, allow: [READ()], narrowed: [`file:read:${inside}/sub/**`] });
    expect(refusal(did[0])).toBe("denied step.denied");
    expect(audit.at(-1)?.by).toContain("the melody leaves it out");
  });

  test("of Symphony's own is as if it weren't there", async () => {
    const { did } = await lab.tell(
      [
        ["read", "folder", "home/settings.toml"],
        ["read", "folder", "home/permissions.json"],
        ["entries", "folder", ""],
        ["createFolder", "folder", "home"],
        ["rename", "folder", "inside", "home"],
      ],
      {
        folder: lab.folder,
        allow: [`file:read:${lab.folder}/**`, `file:write:${lab.folder}/**`],
      },
    );
    expect(did.slice(0, 2).map(refusal)).toEqual(["not-found files.not-found", "not-found files.not-found"]);
    expect((did[2] as { ok: string[] }).ok.some((name) => name.startsWith("home"))).toBe(false);
    expect(did.slice(3).every(({ err }) => err)).toBe(true);
  });

  test("with a star in its name is meant by its name alone", async () => {
    for (const name of ["*", "**", "a*b"]) {
      mkdirSync(join(inside, name), { recursive: true });
      writeFileSync(join(inside, name, "x"), "star");
    }
    const { did } = await lab.tell(
      [
        ["read", "folder", "*/x"],
        ["read", "folder", "plain"],
        ["read", "folder", "sub/x"],
      ],
      { folder: inside, allow: [`file:read:${inside}/\\*/**`] },
    );
    expect(did.map(refusal)).toEqual(['ok "star"', "denied step.denied", "denied step.denied"]);
  });
});

describe("what is made is bounded", () => {
  test("in bytes", async () => {
    const { did } = await lab.tell(
      [
        ["create", "folder", "big"],
        ["truncate", "folder", "big", 2 ** 40],
        ["write", "folder", "big", "x", 2 ** 52],
        ["truncate", "folder", "big", -1],
        ["write", "folder", "big", "x", 0.5],
      ],
      { folder: inside, allow: [READ(), WRITE()] },
    );
    expect(did.map(refusal)).toEqual(["ok true", "limit run.limit", "invalid-input files.invalid", "invalid-input step.input", "invalid-input step.input"]);
    expect(lstatSync(join(inside, "big")).size).toBe(0);
  });

  test("in one piece", async () => {
    const { did } = await lab.tell(
      [
        ["create", "folder", "big"],
        ["writeMany", "folder", "big", 1024 * 1024 + 1, 1],
      ],
      { folder: inside, allow: [READ(), WRITE()] },
    );
    expect(refusal(did[1])).toBe("limit run.limit");
  });

  test.skipIf(!process.env["SYMPHONY_SWAPS"])(
    "in files",
    async () => {
      const { did } = await lab.tell([["createMany", "folder", "f", 10_001]], { folder: inside, allow: [READ(), WRITE()], timeMs: 60_000 });
      expect(refusal(did[0])).toBe("limit run.limit");
      expect(existsSync(join(inside, "f10000"))).toBe(false);
    },
    60_000,
  );

  test("in decisions: a guest that asks about thousands of things is stopped, with one line that says so", async () => {
    await using strict = await createLab({ settings: `[[permissions]]\nextension = "*"\ndeny = ["file:read:/nowhere/else"]\n` });
    const { did, audit } = await strict.tell([["readMany", "folder", 12_000]], { folder: inside, timeMs: 60_000 });
    expect(did[0]?.ok).toBe("limit after 10001");
    expect(audit.length).toBeLessThanOrEqual(10_001);
    expect(audit.at(-1)?.by).toContain("over 10000 different things");
  }, 60_000);
});

// ---- races ----

const SWAPS = Number(process.env["SYMPHONY_SWAPS"] ?? 3000);

/** A process that changes the folder at any moment of ours. */
function swapper(script: string): { child: ChildProcess; over: () => boolean; ended: Promise<void> } {
  const program = `const { renameSync, symlinkSync, unlinkSync, writeFileSync } = require("node:fs"); const outside = ${JSON.stringify(outside)}; for (let i = 0; i < ${SWAPS}; i++) { ${script} }`;
  const child = spawn("node", ["-e", program], { cwd: inside, stdio: "ignore" });
  let isOver = false;
  const ended = new Promise<void>((resolve) => child.on("exit", () => resolve())).then(() => {
    isOver = true;
  });
  return { child, over: () => isOver, ended };
}

const FOLDER_SWAP = 'renameSync("swap", "kept"); symlinkSync(outside, "swap"); unlinkSync("swap"); renameSync("kept", "swap");';
const FILE_SWAP = 'symlinkSync(outside + "/secret", "t"); renameSync("t", "one"); writeFileSync("u", "mine"); renameSync("u", "one");';
const RACES: [string, string, Way[]][] = [
  ["a folder swapped for a link while files in it are read", FOLDER_SWAP, [["read", "folder", "swap/secret"]]],
  ["a file swapped for a link while it is read", FILE_SWAP, [["read", "folder", "one"]]],
  [
    "a folder swapped for a link while a file is made in it",
    FOLDER_SWAP,
    [
      ["create", "folder", "swap/made"],
      ["write", "folder", "swap/made", "x", 0],
      ["removeFile", "folder", "swap/made"],
    ],
  ],
  ["a file swapped for a link while it is written", FILE_SWAP, [["write", "folder", "one", "overwritten", 0]]],
  [
    "a folder swapped for a link while it is listed and looked at",
    FOLDER_SWAP,
    [
      ["entries", "folder", "swap"],
      ["stat", "folder", "swap/secret"],
    ],
  ],
  [
    "a folder swapped for a link while files are moved through it",
    FOLDER_SWAP,
    [
      ["rename", "folder", "swap/secret", "swap/moved"],
      ["rename", "folder", "swap/moved", "swap/secret"],
    ],
  ],
];
describe("races", () => {
  for (const [name, script, ways] of RACES)
    test(`${name}: nothing outside is seen or touched in ${SWAPS} swaps`, async () => {
      mkdirSync(join(inside, "swap"));
      writeFileSync(join(inside, "swap/secret"), "mine");
      writeFileSync(join(inside, "one"), "mine\n");
      const { over, ended } = swapper(script);
      const seen = new Set<string>();
      let worked = 0;
      while (!over()) {
        const { did } = await lab.tell(Array.from({ length: 60 }, () => ways).flat(), { folder: inside, allow: [READ(), WRITE()] });
        for (const one of did as Did[]) {
          seen.add(JSON.stringify(one.err ? one.err.code : one.ok).slice(0, 60));
          if (one.ok !== undefined) worked++;
        }
      }
      await ended;
      for (const one of seen) expect(one.includes("hard")).toBe(false);
      expect(seen.has('"secret"')).toBe(false);
      expect(worked).toBeGreaterThan(0);
      untouched();
    }, 240_000);
});
