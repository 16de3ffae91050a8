// A home that another process owns: every order goes to it over its socket.
import { createConnection, type Socket } from "node:net";
import { keepLarge, parseEvent, type RunResult } from "../../pit/mod.ts";
import { SymphonyError } from "../../runtime/mod.ts";
import type { Backstage } from "../stage.ts";
import type { Begun, Home, LiveRun, Told } from "./home.ts";
import { type Answer, PROTOCOL, type Question, readError, readFrames, readResult, say, socketPath, spellOrder } from "./wire.ts";

const GREETING_MS_MAX = 3000;

/** Connects to the owner of a home; undefined when nobody listens. Throws `home/version`, `home/unreachable`. */
export async function connect({ home, artifacts }: Backstage): Promise<Home | undefined> {
  const opened = await open(socketPath(home));
  if (!opened) return undefined;
  const { socket, pid } = opened;
  let next = 0;
  let lost: SymphonyError | undefined;
  /** What waits for an answer, or is told things. */
  const asked = new Map<number, { take(answer: Answer): void; fail(cause: Error): void }>();

  opened.listen((answer) => {
    if ("id" in answer) asked.get(answer.id)?.take(answer);
  });
  socket.on("close", () => {
    lost = new SymphonyError("home/lost", `Cannot go on: process ${pid}, which owned the home, is gone`);
    for (const { fail } of asked.values()) fail(lost);
    asked.clear();
  });

  type Unnumbered = Question extends infer One ? (One extends Question ? Omit<One, "id"> : never) : never;
  const ask = <T>(question: Unnumbered): Promise<T> =>
    new Promise((resolve, reject) => {
      if (lost) throw lost;
      const id = next++;
      asked.set(id, {
        take(answer) {
          asked.delete(id);
          if ("error" in answer) reject(readError(answer.error));
          else resolve((answer as { answer: T }).answer);
        },
        fail: reject,
      });
      say(socket, { ...question, id } as Question);
    });

  return {
    async begin(order) {
      // large inputs go by their hashes: the owner reads the same store
      const { inputs, part } = order.start ?? {};
      await keepLarge([...(inputs?.values() ?? []), ...Object.values(part?.pins ?? {}).flatMap(({ outputs }) => outputs)], artifacts);
      return ask<Begun>({ ask: "begin", order: spellOrder(order) });
    },
    control: (run, control) => ask<void>({ ask: "control", run, control }),
    permit: (order) => ask<Awaited<ReturnType<Home["permit"]>>>({ ask: "permit", order: order as Extract<Question, { ask: "permit" }>["order"] }),
    live: () => ask<{ pid: number; runs: LiveRun[] }>({ ask: "live" }),
    remove: (run) => ask<void>({ ask: "remove", run }),
    follow(run, after, take) {
      const id = next++;
      const ended = new Promise<RunResult>((resolve, reject) => {
        if (lost) throw lost;
        asked.set(id, {
          take(answer) {
            if ("snapshot" in answer) take({ snapshot: answer.snapshot });
            else if ("event" in answer) take({ event: parseEvent(answer.event, run) } satisfies Told);
            else {
              asked.delete(id);
              if ("error" in answer) reject(readError(answer.error));
              else if ("end" in answer) readResult(run, answer.end, artifacts).then(resolve, reject);
            }
          },
          fail: reject,
        });
        say(socket, { id, ask: "follow", run, ...(after === undefined ? {} : { after }) });
      });
      return {
        ended,
        stop() {
          if (asked.delete(id) && !lost) say(socket, { id, ask: "unfollow" });
        },
      };
    },
    async close() {
      asked.clear();
      socket.destroy();
    },
  };
}

async function open(path: string): Promise<{ socket: Socket; pid: number; listen(take: (answer: Answer) => void): void } | undefined> {
  const socket = createConnection(path);
  let listener: ((answer: Answer) => void) | undefined;
  const greeting = await new Promise<Extract<Answer, { protocol: number }> | undefined>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new SymphonyError("home/unreachable", `Cannot use the home: the process that owns it took the call and says nothing; end it, or use another --home`));
    }, GREETING_MS_MAX);
    const gone = (): void => {
      clearTimeout(timer);
      resolve(undefined);
    };
    socket.on("error", gone);
    socket.on("close", gone);
    readFrames(socket, (json) => {
      if (listener) listener(json as Answer);
      else {
        clearTimeout(timer);
        resolve(json as Extract<Answer, { protocol: number }>);
      }
    });
  });
  if (!greeting) return undefined;
  if (greeting.protocol !== PROTOCOL) {
    socket.destroy();
    throw new SymphonyError(
      "home/version",
      `Cannot use the home: process ${greeting.pid}, which owns it, is Symphony ${greeting.symphony}, and speaks protocol ${greeting.protocol}, this one ${PROTOCOL}; end it, or use that version`,
    );
  }
  return {
    socket,
    pid: greeting.pid,
    listen(take) {
      listener = take;
    },
  };
}
