// Help texts, with examples. No logic but choosing one.
import { CODES, SymphonyError } from "../runtime/mod.ts";
import { TABLES } from "./home/tables.ts";
import { near } from "../runtime/near.ts";

const SHARED = `  --home DIR            where runs, artifacts and the cache live (or SYMPHONY_HOME; default ~/.symphony)
  --extensions DIR      look for extensions there too; may be given more than once`;

const TEXTS: Record<string, string> = {
  "": `symphony runs melodies: workflows whose every step is a sandboxed WebAssembly component.

  symphony run FILE         run a melody
  symphony resume RUN       go on with a run whose process ended, or try again what failed
  symphony runs             list, show, watch, steer, compare and delete runs
  symphony graph FILE|RUN   draw a melody, or a run with the states of its nodes
  symphony history SQL      ask anything about the runs that are kept
  symphony validate FILE    say everything that is wrong with a melody
  symphony format FILE      put a melody into the form that equal ones share
  symphony artifacts        list, show and get what runs have stored
  symphony ext              list the installed extensions, and write your own
  symphony permissions      what extensions may do: list, explain, allow, deny, revoke
  symphony audit            every decision about permissions, and whether the log is whole
  symphony help COMMAND     more about one of them, with examples
  symphony help exit-codes  what exit codes mean

Example: symphony run examples/digest/melody.json --out report
`,
  run: `symphony run FILE [options]: run a melody to its end.

  --input NAME=VALUE    an input of the melody; may be given more than once. A folder is a path, and giving it
                        lets this run read below it. VALUE of the form @PATH is the text of that file (@@ for a
                        value that begins with @).
  --out DIR             copy the outputs into this folder when the run has completed
  --json                one event a line on standard output, and at the end one object {run, state, outputs}
  --parallel N          steps under way at once (default 16)
  --timeout MS          stop the run after so long
  --allow EXTENSION     grant an extension what it asks for, for this run; EXTENSION=RIGHT: this right alone; may be given
                        more than once
  --approve NODE        say yes for this approve node in advance ("all" for every one); may be given more than once
  --durability LEVEL    process (default): what is told survives the end of this process; power: also a loss of power
  --wait                what waits for approval waits for \`symphony runs approve\`, where nobody can be asked here
  --fresh               run pure nodes too whose answer is kept from an earlier run
  --explain             say at the end for each node why it ran or didn't
  --dry-run             say what would be run, in which order, with which rights; run nothing
  --quiet               no progress

 A part of the melody:
  --to NODE             run up to this node, and nothing that it doesn't need; may be given more than once
  --from NODE           run this node and what comes after it; may be given more than once. What comes before must be given:
  --pin NODE.PORT=VALUE the output of a node, which isn't run; VALUE as for --input; may be given more than once
  --data RUN            what nodes before --from gave in that earlier run
${SHARED}

Examples:
  symphony run examples/digest/melody.json --out report
  symphony run examples/sales/melody.json --to rows --explain
  symphony run examples/sales/melody.json --from report --data 3fa9
  symphony run examples/digest/melody.json --input folder=~/notes --out digest
  symphony run examples/sales/melody.json --json | tail -n 1
  symphony run examples/publish/melody.json --approve review
`,
  resume: `symphony resume RUN [options]: go on with a run whose process has ended. Nodes that had finished are not run again; one that
was under way is, with the same idempotency key. A run that has ended tells its end once more.

  --retry               of a run that has ended: run again what failed or was cancelled, and all that comes after it
  --timeout MS          another time-out than the one that it was begun with
  --from NODE           of a run that has ended: run this node again and all that comes after it; may be given more than once
  --out DIR, --json, --parallel N, --approve NODE, --wait, --fresh, --explain, --durability LEVEL, --quiet   as for run
${SHARED}

Examples:
  symphony runs list
  symphony resume 3fa9
  symphony resume 3fa9 --retry
`,
  runs: `symphony runs COMMAND: the runs that are kept, and those under way in any process.

  list                  id, state, begin, time, melody and counts of nodes of each run
    --melody ID, --state STATE, --since DAY, --limit N   only those; the last N
  show RUN              the state of every node; with --explain why it ran or didn't
  watch RUN             follow a run to its end, answer its questions, and exit as it does; Ctrl-C ends the watching alone
  compare RUN RUN       states, times and outputs beside each other; exits with 1 when their outputs differ
  pause RUN             start no more nodes; with --stop also stop steps under way, which are run again later
  continue RUN          go on with a paused run
  cancel RUN            end it; --reason TEXT
  approve RUN NODE      say yes to what waits for a person, or no with "reject"; --reason TEXT
  reject RUN NODE
  delete RUN...         forget runs; what they stored stays
  A run may be named by the first characters of its id (at least 4).
  --json                (list, show, watch, compare) one object a line
  --out DIR             (watch) copy the outputs into this folder when the run has completed
${SHARED}

Examples:
  symphony runs list --state failed --since 2026-01-31
  symphony runs show 3fa9 --explain
  symphony runs approve 3fa9 review --reason "well said"
`,
  graph: `symphony graph FILE|RUN [options]: a melody as a picture; of a run, with the states of its nodes.

  --format FORM         mermaid (default; text for many editors and wikis, with the bodies of maps) or svg (the top level)
  --out FILE            write it there; a name that ends in .svg means --format svg
${SHARED}

Examples:
  symphony graph examples/digest/melody.json
  symphony graph 3fa9 --out run.svg
`,
  history: `symphony history SQL [options]: one query in SQLite's language over the runs that are kept, which it can't change.

  --json                one object a line
${SHARED}

Tables:
${TABLES.replace(/^/gm, "  ")}

Examples:
  symphony history "SELECT melody, count(*), avg(ms) FROM run WHERE state = 'completed' GROUP BY melody"
  symphony history "SELECT node, code, count(*) FROM node WHERE state = 'failed' GROUP BY node, code"
`,
  validate: `symphony validate FILE... [options]: check melodies without running them; all faults are shown together.

  --json                one object a file: {file, sound, nodes, edges, faults: [{path, message}]}
  --schema              print the JSON Schema of the melody format, for editors
${SHARED}

Examples:
  symphony validate examples/digest/melody.json
  symphony validate --schema > melody.schema.json
`,
  format: `symphony format FILE... [options]: put melodies into the form that equal ones share: keys in the order of the format, what is
short on one line. What a melody says stays as it is.

  --check               change nothing; exit with 1 if a file isn't in that form

Example: symphony format --check melodies/*.json
`,
  artifacts: `symphony artifacts COMMAND: what runs have stored, by content.

  list                  id, size and media type of every artifact; with --all also what runs keep for a resume
  show ID               the text of an artifact (or what it is, when it isn't text)
  get ID [--out FILE]   its bytes, to standard output or a file
  An ID may be shortened to its first digits (at least 4).
  --json                (list) one object a line
${SHARED}

Examples:
  symphony artifacts list
  symphony artifacts show 3fa9
  symphony artifacts get 3fa9 --out report.md
`,
  ext: `symphony ext COMMAND (also ./carets COMMAND): extensions, for who uses them and for who writes them.

  list                  those that are installed: ports, settings, what they ask for (--json: one object a line)
  shapes                a TypeScript module with their ports and settings, for melodies that are built in code

 For authors:
  new NAME              begin an extension: --language assemblyscript, javascript, typescript, c or rust; --kind operator
                        or instrument
  build [DIR]           its component from its source
  test [DIR]            run the cases in DIR/cases, with the time, fuel, memory and host calls of each; --only TEXT: those
                        with TEXT in their name. --allow RIGHT grants it to all; --trust grants what the cases say
  check [DIR]           all that is wrong with it, and what it asks for (exit code 2 where it can't be installed)
  format [DIR]          its manifest in one form (--json: as JSON; --write: in its place)
  form [DIR]            its settings as a form's description and as a JSON Schema
  schema                the manifest's JSON Schema, for editors
${SHARED}

Examples:
  symphony ext list
  ./carets new shout --language js && ./carets build shout && ./carets test shout
  symphony run melody.json --extensions .
`,
  permissions: `symphony permissions COMMAND: what extensions may do. An extension may do what its manifest asks for AND a person or a policy
granted, no more than the melody's node keeps. A run grants by itself: reading the melody's project and the folders given to it.

  list [EXTENSION]      what was granted and refused for good, and the policies of settings.toml
  explain EXTENSION WHAT  whether it may, who says so and why; WHAT is a right, a path (to read) or a URL (to GET);
                        --run RUN: in that run
  allow EXTENSION [RIGHT...]  grant for good; without a right all that it asks for
  deny EXTENSION [RIGHT...]   refuse for good
  revoke N|EXTENSION... take grants back, by number or all of an extension (--all: every one); counts at once, for what runs too
  revoke --run RUN EXTENSION [RIGHT]  take from a run under way what was granted for it
  --json                (list, explain) for programs
${SHARED}

A right is type:scope:object, for example file:write:/home/me/out/**, network:GET:https://api.example.com,
model:chat:local/llama3, secret:use:key@https://api.example.com, system:execute:["git","log","**"] (docs/permissions.md).

Examples:
  symphony permissions allow http network:GET:https://api.example.com
  symphony permissions explain files ~/notes/a.md --run 3fa9
  symphony permissions revoke http
`,
  audit: `symphony audit [list|verify]: the log of every decision about permissions.

  list                  (default) in order; --extension ID, --run RUN, --type TYPE, --since DATE, --denied, --last N
  verify                check every line: exit code 1 when one was changed, is missing or was cut
  --json                (list) one object a line
${SHARED}

Examples:
  symphony audit --denied --last 20
  symphony audit verify
`,
};

function exitCodes(): string {
  const lines = Object.entries(CODES).map(([code, { exit, says }]) => `  ${String(exit).padStart(3)}  ${code.padEnd(22)} ${says}`);
  return `Exit codes: 0 all went well, 1 the run failed, 2 the input or the arguments are wrong, 3 a file can't be read or written,
4 a component was refused, 70 a fault of Symphony's own, 130 cancelled. By error:

${lines.sort().join("\n")}
`;
}

export function help([topic = ""]: string[]): number {
  if (topic === "exit-codes") {
    console.log(exitCodes());
    return 0;
  }
  const text = TEXTS[topic];
  if (text === undefined) throw new SymphonyError("cli/usage", `Cannot help with ${JSON.stringify(topic)}: there is no such command${near(topic, Object.keys(TEXTS))}`);
  console.log(text);
  return 0;
}

export function unknownCommand(name: string, known: readonly string[]): number {
  throw new SymphonyError("cli/usage", `Cannot understand ${JSON.stringify(name)}: there is no such command${near(name, known)}; \`symphony help\` lists them`);
}
