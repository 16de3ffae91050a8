import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callExtension } from "../../tests/call.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "files-"));
  for (const folder of ["docs/deep", "node_modules/x", ".git", "many"]) mkdirSync(join(root, folder), { recursive: true });
  const contents: Record<string, string | Uint8Array> = {
    "a.md": "one",
    "b.ts": "two",
    "docs/ä.md": "ä",
    "docs/deep/😀.md": "x",
    "docs/deep/ﬀ.md": "x",
    "docs-2.md": "x",
    "node_modules/x/c.md": "no",
    ".git/config.md": "no",
    "bom.txt": "\ufeffhello",
    empty: "",
    nul: "a\0b",
    latin1: Uint8Array.of(0x66, 0xfc, 0x72),
    overlong: Uint8Array.of(0xc0, 0xaf),
    surrogate: Uint8Array.of(0xed, 0xa0, 0x80),
    cut: Uint8Array.of(0x61, 0xe2, 0x82),
    euro: "aaa€€€",
    large: "0123456789".repeat(60_000),
  };
  for (const [path, content] of Object.entries(contents)) writeFileSync(join(root, path), content);
  for (let i = 0; i < 2100; i++) writeFileSync(join(root, "many", `f${i}.log`), "");
  symlinkSync("a.md", join(root, "link.md"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function call(path?: string, settings: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const inputs = { folder: { tag: "text" as const, val: "root" }, ...(path === undefined ? {} : { path: { tag: "text" as const, val: path } }) };
  const result = await callExtension("files", inputs, settings, { folders: { root } });
  if ("error" in result) return { error: result.error };
  return Object.fromEntries(
    [...result.outputs].map(([name, value]) => [name, value.tag === "items" ? value.val.map((item) => (item as { val: unknown }).val) : (value as { val: unknown }).val]),
  );
}

test("lists below the folder by code points, without excluded names and links", async () => {
  expect(await call(undefined, { include: "md, .ts" })).toEqual({
    paths: ["a.md", "b.ts", "docs-2.md", "docs/deep/ﬀ.md", "docs/deep/😀.md", "docs/ä.md"],
    skipped: 1,
  });
});

test("reads folders of more than one page", async () => {
  const { paths } = await call(undefined, { include: "log" });
  expect((paths as string[]).length).toBe(2100);
});

test("fails with files.too-many above maxFiles", async () => {
  expect(await call(undefined, { include: "log", maxFiles: 2099 })).toMatchObject({ error: { code: "files.too-many" } });
  expect(await call(undefined, { include: "log", maxFiles: 2100 })).toHaveProperty("paths");
});

const read: [string, string, Record<string, unknown>, Record<string, unknown>][] = [
  ["plain text", "a.md", {}, { text: "one", binary: false, size: 3, truncated: false }],
  ["an empty file", "empty", {}, { text: "", binary: false, size: 0, truncated: false }],
  ["a byte order mark", "bom.txt", {}, { text: "hello", binary: false, size: 8, truncated: false }],
  ["NUL", "nul", {}, { text: "", binary: true, size: 3, truncated: false }],
  ["Latin-1", "latin1", {}, { text: "", binary: true, size: 3, truncated: false }],
  ["an overlong form", "overlong", {}, { text: "", binary: true, size: 2, truncated: false }],
  ["a surrogate in UTF-8", "surrogate", {}, { text: "", binary: true, size: 3, truncated: false }],
  ["a cut character at the file's own end", "cut", {}, { text: "", binary: true, size: 3, truncated: false }],
  ["a character cut by the limit", "euro", { maxBytes: 5 }, { text: "aaa", binary: false, size: 5, truncated: true }],
  ["exactly maxBytes", "euro", { maxBytes: 12 }, { text: "aaa€€€", binary: false, size: 12, truncated: false }],
];
for (const [name, path, settings, expected] of read) test(`reads ${name}`, async () => expect(await call(path, settings)).toEqual(expected));

test("reads in several steps", async () => {
  expect(await call("large", { maxBytes: 600_000 })).toMatchObject({ text: "0123456789".repeat(60_000), size: 600_000, truncated: false });
  expect(await call("large")).toMatchObject({ size: 262_144, truncated: true });
});

for (const path of ["nothing", "../x", "/etc/passwd", "link.md"]) {
  test(`passes on the host's refusal of ${path}`, async () => {
    const { error } = (await call(path)) as { error: { code: string; message: string } };
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.code).toMatch(/^files\./);
  });
}
