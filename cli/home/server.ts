// The owner's side of the socket: takes each client's questions and lets the home answer them. A follower that reads too slowly is
// left behind and picked up again where it stopped, so that it holds nobody up.
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { spellEvent, type ValueStore } from "../../pit/mod.ts";
import { type RunEvent, SymphonyError } from "../../runtime/mod.ts";
import version from "../../package.json" with { type: "json" };
import type { Following, Home } from "./home.ts";
import { PROTOCOL, Question, readFrames, readOrder, say, sayText, spellError, spellResult } from "./wire.ts";

/** Sent to one client and not yet taken, before it is left behind. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;

/** Questions of one client that are being answered; no more are read before one of them is. */
const ANSWERS_MAX = 64;
/** By one client; each that comes late costs the reading of a journal. */
const FOLLOWED_MAX = 16;
/** For a client to take what it was sent, since it last took anything. */
const TAKE_MS_MAX = 2000;
const LOOK_MS = 10;

interface Connection {
  /** Everything that was asked is answered, and taken. */
  isIdle(): boolean;
  /** Bytes. */
  unsent(): number;
  destroy(): void;
}

/** Listens for clients until the returned function is called, which lets them take what they were promised and ends all connections. */
export async function serveHome(home: Home, path: string, store: ValueStore): Promise<() => Promise<void>> {
  const connections = new Set<Connection>();
  const server = createServer((socket) => {
    const connection = serve(home, socket, store, () => connections.delete(connection));
    connections.add(connection);
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
    await Promise.all([...connections].map(emptied));
    for (const connection of connections) connection.destroy();
  };
}

/** Resolves when a client has all that it is owed, or takes nothing for too long. */
async function emptied(connection: Connection): Promise<void> {
  let unsent = connection.unsent();
  for (let end = performance.now() + TAKE_MS_MAX; !connection.isIdle() && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (connection.unsent() === unsent) continue;
    unsent = connection.unsent();
    end = performance.now() + TAKE_MS_MAX;
  }
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

function serve(home: Home, socket: Socket, store: ValueStore, onClose: () => void): Connection {
  const followed = new Map<number, Following>();
  const waiting = new Set<() => void>();
  /** Answers that are being made. */
  let open = 0;
  let isClosed = false;
  socket.on("error", () => {});
  socket.on("drain", () => {
    for (const goOn of [...waiting]) goOn();
    heed();
  });
  socket.on("close", () => {
    isClosed = true;
    onClose();
    for (const { stop } of followed.values()) stop();
    followed.clear();
    waiting.clear();
  });

  /** Reads no more questions while too many are open, or too much is unsent. */
  function heed(): void {
    if (open >= ANSWERS_MAX || socket.writableLength > UNSENT_BYTES_MAX) socket.pause();
    else socket.resume();
  }

  function follow(id: number, run: string, after: number | undefined): void {
    let last = after;
    let behind = false;
    let following: Following | undefined;
    const leaveBehind = (): void => {
      behind = true;
      following?.stop();
      // from here on again, once the client has taken what it was sent
      const goOn = (): void => {
        waiting.delete(goOn);
        if (followed.get(id) === following) follow(id, run, last);
      };
      waiting.add(goOn);
    };
    const own = home.follow(run, after, (told) => {
      if (behind || isClosed) return;
      if (socket.writableLength > UNSENT_BYTES_MAX) {
        leaveBehind();
        return;
      }
      if ("snapshot" in told) {
        last = told.snapshot.next - 1;
        say(socket, { id, snapshot: told.snapshot });
      } else {
        last = told.event.n;
        sayText(socket, `{"id":${id},"event":${lineOf(told.event)}}`);
      }
    });
    following = own;
    followed.set(id, own);
    if (behind) own.stop();
    const end = (tell: () => void): void => {
      if (behind || followed.get(id) !== own) return;
      followed.delete(id);
      tell();
    };
    own.ended.then(
      (result) => end(() => say(socket, { id, end: spellResult(result) })),
      (cause) => end(() => say(socket, { id, error: spellError(cause) })),
    );
  }

  async function answer(question: Question): Promise<unknown> {
    switch (question.ask) {
      case "begin":
        return home.begin(await readOrder(question.order, store));
      case "control":
        return home.control(question.run, question.control);
      case "permit":
        return home.permit(question.order);
      case "live":
        return home.live();
      default:
        return home.remove((question as Extract<Question, { ask: "remove" }>).run);
    }
  }

  say(socket, { symphony: version.version, protocol: PROTOCOL, pid: process.pid });
  readFrames(socket, (json) => {
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
      if (followed.size >= FOLLOWED_MAX) say(socket, { id, error: { code: "cli/usage", message: `Cannot follow more than ${FOLLOWED_MAX} runs over one connection` } });
      else if (!followed.has(id)) follow(id, data.run, data.after);
    } else if (data.ask === "unfollow") {
      followed.get(id)?.stop();
      followed.delete(id);
    } else {
      open++;
      answer(data)
        .then(
          (given) => void say(socket, { id, answer: given ?? null }),
          (cause) => void say(socket, { id, error: spellError(cause) }),
        )
        .finally(() => {
          open--;
          if (!isClosed) heed();
        });
    }
    heed();
  });
  return {
    isIdle: () => isClosed || (followed.size === 0 && open === 0 && socket.writableLength === 0),
    unsent: () => socket.writableLength,
    destroy: () => socket.destroy(),
  };
}
