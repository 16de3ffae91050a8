// The audit log over real files: each way to change it is found out, and a killed writer is not taken for one.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { createTestPlatform } from "../../../tests/platform.ts";
import { openAudit, readAudit } from "./audit.ts";

const base = mkdtempSync(join(tmpdir(), "symphony-audit-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const platform = createTestPlatform();
let homes = 0;

async function written(lines: number): Promise<{ ports: Parameters<typeof openAudit>[0]; folder: string; head: string; file: string }> {
  const home = join(base, String(homes++));
  const folder = join(home, "audit");
  const ports = { folder: platform.appendFolder(folder), head: platform.recordFile(join(home, "audit.head")), digest: () => platform.digest(), now: Date.now };
  const log = await openAudit(ports);
  for (let i = 0; i < lines; i++) log.write({ event: "check", extension: "x", right: `file:read:/${i}`, allowed: i % 2 === 0, by: 'test "quoted" \u2028' });
  await log.close();
  return { ports, folder, head: join(home, "audit.head"), file: join(folder, "00000000.jsonl") };
}

test("a log that nobody touched is whole, also over several openings", async () => {
  const { ports } = await written(10);
  for (let i = 0; i < 3; i++) {
    const log = await openAudit(ports);
    log.write({ event: "grant", extension: "y" });
    await log.close();
  }
  const { lines, faults, notes } = await readAudit(ports);
  expect({ count: lines.length, faults, notes }).toEqual({ count: 13, faults: [], notes: [] });
  expect(lines.map(({ n }) => n)).toEqual(lines.map((_, i) => i));
});

test("an empty log is whole", async () => {
  const { ports } = await written(0);
  expect(await readAudit(ports)).toEqual({ lines: [], faults: [], notes: [] });
});

const edit = (file: string, change: (lines: string[]) => string[]): void =>
  writeFileSync(
    file,
    change(readFileSync(file, "utf8").split("\n").filter(Boolean))
      .map((line) => `${line}\n`)
      .join(""),
  );

const DAMAGE: [string, (of: Awaited<ReturnType<typeof written>>) => void, string][] = [
  ["a changed line", ({ file }) => edit(file, (lines) => lines.map((line, i) => (i === 4 ? line.replace('"allowed":true', '"allowed":false') : line))), "(number 4) was changed"],
  [
    "a line with a changed hash",
    ({ file }) => edit(file, (lines) => lines.map((line, i) => (i === 4 ? line.replace(/"hash":"(.)/, (_, digit) => `"hash":"${digit === "f" ? "0" : "f"}`) : line))),
    "changed",
  ],
  ["a line taken out", ({ file }) => edit(file, (lines) => lines.filter((_, i) => i !== 5)), "1 line from number 5 on is missing"],
  ["lines swapped", ({ file }) => edit(file, ([a, b, ...rest]) => [b as string, a as string, ...rest]), "missing before"],
  ["a line doubled", ({ file }) => edit(file, ([a, ...rest]) => [a as string, a as string, ...rest]), "has number 0, expected 1"],
  ["the last line cut off", ({ file }) => edit(file, (lines) => lines.slice(0, -1)), "1 line at the end is missing"],
  ["half of the last line cut off", ({ file }) => truncateSync(file, readFileSync(file).length - 100), "is no line of the log"],
  ["everything cut off", ({ file }) => truncateSync(file, 0), "all 10 lines are missing"],
  ["the file gone", ({ file }) => rmSync(file), "all 10 lines are missing"],
  ["the head gone", ({ head }) => rmSync(head), "the head is missing"],
  ["a head that is no head", ({ head }) => writeFileSync(head, "hello"), "the head is missing or can't be read"],
  ["a file renamed", ({ folder, file }) => renameSync(file, join(folder, "00000001.jsonl")), "00000000.jsonl is missing"],
  ["a foreign line at the end", ({ file }) => appendFileSync(file, "not a line\n"), "is no line of the log"],
  [
    "the tail written anew without the head",
    ({ file }) => edit(file, (lines) => lines.map((line, i) => (i === 9 ? line.replace(/"right":"[^"]*"/, '"right":"x"') : line))),
    "changed",
  ],
];
for (const [name, damage, says] of DAMAGE)
  test(`${name} is found out`, async () => {
    const of = await written(10);
    damage(of);
    const { faults } = await readAudit(of.ports);
    expect(faults.join("\n")).toContain(says);
    // and stays found out when somebody goes on writing
    const log = await openAudit(of.ports);
    log.write({ event: "grant", extension: "later" });
    await log.close();
    if (!name.includes("head")) expect((await readAudit(of.ports)).faults.length).toBeGreaterThan(0);
  });

test("a line written again with a right hash of its own doesn't fit the one that follows", async () => {
  const { ports, file } = await written(10);
  edit(file, (lines) =>
    lines.map((line, i) => {
      if (i !== 4) return line;
      const body = line.replace('"allowed":true', '"allowed":false').replace(/,"hash":"[0-9a-f]{64}"\}$/, "}");
      const digest = platform.digest();
      digest.update(new TextEncoder().encode(body));
      return `${body.slice(0, -1)},"hash":"${digest.hex() as string}"}`;
    }),
  );
  expect((await readAudit(ports)).faults.join()).toContain("(number 5) doesn't follow the line before it");
});

test("a writer that was killed between a line and the head is noted, and no fault", async () => {
  const { ports, head } = await written(10);
  const before = readFileSync(head);
  const log = await openAudit(ports);
  log.write({ event: "grant", extension: "late" });
  await log.close();
  writeFileSync(head, before);
  const { faults, notes } = await readAudit(ports);
  expect(faults).toEqual([]);
  expect(notes.join()).toContain("1 line follows the head");
});

test("a log of many files is read as one", async () => {
  const { ports, folder } = await written(0);
  const log = await openAudit(ports);
  const note = "x".repeat(100_000);
  for (let i = 0; i < 200; i++) log.write({ event: "check", extension: "x", note });
  await log.close();
  expect(readdirSync(folder).length).toBeGreaterThan(1);
  expect((await readAudit(ports)).faults).toEqual([]);
  rmSync(join(folder, readdirSync(folder).sort()[1] as string));
  expect((await readAudit(ports)).faults.join()).toContain("missing");
});
