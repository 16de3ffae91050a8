// Arguments and help: what is understood, and what is said to who mistypes.
import { expect } from "bun:test";
import { join } from "node:path";
import version from "../../package.json" with { type: "json" };
import { CODES } from "../../runtime/mod.ts";
import { BOTH, DIGEST, folder, folderOf, PUBLISH, SALES, symphony, test, TEST_MS, useCommand } from "./command.ts";

useCommand();

for (const runtime of BOTH)
  test(`--version tells name and version on ${runtime}`, async () => {
    expect(await symphony(["--version"], { runtime, home: "" })).toMatchObject({ code: 0, stdout: `symphony ${version.version}\n`, stderr: "" });
  });

test(
  "help stands on standard output, with examples",
  async () => {
    await Promise.all(
      [[], ["help"], ["--help"], ["-h"]].map(async (args) => {
        const { code, stdout, stderr } = await symphony(args, { home: "" });
        expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
        expect(stdout).toMatch(/^Example: symphony run /m);
      }),
    );
    await Promise.all(
      ["run", "validate", "artifacts", "ext"].map(async (command) => {
        const [topic, option] = await Promise.all([symphony(["help", command], { home: "" }), symphony([command, "--help"], { home: "" })]);
        expect(topic).toEqual(option);
        expect(topic).toMatchObject({ code: 0, stderr: "" });
        expect(topic.stdout).toMatch(/^Examples:\n {2}symphony /m);
      }),
    );
  },
  TEST_MS,
);

test("help exit-codes tells every code of error", async () => {
  const { stdout } = await symphony(["help", "exit-codes"], { home: "" });
  for (const [code, { exit, says }] of Object.entries(CODES)) expect(stdout).toMatch(new RegExp(`^ +${exit} {2}${code} +${says.replace(/[.*+?^$()]/g, "\\$&")}$`, "m"));
});

const MISUSES: [string, string[], string][] = [
  ["an unknown command", ["rnu"], 'there is no such command (did you mean "run"?)'],
  ["an unknown command like none", ["sing"], "`symphony help` lists them"],
  ["an unknown option before a command", ["--verison"], 'Cannot understand "--verison"'],
  ["an unknown topic of help", ["help", "validat"], '(did you mean "validate"?)'],
  ["an unknown option", ["run", "--jsn"], "did you mean --json?"],
  ["an unknown option of validate", ["validate", "--shema"], "did you mean --schema?"],
  ["an option that another command has", ["ext", "list", "--parallel", "2"], "symphony ext has no such option"],
  ["an unknown short option", ["run", "-x", DIGEST], "`symphony help run`"],
  ["an option without its value", ["run", "--input"], "--input"],
  ["a value for an option that takes none", ["run", "--json=yes", DIGEST], "--json"],
  ["no melody to run", ["run"], "no melody is named"],
  ["two melodies to run", ["run", DIGEST, SALES], "several melodies at once"],
  ["no melody to validate", ["validate"], "no melody is named"],
  ["no steps at once", ["run", DIGEST, "--parallel", "0"], '--parallel "0": expected a whole number from 1 to 1000'],
  ["steps at once that are no number", ["run", DIGEST, "--parallel", "many"], '--parallel "many"'],
  ["a time-out that is no whole number", ["run", DIGEST, "--timeout", "1.5"], '--timeout "1.5"'],
  ["an unknown command of artifacts", ["artifacts", "delete", "abcd"], "expected list, show ID or get ID"],
  ["artifacts show without an id", ["artifacts", "show"], "expected list, show ID or get ID"],
  ["an unknown command of ext", ["ext", "install"], "expected list"],
];

for (const [what, args, expected] of MISUSES)
  test(`${what} ends with 2 and says what would do`, async () => {
    const { code, stdout, stderr } = await symphony(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(expected);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

test("a home that can't be made ends with 3", async () => {
  const file = join(folderOf({ file: "" }), "file");
  const { code, stderr } = await symphony(["artifacts", "list"], { home: join(file, "home") });
  expect(code).toBe(3);
  expect(stderr).toContain("cli/io: Cannot make the folder");
});

test("SYMPHONY_HOME stands for --home", async () => {
  const path = join(folder(), "of-its-own");
  expect((await symphony(["run", PUBLISH, "--approve", "review", "--quiet"], { home: "", env: { SYMPHONY_HOME: path } })).code).toBe(0);
  expect((await symphony(["artifacts", "list"], { home: path })).stdout).toContain("text/markdown");
}, 20_000);
