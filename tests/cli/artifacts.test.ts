// `symphony artifacts`, and what is kept between runs: artifacts and the cache of components.
import { describe, expect } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../random.ts";
import { BOTH, damage, filesBelow, finalOf, folder, SALES, symphony, test, TEST_MS, useCommand, warmHome } from "./command.ts";

useCommand();

describe("artifacts", () => {
  /** A home with one run in it, and what it stored. */
  async function stored(): Promise<{ own: string; id: string; text: string }> {
    const own = warmHome();
    const out = join(folder(), "out");
    const ended = await symphony(["run", SALES, "--json", "--out", out], { home: own });
    const { artifact } = (finalOf(ended).outputs as { report: { artifact: string } }).report;
    return { own, id: artifact, text: readFileSync(join(out, "report.md"), "utf8") };
  }

  test(
    "are listed, shown and got by their id or its beginning",
    async () => {
      const { own, id, text } = await stored();
      expect((await symphony(["artifacts", "list"], { home: own })).stdout).toMatch(new RegExp(`^${id} +[\\d.]+ k?B {2}text/markdown$`, "m"));
      expect((await symphony(["artifacts", "list", "--json"], { home: own })).objects).toContainEqual({ id, size: Buffer.byteLength(text), mediaType: "text/markdown" });
      for (const name of [id, id.slice(0, 12), id.slice(0, 4)]) {
        const shown = await symphony(["artifacts", "show", name], { home: own });
        expect(shown).toMatchObject({ code: 0, stdout: text.endsWith("\n") ? text : `${text}\n` });
        expect((await symphony(["artifacts", "get", name], { home: own })).stdout).toBe(text);
      }
      const file = join(folder(), "copy.md");
      expect(await symphony(["artifacts", "get", id, "--out", file], { home: own })).toMatchObject({ code: 0, stdout: "" });
      expect(readFileSync(file, "utf8")).toBe(text);
      expect((await symphony(["artifacts", "get", id, "--out", join(file, "below")], { home: own })).code).toBe(3);
    },
    TEST_MS,
  );

  test("that aren't stored end with 2", async () => {
    const own = folder();
    const names = [
      ["0123456789abcdef", "Cannot find the artifact 0123456789abcdef"],
      ["ABCD", "hexadecimal"],
      ["012", "at least the first 4"],
      ["../../etc/passwd", "hexadecimal"],
    ] as const;
    await Promise.all(
      names.map(async ([name, expected], index) => {
        const { code, stdout, stderr } = await symphony(["artifacts", index % 2 ? "show" : "get", name], { home: own });
        expect({ name, code, stdout }).toEqual({ name, code: 2, stdout: "" });
        expect(stderr).toContain(expected);
      }),
    );
    expect(await symphony(["artifacts", "list"], { home: own })).toMatchObject({ code: 0, stdout: "" });
  }, 20_000);

  test(
    "that are damaged are told so, never shown, and made again by the next run",
    async () => {
      const { own, id, text } = await stored();
      const file = filesBelow(own).find((path) => path.endsWith(`/${id}`)) as string;
      damage(file);
      for (const action of ["show", "get"]) {
        const { code, stdout, stderr } = await symphony(["artifacts", action, id], { home: own });
        expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
        expect(stderr).toStartWith("artifact/damaged: ");
      }
      expect((await symphony(["run", SALES, "--quiet"], { home: own })).code).toBe(0);
      expect((await symphony(["artifacts", "get", id], { home: own })).stdout).toBe(text);
    },
    TEST_MS,
  );

  test("in binary come out byte for byte, and are not thrown at a terminal", async () => {
    const random = createRandom(5);
    const data = Uint8Array.from({ length: 70_000 }, () => random(256));
    const own = folder();
    // stored as the store would
    const id = createHash("sha256").update(data).digest("hex");
    mkdirSync(join(own, "artifacts", id.slice(0, 2)), { recursive: true });
    writeFileSync(join(own, "artifacts", id.slice(0, 2), id), data);
    expect(Buffer.compare((await symphony(["artifacts", "get", id], { home: own })).bytes, data)).toBe(0);
    const shown = await symphony(["artifacts", "show", id], { home: own });
    expect(shown).toMatchObject({ code: 0, stdout: "" });
    expect(shown.stderr).toContain("It is not text");
  }, 20_000);
});

// ---- what is kept between runs ----

test(
  "damaged entries of the cache are noticed and made again",
  async () => {
    const own = warmHome();
    const first = await symphony(["run", SALES, "--json"], { home: own });
    const cache = filesBelow(join(own, "cache"));
    expect(cache.length).toBeGreaterThan(0);
    const before = new Map(cache.map((file) => [file, readFileSync(file)]));
    const ways: ((file: string) => void)[] = [damage, (file) => writeFileSync(file, ""), (file) => writeFileSync(file, (before.get(file) as Buffer).subarray(0, 1000))];
    for (const [index, file] of cache.entries()) (ways[index % ways.length] as (file: string) => void)(file);
    const again = await symphony(["run", SALES, "--json"], { home: own });
    expect(again.code).toBe(0);
    expect(finalOf(again).outputs).toEqual(finalOf(first).outputs);
    const used = cache.filter((file) => Buffer.compare(readFileSync(file), before.get(file) as Buffer) === 0);
    // those of the sales melody: files, csv, json-transform, template
    expect(used.length).toBeGreaterThanOrEqual(4);
  },
  TEST_MS,
);

test(
  "runs that begin at the same moment on an empty home don't collide",
  async () => {
    const own = join(folder(), "cold");
    const all = await Promise.all(BOTH.flatMap((runtime) => [runtime, runtime]).map((runtime) => symphony(["run", SALES, "--json"], { home: own, runtime })));
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(new Set(all.map((ended) => JSON.stringify(finalOf(ended).outputs))).size).toBe(1);
    expect(new Set(all.map((ended) => finalOf(ended).run)).size).toBe(4);
    // nothing half written is left
    for (const part of ["artifacts", "cache/components"]) expect(filesBelow(join(own, part, "tmp"))).toEqual([]);
  },
  TEST_MS,
);
