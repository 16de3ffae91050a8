// Components of WASI 0.2 as steps: a command's arguments, input, output, exit code and folders, a handler's request and answer, and a
// guest of our own world that prints. Made here from text, by the same tools as others use.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createArtifactStore } from "../pit/mod.ts";
import { createExtensionHost, type StepNote } from "../runtime/extension/host.ts";
import { createCatalogue, createIsolatePool, createPreparer, parseManifest, type PlanNode, planMelody, type ProcessPlatform, type Value, valueToJson } from "../runtime/mod.ts";
import { createFileStorage } from "../runtime/platform/system.ts";
import { buildExtension } from "../tasks/build-extension.ts";
import { wasmTools } from "../tasks/wasm-tools.ts";
import { wasiInterfaces, wasiSource } from "../tasks/wit.ts";
import { createTestPlatform, root } from "./platform.ts";
import { createTestServices, type TestServices } from "./services.ts";

const base = realpathSync(mkdtempSync(join(tmpdir(), "symphony-wasi-")));
let platform: ProcessPlatform;
let services: TestServices;
let pool: ReturnType<typeof createIsolatePool>;
let runs = 0;
beforeAll(async () => {
  platform = createTestPlatform();
  services = await createTestServices(
    join(base, "home"),
    platform,
    createArtifactStore({ platform, storage: createFileStorage(join(base, "artifacts")) }),
    '[[permissions]]\nextension = "*"\nallow = ["file:read:/**"]\n',
  );
  pool = createIsolatePool({ platform });
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await services.close();
  await platform[Symbol.asyncDispose]();
  rmSync(base, { recursive: true, force: true });
});

/** A component out of text that imports these interfaces of WASI and exports one. */
async function wasi(imports: string[], entry: string, body: string): Promise<Uint8Array> {
  const tools = await wasmTools();
  const full = (name: string): string => wasiInterfaces(root).find((one) => one.startsWith(`${name}@`)) as string;
  const wit = wasiSource(root, `world mine {\n${imports.map((name) => `  import ${full(name)};\n`).join("")}  export ${full(entry)};\n}\n`);
  return tools.componentNew(tools.componentEmbed({ binary: tools.parse(body), witSource: wit, world: "mine", stringEncoding: "utf8" }), []);
}

const MEMORY = `(memory (export "memory") 2)
  (global $top (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.get $top)
    (global.set $top (i32.add (global.get $top) (local.get 3))))`;

/** Writes each of its arguments, all of its input and its variables to its output, "oops" to its errors, and exits. */
const command = (exit: string): Promise<Uint8Array> =>
  wasi(
    ["wasi:cli/environment", "wasi:cli/stdin", "wasi:cli/stdout", "wasi:cli/stderr", "wasi:cli/exit", "wasi:io/streams", "wasi:io/error", "wasi:io/poll"],
    "wasi:cli/run",
    `(module
  (import "wasi:cli/environment@0.2.6" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/stdin@0.2.6" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
  (import "wasi:io/streams@0.2.6" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  ${MEMORY}
  (data (i32.const 0) "oops;")
  (func (export "wasi:cli/run@0.2.6#run") (result i32) (local $out i32) (local $i i32) (local $at i32)
    (local.set $out (call $stdout))
    (call $arguments (i32.const 16))
    (local.set $at (i32.load (i32.const 16)))
    (loop $each
      (if (i32.lt_u (local.get $i) (i32.load (i32.const 20))) (then
        (call $write (local.get $out) (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.const 32))
        (call $write (local.get $out) (i32.const 4) (i32.const 1) (i32.const 32))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $each))))
    (call $read (call $stdin) (i64.const 1000) (i32.const 48))
    (if (i32.eqz (i32.load8_u (i32.const 48))) (then (call $write (local.get $out) (i32.load (i32.const 52)) (i32.load (i32.const 56)) (i32.const 32))))
    (call $environment (i32.const 16))
    (if (i32.load (i32.const 20)) (then
      (local.set $at (i32.load (i32.const 16)))
      (call $write (local.get $out) (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.const 32))
      (call $write (local.get $out) (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)) (i32.const 32))))
    (call $write (call $stderr) (i32.const 0) (i32.const 4) (i32.const 32))
    ${exit}))`,
  );

const HEAD = 'version = "1.0.0"\nkind = "operator"\n';
const PORTS =
  '[inputs.arguments]\ntype = "list<text>"\nrequired = false\n[inputs.stdin]\ntype = "text"\nrequired = false\n[inputs.environment]\ntype = "json"\nrequired = false\n[outputs.stdout]\ntype = "text"\n[outputs.stderr]\ntype = "text"\n';

async function call(
  component: Uint8Array,
  manifestText: string,
  inputs: Record<string, Value> = {},
  onNote: (note: StepNote) => void = () => {},
): Promise<Record<string, unknown>> {
  const manifest = parseManifest(`id = "wasi-${runs++}"\n${HEAD}${manifestText}`, "wasi");
  const catalogue = createCatalogue([{ manifest, place: "", component: async () => component }]);
  const host = createExtensionHost({ catalogue, pool, services, preparer: createPreparer({ platform, cache: createFileStorage(join(root, ".build/test-home/cache")) }) });
  const { plan } = planMelody({ id: "m", nodes: [{ id: "s", kind: "operator", uses: manifest.id }], edges: [] }, catalogue);
  const folders = new Map(
    Object.entries(inputs).flatMap(([name, value]) =>
      manifest.inputs.get(name)?.type.item === "folder" && value.tag === "text"
        ? [[value.val, { path: join(base, "data"), folder: platform.folder(join(base, "data")) }] as const]
        : [],
    ),
  );
  const entries = Object.entries(inputs).map(([name, value]) => ({ name, value }));
  const outputs = await host.invoke(
    { run: `r${runs}`, path: "s", node: plan.nodes[0] as PlanNode, inputs: entries, attempt: 1, signal: new AbortController().signal, note: onNote },
    { folders, project: base },
  );
  return Object.fromEntries([...outputs].map(([name, value]) => [name, valueToJson(value)]));
}

const text = (val: string): Value => ({ tag: "text", val });

describe("a command", () => {
  test("gets arguments, input and variables, and gives its output, its errors and its exit code", async () => {
    const outputs = await call(await command("(i32.const 0)"), `${PORTS}[outputs.exitCode]\ntype = "number"\n`, {
      arguments: {
        tag: "items",
        val: [
          { tag: "text", val: "a b" },
          { tag: "text", val: "ü" },
        ],
      },
      stdin: text("typed"),
      environment: { tag: "json", val: '{"NAME":"value"}' },
    });
    expect(outputs).toEqual({ stdout: "component;a b;ü;typedNAMEvalue", stderr: "oops", exitCode: 0 });
  });

  test("has no variables of ours and no arguments that nobody gave", async () => {
    expect(await call(await command("(i32.const 0)"), PORTS)).toEqual({ stdout: "component;", stderr: "oops" });
  });

  for (const [name, exit] of [
    ["returns an error", "(i32.const 1)"],
    ["exits", "(call $exit (i32.const 1)) (i32.const 0)"],
  ] as const)
    test(`that ${name} is an error where nobody asks for its exit code, with its last words`, async () => {
      await expect(call(await command(exit), PORTS)).rejects.toMatchObject({ code: "step/error", detail: "exit.1", message: expect.stringContaining("oops") });
      expect(await call(await command(exit), `${PORTS}[outputs.exitCode]\ntype = "number"\n`)).toMatchObject({ exitCode: 1 });
    });

  test("that traps says what it said before", async () => {
    await expect(call(await command("unreachable"), PORTS)).rejects.toMatchObject({ code: "step/trap", message: expect.stringContaining("it said: oops") });
  });

  test("with ports that such a component can't serve is refused with those that it can", async () => {
    await expect(call(await command("(i32.const 0)"), '[inputs.words]\ntype = "text"\n[outputs.stdout]\ntype = "text"\n')).rejects.toMatchObject({
      code: "gate/world",
      message: expect.stringContaining("arguments (list<text>)"),
    });
    await expect(call(await command("(i32.const 0)"), '[outputs.stdout]\ntype = "number"\n')).rejects.toMatchObject({ code: "gate/world" });
  });

  test("that says it is pure can't be", async () => {
    const clock = await wasi(
      ["wasi:clocks/wall-clock"],
      "wasi:cli/run",
      `(module (import "wasi:clocks/wall-clock@0.2.6" "now" (func (param i32))) ${MEMORY} (func (export "wasi:cli/run@0.2.6#run") (result i32) (i32.const 0)))`,
    );
    await expect(call(clock, 'pure = true\n[outputs.stdout]\ntype = "text"\n')).rejects.toMatchObject({ code: "step/denied", message: expect.stringContaining("pure") });
  });
});

/** Opens "file" in its first folder and prints it; prints "none" where it has no folder. */
const reader = (): Promise<Uint8Array> =>
  wasi(
    ["wasi:filesystem/preopens", "wasi:filesystem/types", "wasi:cli/stdout", "wasi:io/streams", "wasi:io/error", "wasi:io/poll", "wasi:clocks/wall-clock"],
    "wasi:cli/run",
    `(module
  (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $folders (param i32)))
  (import "wasi:filesystem/types@0.2.6" "[method]descriptor.open-at" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:filesystem/types@0.2.6" "[method]descriptor.read" (func $read (param i32 i64 i64 i32)))
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  ${MEMORY}
  (data (i32.const 0) "file none link ../file")
  (func $print (param i32 i32) (call $write (call $stdout) (local.get 0) (local.get 1) (i32.const 128)))
  (func $try (param $path i32) (param $length i32) (param $folder i32)
    (call $open (local.get $folder) (i32.const 0) (local.get $path) (local.get $length) (i32.const 0) (i32.const 1) (i32.const 64))
    (if (i32.load8_u (i32.const 64)) (then
      (i32.store8 (i32.const 200) (i32.add (i32.const 65) (i32.load8_u (i32.const 68))))
      (call $print (i32.const 200) (i32.const 1)))
    (else
      (call $read (i32.load (i32.const 68)) (i64.const 100) (i64.const 0) (i32.const 80))
      (call $print (i32.load (i32.const 84)) (i32.load (i32.const 88))))))
  (func (export "wasi:cli/run@0.2.6#run") (result i32) (local $folder i32)
    (call $folders (i32.const 32))
    (if (i32.eqz (i32.load (i32.const 36))) (then (call $print (i32.const 5) (i32.const 4)) (return (i32.const 0))))
    (local.set $folder (i32.load (i32.load (i32.const 32))))
    (call $try (i32.const 0) (i32.const 4) (local.get $folder))
    (call $try (i32.const 10) (i32.const 4) (local.get $folder))
    (call $try (i32.const 15) (i32.const 7) (local.get $folder))
    (i32.const 0)))`,
  );
const FILES = '[[capabilities.file]]\nfolder = "inputs"\nreason = "r"\n[inputs.root]\ntype = "folder"\nrequired = false\n[outputs.stdout]\ntype = "text"\n';

describe("a command's folders", () => {
  beforeAll(() => {
    mkdirSync(join(base, "data"), { recursive: true });
    writeFileSync(join(base, "data/file"), "what it holds;");
    writeFileSync(join(base, "file"), "outside");
    rmSync(join(base, "data/link"), { force: true });
    symlinkSync(join(base, "file"), join(base, "data/link"));
  });

  test("are those that it was given, from which no link and no .. leads out", async () => {
    const { stdout } = await call(await reader(), FILES, { root: text("root") });
    // codes of the contract: loop and not-permitted, counted from A
    expect(stdout).toMatch(/^what it holds;[A-Za-z[\\\]^_`]{2}$/);
    expect(stdout).not.toContain("outside");
  });

  test("aren't there when nothing was given, or asked for", async () => {
    expect(await call(await reader(), FILES)).toEqual({ stdout: "none" });
    expect(await call(await reader(), '[outputs.stdout]\ntype = "text"\n')).toEqual({ stdout: "none" });
  });
});

// the bundler that builds it is Bun's
test.skipIf("Deno" in globalThis)("a guest of our own world that prints, prints into the run's log", async () => {
  const folder = join(base, "printer");
  mkdirSync(folder);
  writeFileSync(join(folder, "manifest.toml"), `id = "printer"\n${HEAD}component = "printer.wasm"\n[outputs.o]\ntype = "text"\n`);
  writeFileSync(
    join(folder, "index.js"),
    'import { operator, text } from "symphony";\nexport const transform = operator((call) => {\n  console.log("hello", { a: 1 });\n  console.error(new Error("bad"));\n  call.output("o", text("x"));\n});\n',
  );
  await buildExtension(folder);
  const notes: StepNote[] = [];
  await call(new Uint8Array(readFileSync(join(folder, "printer.wasm"))), '[outputs.o]\ntype = "text"\n', {}, (note) => notes.push(note));
  expect(notes.map((note) => (note.event === "node.log" ? `${note.level}: ${note.message}` : ""))).toEqual(['info: hello {"a":1}', "error: Error: bad"]);
});
