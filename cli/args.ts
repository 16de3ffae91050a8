// Options of a command, read strictly: an unknown one is an error that names the near ones.
import { type ParseArgsConfig, parseArgs } from "node:util";
import { SymphonyError } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;
export interface Parsed {
  values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  positionals: string[];
}

/** Every command takes these. */
export const SHARED: Options = {
  home: { type: "string" },
  extensions: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
};

export function readArgs(command: string, args: string[], own: Options): Parsed {
  const options = { ...SHARED, ...own };
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true });
    return { values: values as Parsed["values"], positionals };
  } catch (cause) {
    const unknown = /Unknown option '--?([^'=]+)/.exec((cause as Error).message)?.[1];
    const message = unknown
      ? `Cannot understand --${unknown}: symphony ${command} has no such option${near(unknown, Object.keys(options)).replaceAll('"', "").replace("mean ", "mean --")}`
      : `Cannot understand the arguments: ${(cause as Error).message.split("\n")[0]}`;
    throw new SymphonyError("cli/usage", `${message}; \`symphony help ${command}\` lists what there is`);
  }
}

export function text(value: Parsed["values"][string]): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function texts(value: Parsed["values"][string]): string[] {
  return Array.isArray(value) ? value.map(String) : typeof value === "string" ? [value] : [];
}

export function usage(message: string, command: string): SymphonyError {
  return new SymphonyError("cli/usage", `${message}; \`symphony help ${command}\` shows how`);
}

/** A whole number from an option, within bounds. */
export function whole(value: Parsed["values"][string], name: string, command: string, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < least || number > most)
    throw usage(`Cannot use --${name} ${JSON.stringify(value)}: expected a whole number from ${least} to ${most}`, command);
  return number;
}
