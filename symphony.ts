// The command line: picks the command, turns errors into exit codes. A command is imported when it is chosen, so that
// `--version` costs nothing.
import { argv, exit } from "node:process";
import version from "./package.json" with { type: "json" };

const COMMANDS = ["run", "resume", "runs", "graph", "history", "validate", "format", "artifacts", "ext", "permissions", "audit", "help"] as const;

async function main(args: string[]): Promise<number> {
  const [name = "help", ...rest] = args;
  switch (name) {
    case "--version":
    case "-V":
      console.log(`symphony ${version.version}`);
      return 0;
    // the compiled binary starts itself so; the names are no commands
    case "__isolate":
      await (await import("./runtime/extension/isolate/main.ts")).main();
      return 0;
    case "__prepare":
      await (await import("./runtime/extension/prepare/main.ts")).main();
      return 0;
    case "run":
      return (await import("./cli/run.ts")).run(rest);
    case "resume":
      return (await import("./cli/resume.ts")).resume(rest);
    case "runs":
      return (await import("./cli/runs.ts")).runs(rest);
    case "graph":
      return (await import("./cli/graph.ts")).graph(rest);
    case "history":
      return (await import("./cli/history.ts")).history(rest);
    case "validate":
      return (await import("./cli/validate.ts")).validate(rest);
    case "format":
      return (await import("./cli/format.ts")).format(rest);
    case "artifacts":
      return (await import("./cli/artifacts.ts")).artifacts(rest);
    case "ext":
      return (await import("./cli/ext/ext.ts")).ext(rest);
    case "permissions":
      return (await import("./cli/permissions.ts")).permissions(rest);
    case "audit":
      return (await import("./cli/audit.ts")).audit(rest);
    case "help":
    case "--help":
    case "-h":
      return (await import("./cli/help.ts")).help(rest);
    default:
      return (await import("./cli/help.ts")).unknownCommand(name, COMMANDS);
  }
}

async function report(cause: unknown): Promise<number> {
  const { CODES, SymphonyError } = await import("./runtime/mod.ts");
  const { withoutControls } = await import("./cli/print.ts");
  if (!(cause instanceof SymphonyError)) {
    console.error(
      `symphony failed: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\nThis is a fault of Symphony's own; please report it with what you did.`,
    );
    return 70;
  }
  console.error(withoutControls(`${cause.code}: ${cause.message}`));
  return CODES[cause.code].exit;
}

exit(await main(argv.slice(2)).catch(report));
