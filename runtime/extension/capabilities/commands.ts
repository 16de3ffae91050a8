// Programs of this machine that a manifest names: the words are put together here, judged, and started without a shell.
import { SymphonyError } from "../../error.ts";
import type { Command } from "../../platform/platform.ts";
import { bytes, number, parsed, string } from "./arguments.ts";
import type { Answers, CallRecord } from "./services.ts";

/** Limits of one call. */
export const COMMAND_LIMITS: {
  readonly open: number;
  readonly started: number;
  readonly outputBytes: number;
  readonly errorBytes: number;
  readonly words: number;
  readonly wordCharacters: number;
} = {
  open: 4,
  started: 100,
  outputBytes: 8 * 1024 * 1024,
  errorBytes: 64 * 1024,
  words: 200,
  wordCharacters: 100_000,
};

interface Open {
  command: Command;
  output: Uint8Array[];
  size: number;
  errors: Uint8Array[];
  errorSize: number;
  exit: { code: number | null } | undefined;
  fault: SymphonyError | undefined;
  wake: (() => void) | undefined;
  unhold: () => void;
}

export function createCommands(record: CallRecord): Answers {
  const { manifest, guard, grants, services } = record;
  const open = new Map<number, Open>();
  let started = 0;

  /** The manifest's words with the guest's where they leave room. */
  function wordsOf(name: string, given: readonly string[]): string[] {
    const asked = manifest.capabilities.find(({ command }) => command?.name === name)?.command;
    if (!asked) {
      guard.refuse(`system:execute:${JSON.stringify([name.slice(0, 60)])}`, "the manifest asks for no command of that name");
      const names = manifest.capabilities.flatMap(({ command }) => command?.name ?? []);
      throw new SymphonyError(
        "step/denied",
        `Cannot start ${JSON.stringify(name.slice(0, 60))} for ${manifest.id}: its manifest asks for no command of that name${names.length ? `; it asks for ${names.join(", ")}` : ""}`,
      );
    }
    const words: string[] = [];
    let at = 0;
    for (const word of asked.run) {
      if (word === "**") {
        words.push(...given.slice(at));
        at = given.length;
      } else if (word === "*") {
        if (at >= given.length) throw new SymphonyError("step/input", `Cannot start ${name}: the manifest leaves room for more arguments than were given`);
        words.push(given[at++] as string);
      } else words.push(word.startsWith("\\") ? word.slice(1) : word);
    }
    if (at < given.length) throw new SymphonyError("step/input", `Cannot start ${name}: ${given.length - at} arguments more than the manifest leaves room for`);
    return words;
  }

  async function start(name: string, given: unknown): Promise<Open> {
    if (!Array.isArray(given) || !given.every((word): word is string => typeof word === "string"))
      throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
    if (given.length > COMMAND_LIMITS.words || given.some((word) => word.length > COMMAND_LIMITS.wordCharacters || word.includes("\0")))
      throw new SymphonyError("step/input", `Cannot start ${JSON.stringify(name.slice(0, 60))}: over ${COMMAND_LIMITS.words} arguments, or one that is too long or holds NUL`);
    const words = wordsOf(name, given);
    const row = ["execute", ...words];
    guard.demand(
      "system",
      row,
      () => `system:execute:${JSON.stringify(words.map((word) => (word === "*" || word === "**" || word.startsWith("\\") ? `\\${word}` : word))).slice(0, 4000)}`,
    );
    if (open.size >= COMMAND_LIMITS.open || ++started > COMMAND_LIMITS.started)
      throw new SymphonyError("run/limit", `Cannot start another command: at most ${COMMAND_LIMITS.open} at once and ${COMMAND_LIMITS.started} in one call`);
    if (grants.project === undefined) throw new SymphonyError("command/failed", `Cannot start ${name}: the run has no project folder to start it in`);
    const one: Open = {
      command: undefined as unknown as Command,
      output: [],
      size: 0,
      errors: [],
      errorSize: 0,
      exit: undefined,
      fault: undefined,
      wake: undefined,
      unhold: () => {},
    };
    one.command = await services.command({
      words,
      folder: grants.project,
      onOutput(chunk, isError) {
        if (isError) {
          if (one.errorSize < COMMAND_LIMITS.errorBytes) one.errors.push(chunk.slice(0, COMMAND_LIMITS.errorBytes - one.errorSize));
          one.errorSize += chunk.length;
          return;
        }
        one.output.push(chunk.slice());
        one.size += chunk.length;
        if (one.size > COMMAND_LIMITS.outputBytes) {
          one.fault ??= new SymphonyError("run/limit", `Cannot go on with ${name}: over ${COMMAND_LIMITS.outputBytes} bytes of output wait to be read`);
          one.command.kill();
        }
        one.wake?.();
      },
    });
    one.unhold = guard.hold("system", row, () => {
      one.fault ??= new SymphonyError("step/denied", `Cannot go on with ${name}: the right to it was taken back`);
      one.command.kill();
      one.wake?.();
    });
    void one.command.ended.then(async (exit) => {
      // what it wrote last may still be on its way
      await new Promise((resolve) => setTimeout(resolve, 5));
      one.exit = exit;
      one.wake?.();
    });
    return one;
  }

  function close(one: Open): void {
    one.unhold();
    // what it started may have outlived it
    one.command.kill();
  }

  function take(one: Open): Uint8Array {
    const all = joined(one.output);
    one.output = [];
    one.size = 0;
    return all;
  }

  const openOf = (id: unknown): Open => {
    const one = open.get(id as number);
    if (!one) throw new SymphonyError("step/input", "Cannot use this command: it was let go");
    if (one.fault) throw one.fault;
    return one;
  };

  async function until(isDone: () => boolean, one: Open, ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (!isDone() && !one.fault && !record.signal?.aborted) {
      const left = deadline - performance.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 50));
        one.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      one.wake = undefined;
    }
  }

  return {
    over: () => {
      for (const one of open.values()) close(one);
      open.clear();
    },
    functions: {
      "process.run": async ([name, words, input]) => {
        const one = await start(string(name), parsed(words));
        const id = -started;
        open.set(id, one);
        try {
          const data = bytes(input);
          if (data.length > 0) one.command.write(data);
          one.command.endInput();
          await until(() => one.exit !== undefined, one, record.remainingMs());
          if (one.fault) throw one.fault;
          if (!one.exit) throw new SymphonyError("run/cancelled", `Cannot go on with ${string(name)}: the call is over`);
          return [one.exit.code, take(one), joined(one.errors)];
        } finally {
          open.delete(id);
          close(one);
        }
      },
      "process.start": async ([name, words]) => {
        const one = await start(string(name), parsed(words));
        const id = started;
        open.set(id, one);
        return [id];
      },
      "process.write": async ([id, data]) => {
        const one = openOf(number(id));
        if (one.exit) throw new SymphonyError("command/failed", "Cannot write to the command: it has ended");
        one.command.write(bytes(data));
        await until(() => one.command.unsent < 1024 * 1024 || one.exit !== undefined, one, record.remainingMs());
        if (one.fault) throw one.fault;
        return [];
      },
      "process.end-input": ([id]) => {
        openOf(number(id)).command.endInput();
        return [];
      },
      "process.read": async ([id, timeoutMs]) => {
        const one = openOf(number(id));
        await until(() => one.output.length > 0 || one.exit !== undefined, one, Math.min(number(timeoutMs), record.remainingMs()));
        if (one.fault) throw one.fault;
        return one.output.length === 0 && one.exit ? [null] : [take(one)];
      },
      "process.kill": ([id]) => {
        const one = open.get(number(id));
        open.delete(number(id));
        if (one) close(one);
        return [];
      },
    },
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
