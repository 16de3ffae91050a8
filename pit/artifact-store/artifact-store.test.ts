// The Artifact Store over each storage there is: files and memory.
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "bun:test";
import { createBrowserPlatform, createMemoryStorage } from "../../runtime/platform/browser.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import { type ArtifactStore, createArtifactStore } from "./artifact-store.ts";

const folder = mkdtempSync(join(tmpdir(), "symphony-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const platform = createBrowserPlatform();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const code = (cause: { code: string }): string => cause.code;

const kinds: [string, () => ArtifactStore][] = [
  ["files", () => createArtifactStore({ platform, storage: createFileStorage(join(folder, "shared")) })],
  ["memory", () => createArtifactStore({ platform, storage: createMemoryStorage() })],
];

for (const [name, create] of kinds)
  describe(`over ${name}`, () => {
    const store = create();

    test("bytes stand under their SHA-256 and come back, whole and in parts", async () => {
      const ref = await store.put(bytes("hello"), "text/plain");
      expect(ref).toEqual({ id: HELLO, size: 5, mediaType: "text/plain" });
      expect(new TextDecoder().decode(await store.get(HELLO))).toBe("hello");
      expect(new TextDecoder().decode(await store.read(HELLO, 1, 3))).toBe("ell");
      expect((await store.read(HELLO, 99, 3)).length).toBe(0);
    });

    test("nothing at all has a hash too", async () => {
      const ref = await store.put(new Uint8Array(0), "application/octet-stream");
      expect(ref.size).toBe(0);
      expect((await store.get(ref.id)).length).toBe(0);
    });

    test("pieces make the same artifact as the whole, and one that is given up leaves nothing", async () => {
      const writer = await store.create("text/plain");
      for (const piece of ["he", "l", "", "lo"]) await writer.append(bytes(piece));
      expect((await writer.finish()).id).toBe(HELLO);
      const before = (await store.list()).length;
      const other = await store.create("text/plain");
      await other.append(bytes("given up"));
      await other.abort();
      expect((await store.list()).length).toBe(before);
    });

    test("many at once, equal ones too, all arrive", async () => {
      const refs = await Promise.all(Array.from({ length: 60 }, (_, i) => store.put(bytes(`piece ${i % 20}`), "text/plain")));
      expect(new Set(refs.map(({ id }) => id)).size).toBe(20);
      for (const { id } of refs) expect((await store.get(id)).length).toBeGreaterThan(0);
    });

    test("an id is found by its first digits, and only when they tell", async () => {
      expect((await store.find(HELLO.slice(0, 8))).id).toBe(HELLO);
      expect(await store.find("ffffffff").catch(code)).toBe("artifact/unknown");
      expect(await store.find("2c").catch(code)).toBe("artifact/unknown");
      expect(await store.find("../../x").catch(code)).toBe("artifact/unknown");
      expect(await store.get("../../../etc/passwd").catch(code)).toBe("artifact/unknown");
    });

    test("a media type that isn't one is refused", async () => {
      for (const type of ["text", "Text/Plain", "text/plain\nx", "a/b\u001b[2J", ""]) expect(await store.put(bytes("x"), type).catch(code)).toBe("step/input");
    });
  });

test("a damaged artifact is noticed when it is read, and replaced when it is made again", async () => {
  const place = join(folder, "shared", HELLO.slice(0, 2), HELLO);
  appendFileSync(place, "!");
  const fresh = (kinds[0] as (typeof kinds)[0])[1]();
  expect(await fresh.get(HELLO).catch(code)).toBe("artifact/damaged");
  expect(await fresh.read(HELLO, 0, 2).catch(code)).toBe("artifact/damaged");
  writeFileSync(place, "hellu");
  expect(await fresh.read(HELLO, 0, 2).catch(code)).toBe("artifact/damaged");
  await fresh.put(bytes("hello"), "text/plain");
  expect(new TextDecoder().decode(await fresh.get(HELLO))).toBe("hello");
  expect(readdirSync(join(folder, "shared/tmp"))).toEqual([]);
});
