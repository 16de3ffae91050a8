// The server's end of WebSocket, on Bun and on Deno. Who may come in is the link's to decide; a browser's page of another origin is refused
// here, because it would come with this machine's address.
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection, FRAME_MAX, type Listener } from "./connection.ts";
import { createMessageConnection, type MessageConnection, PART_BYTES } from "./messages.ts";
import { overWebSocket } from "./websocket.ts";

export interface WebSocketOptions {
  /** "127.0.0.1" by default. */
  hostname?: string;
  /** Any that is free by default. */
  port?: number;
  /** Origins whose pages may connect, such as "http://localhost:3000"; programs that name none always may. */
  origins?: readonly string[];
}

interface BunSocket {
  data: { connection?: MessageConnection };
  send(message: Uint8Array): number;
  close(): void;
  remoteAddress: string;
}
interface BunServer {
  port: number;
  upgrade(request: Request, options: { data: object }): boolean;
  stop(now: boolean): Promise<void>;
}
interface Runtimes {
  Bun?: { serve(options: object): BunServer };
  Deno?: {
    serve(options: object, handle: (request: Request) => Response): { addr: { port: number }; shutdown(): Promise<void> };
    upgradeWebSocket(request: Request, options: object): { socket: WebSocket; response: Response };
  };
}

/** Rejects with `bus/peer` where the port is taken. */
export async function listenWebSocket({ hostname = "127.0.0.1", port = 0, origins = [] }: WebSocketOptions, onConnection: (connection: Connection) => void): Promise<Listener> {
  const { Bun, Deno } = globalThis as unknown as Runtimes;
  const refusal = (request: Request): Response | undefined => {
    const origin = request.headers.get("origin");
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
      return new Response("This address speaks WebSocket only.\n", { status: 426, headers: { upgrade: "websocket" } });
    return origin !== null && !origins.includes(origin) ? new Response("Pages of this origin may not connect.\n", { status: 403 }) : undefined;
  };
  try {
    if (Bun) return listenOnBun(Bun, hostname, port, refusal, onConnection);
    if (Deno) return listenOnDeno(Deno, hostname, port, refusal, onConnection);
  } catch (cause) {
    throw brokenError(`ws://${hostname}:${port}`, cause);
  }
  throw new SymphonyError("bus/invalid", "Cannot listen for WebSockets: this runtime is neither Bun nor Deno");
}

type Refusal = (request: Request) => Response | undefined;

function listenOnBun(bun: NonNullable<Runtimes["Bun"]>, hostname: string, port: number, refusal: Refusal, onConnection: (connection: Connection) => void): Listener {
  const server = bun.serve({
    hostname,
    port,
    fetch: (request: Request, self: BunServer) => refusal(request) ?? (self.upgrade(request, { data: {} }) ? undefined : new Response("This is no WebSocket.\n", { status: 400 })),
    websocket: {
      // a byte in front of a part; what is on its way is bounded by the window
      maxPayloadLength: PART_BYTES + 1,
      backpressureLimit: 2 * FRAME_MAX,
      idleTimeout: 0,
      open(socket: BunSocket) {
        const connection = createMessageConnection({
          address: `ws:${socket.remoteAddress}`,
          post(message) {
            if (socket.send(message) === 0) throw new Error("it is closed");
          },
          closeAll: () => socket.close(),
        });
        socket.data.connection = connection;
        onConnection(connection);
      },
      message(socket: BunSocket, message: unknown) {
        socket.data.connection?.onMessage(message instanceof Uint8Array ? message : new Uint8Array(0));
      },
      close(socket: BunSocket) {
        socket.data.connection?.onClose();
      },
    },
  });
  return { address: `ws://${hostname}:${server.port}`, close: () => server.stop(false) };
}

function listenOnDeno(deno: NonNullable<Runtimes["Deno"]>, hostname: string, port: number, refusal: Refusal, onConnection: (connection: Connection) => void): Listener {
  let open = 0;
  let isClosing = false;
  const server = deno.serve({ hostname, port, onListen() {} }, (request) => {
    if (isClosing) return new Response("No more connections.\n", { status: 503 });
    const refused = refusal(request);
    if (refused) return refused;
    let upgraded: { socket: WebSocket; response: Response };
    try {
      // heartbeats are the link's
      upgraded = deno.upgradeWebSocket(request, { idleTimeout: 0 });
    } catch {
      return new Response("This is no WebSocket.\n", { status: 400 });
    }
    const { socket, response } = upgraded;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      open++;
      const connection = overWebSocket(socket, "ws:client");
      void connection.closed.then(() => {
        open--;
        shutDown();
      });
      onConnection(connection);
    };
    return response;
  });
  // shutting down would cut the connections that there are
  const shutDown = (): void => {
    if (isClosing && open === 0) void server.shutdown();
  };
  return {
    address: `ws://${hostname}:${server.addr.port}`,
    async close() {
      isClosing = true;
      shutDown();
    },
  };
}
