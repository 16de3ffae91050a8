// The owner's side of the socket: takes each client's questions and lets the home answer them. A follower that reads too slowly is
// left behind and picked up again where it stopped, so that it holds nobody up.
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { spellEvent, type ValueStore } from "../../pit/mod.ts";
import { type RunEvent, SymphonyError } from "../../runtime/mod.ts";
import version from "../../package.json" with { type: "json" };
import type { Following, Home } from "./home.ts";
import { PROTOCOL, Question, readLines, readOrder, say, spellError, spellResult } from "./wire.ts";

/** Sent to one client and not yet taken, before it is left behind. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;

/** Listens for clients until the returned function is called, which ends all connections. */
export async function serveHome(home: Home, path: string, store: ValueStore): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    serve(home, socket, store, () => sockets.delete(socket));
  });
  const unreachable = (cause: Error): SymphonyError => new SymphonyError("home/unreachable", `Cannot listen at ${JSON.stringify(path)}: ${cause.message}`, { cause });
  try {
    // what a killed owner left
    rmSync(path, { force: true });
  } catch (cause) {
    throw unreachable(cause as Error);
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(unreachable(cause)));
    server.listen(path, resolve);
  });
  return async () => {
    server.close();
    rmSync(path, { force: true });
    for (const socket of sockets) socket.destroy();
  };
}

/** One spelling of an event for all who are told it. */
const spelled = new WeakMap<RunEvent, string>();

function lineOf(event: RunEvent): string {
  let line = spelled.get(event);
  if (line === undefined) {
    line = spellEvent(event);
    spelled.set(event, line);
  }
  return line;
}

function serve(home: Home, socket: Socket, store: ValueStore, onClose: () => void): void {
  const followed = new Map<number, Following>();
  const waiting = new Set<() => void>();
  socket.on("error", () => {});
  socket.on("drain", () => {
    for (const goOn of [...waiting]) goOn();
  });
  socket.on("close", () => {
    onClose();
    for (const { stop } of followed.values()) stop();
    followed.clear();
    waiting.clear();
  });

  function follow(id: number, run: string, after: number | undefined): void {
    let last = after;
    let behind = false;
    const following = home.follow(run, after, (told) => {
      if (socket.writableLength > UNSENT_BYTES_MAX) {
        // from here on again, once the client has taken what it was sent
        behind = true;
        following.stop();
        const goOn = (): void => {
          waiting.delete(goOn);
          if (followed.get(id) === following) follow(id, run, last);
        };
        waiting.add(goOn);
        return;
      }
      if ("snapshot" in told) {
        last = told.snapshot.next - 1;
        say(socket, { id, snapshot: told.snapshot });
      } else {
        last = told.event.n;
        socket.write(`{"id":${id},"event":${lineOf(told.event)}}\n`);
      }
    });
    followed.set(id, following);
    following.ended.then(
      (result) => {
        if (behind || followed.get(id) !== following) return;
        followed.delete(id);
        say(socket, { id, end: spellResult(result) });
      },
      (cause) => {
        if (behind || followed.get(id) !== following) return;
        followed.delete(id);
        say(socket, { id, error: spellError(cause) });
      },
    );
  }

  async function answer(question: Question): Promise<unknown> {
    switch (question.ask) {
      case "begin":
        return home.begin(await readOrder(question.order, store));
      case "control":
        return home.control(question.run, question.control);
      case "live":
        return home.live();
      default:
        return home.remove((question as Extract<Question, { ask: "remove" }>).run);
    }
  }

  say(socket, { symphony: version.version, protocol: PROTOCOL, pid: process.pid });
  readLines(socket, (json) => {
    const read = Question.safeParse(json);
    if (!read.success) {
      const id = (json as { id?: unknown } | null)?.id;
      if (typeof id === "number") say(socket, { id, error: { code: "cli/usage", message: `Cannot understand what was asked: ${read.error.issues[0]?.message}` } });
      else socket.destroy();
      return;
    }
    const { data } = read;
    const { id } = data;
    if (data.ask === "follow") {
      if (!followed.has(id)) follow(id, data.run, data.after);
    } else if (data.ask === "unfollow") {
      followed.get(id)?.stop();
      followed.delete(id);
    } else
      answer(data).then(
        (given) => void say(socket, { id, answer: given ?? null }),
        (cause) => void say(socket, { id, error: spellError(cause) }),
      );
  });
}
