// Nothing leads out of a granted folder: not `..`, not links on the way or at the end, not a link swapped in meanwhile.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { createFolder } from "./folder.ts";

const base = mkdtempSync(join(tmpdir(), "symphony-folder-"));
const inside = join(base, "inside");
const outside = join(base, "outside");
mkdirSync(join(inside, "deep/er"), { recursive: true });
mkdirSync(outside);
writeFileSync(join(outside, "secret"), "secret");
writeFileSync(join(inside, "plain"), "plain text");
writeFileSync(join(inside, "deep/er/file"), "deep");
writeFileSync(join(inside, "ünïcödé 😀"), "u");
symlinkSync(outside, join(inside, "link"));
symlinkSync(join(outside, "secret"), join(inside, "filelink"));
symlinkSync("..", join(inside, "deep/up"));
symlinkSync("loop", join(inside, "loop"));
spawnSync("mkfifo", [join(inside, "pipe")]);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const folder = createFolder(inside);
const read = async (path: string): Promise<string> => new TextDecoder().decode(await folder.read(path, 0, 1000));
const code = (cause: { code: string }): string => cause.code;

const REFUSED: [string, string][] = [
  ["../outside/secret", "files/invalid"],
  ["..", "files/invalid"],
  ["deep/../../outside/secret", "files/invalid"],
  ["/etc/passwd", "files/invalid"],
  ["./plain", "files/invalid"],
  ["deep//er", "files/invalid"],
  ["deep\\er", "files/invalid"],
  ["plain\0", "files/invalid"],
  ["x".repeat(5000), "files/invalid"],
  ["", "files/denied"],
  ["link/secret", "files/not-found"],
  ["filelink", "files/denied"],
  ["deep/up/plain", "files/not-found"],
  ["loop", "files/denied"],
  ["loop/x", "files/not-found"],
  ["nothing", "files/not-found"],
  ["plain/x", "files/not-found"],
  ["deep", "files/denied"],
  ["pipe", "files/denied"],
];

for (const [path, expected] of REFUSED)
  test(`read(${JSON.stringify(path.slice(0, 40))}) is refused with ${expected}`, async () => {
    expect(await folder.read(path, 0, 10).then(() => "read", code)).toBe(expected);
  });

test("files are read, whole and in parts", async () => {
  expect(await read("plain")).toBe("plain text");
  expect(await read("deep/er/file")).toBe("deep");
  expect(new TextDecoder().decode(await folder.read("plain", 6, 2))).toBe("te");
  expect((await folder.read("plain", 100, 5)).length).toBe(0);
});

test("entries are listed in the order of their bytes, links as links", async () => {
  expect((await folder.entries("")).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    "deep folder",
    "filelink link",
    "link link",
    "loop link",
    "pipe other",
    "plain file",
    "ünïcödé 😀 file",
  ]);
  expect(await folder.entries("link").then(() => "listed", code)).toBe("files/not-found");
  expect((await folder.entries("deep/er"))[0]?.size).toBe(4);
});

test("a folder that is swapped for a link while it is read never gives what is outside", async () => {
  // the swapper is a process of its own: it changes the folder at any moment of ours
  mkdirSync(join(inside, "swap"));
  writeFileSync(join(inside, "swap/secret"), "mine");
  const seen = new Set<string>();
  const swaps = 'i=0; while [ $i -lt 300 ]; do mv swap kept; ln -s "$1" swap; rm swap; mv kept swap; i=$((i+1)); done';
  const swapper = spawn("sh", ["-c", swaps, "sh", outside], { cwd: inside, stdio: "ignore" });
  let over = false;
  const ended = new Promise<void>((resolve) => swapper.on("exit", () => resolve())).then(() => {
    over = true;
  });
  while (!over) seen.add(await read("swap/secret").catch(code));
  await ended;
  expect(seen.has("secret")).toBe(false);
  expect(seen.has("mine")).toBe(true);
});
