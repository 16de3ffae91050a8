// Unix domain sockets and, by the same calls of node:net, Windows' named pipes (which nobody has run: the machines that test this have
// none).
import { Buffer } from "node:buffer";
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import process from "node:process";
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection, type Listener } from "./connection.ts";
import { createStreamConnection } from "./stream.ts";

/** The least that all systems take for a socket's path, without its end. */
export const SOCKET_PATH_BYTES_MAX = 100;
const CONNECT_MS = 5000;

const isPipe = (path: string): boolean => path.startsWith("\\\\.\\pipe\\") || path.startsWith("\\\\?\\pipe\\");

function checkPath(path: string): void {
  if (process.platform === "win32" && !isPipe(path)) throw new SymphonyError("bus/invalid", `Cannot use the pipe ${JSON.stringify(path)}: expected \\\\.\\pipe\\NAME`);
  if (process.platform !== "win32" && Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX)
    throw new SymphonyError(
      "bus/invalid",
      `Cannot use the socket ${path}: its path has ${Buffer.byteLength(path)} bytes, and systems take ${SOCKET_PATH_BYTES_MAX}; choose a shorter folder`,
    );
}

function connectionOf(socket: Socket, path: string): Connection {
  return createStreamConnection({ address: `unix:${path}`, readable: socket, writable: socket, closeAll: () => socket.destroy() });
}

/** Rejects with `bus/peer` where nobody listens, `bus/invalid` for a path that no system takes. */
export function connectSocket(path: string): Promise<Connection> {
  checkPath(path);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    const give = (cause: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(brokenError(`unix:${path}`, cause));
    };
    const timer = setTimeout(() => give(new Error(`nobody answered within ${CONNECT_MS} ms`)), CONNECT_MS);
    socket.once("error", give);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", give);
      // nothing is read before somebody takes it
      socket.pause();
      resolve(connectionOf(socket, path));
    });
  });
}

/**
 * Only this user reaches it: the socket's folder is made so, or must belong to this user and be writable by nobody else. A socket left by a
 * process that is gone is replaced; one that somebody answers on is refused with `bus/peer`.
 */
export async function listenSocket(path: string, onConnection: (connection: Connection) => void): Promise<Listener> {
  checkPath(path);
  if (!isPipe(path)) await clear(path);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => onConnection(connectionOf(socket, path)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(brokenError(`unix:${path}`, cause)));
    // the socket is made while listen() is called: nothing else of the process gets this mask
    const mask = isPipe(path) ? undefined : process.umask(0o177);
    try {
      server.listen(path, () => resolve());
    } finally {
      if (mask !== undefined) process.umask(mask);
    }
  });
  let made: number | undefined;
  if (!isPipe(path)) {
    chmodSync(path, 0o600);
    made = lstatSync(path).ino;
  }
  return {
    address: `unix:${path}`,
    async close() {
      server.close();
      // another's that has taken its place stays
      if (made !== undefined && lstatSync(path, { throwIfNoEntry: false })?.ino === made) rmSync(path, { force: true });
    },
  };
}

async function clear(path: string): Promise<void> {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (stat.isSymbolicLink() || stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0)
    throw new SymphonyError("bus/invalid", `Cannot listen at ${path}: its folder must be this user's own and writable by nobody else; make one with mode 700`);
  let found: ReturnType<typeof lstatSync> | undefined;
  try {
    found = lstatSync(path);
  } catch {
    return;
  }
  if (!found.isSocket()) throw new SymphonyError("bus/invalid", `Cannot listen at ${path}: something else than a socket is there; remove it or choose another name`);
  const other = await connectSocket(path).catch(() => undefined);
  if (other) {
    other.close();
    throw new SymphonyError("bus/peer", `Cannot listen at ${path}: another process listens there`);
  }
  rmSync(path, { force: true });
}
