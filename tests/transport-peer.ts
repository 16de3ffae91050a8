// The far side of the transports' contract test as a process or a worker of its own.
import { Buffer } from "node:buffer";
import { createConnection } from "node:net";
import process from "node:process";
import { connectPort, type PortLike } from "../runtime/transport/message-port.ts";
import { connectRing, type Ring } from "../runtime/transport/ring.ts";
import { connectSocket } from "../runtime/transport/socket.ts";
import { connectParent } from "../runtime/transport/stdio.ts";
import { connectWebSocket } from "../runtime/transport/websocket.ts";
import { behave } from "./transport-behaviour.ts";

/** Over a bare socket: what no connection of ours would send. */
function misbehave(path: string, bytes: Uint8Array, then: string): void {
  const socket = createConnection(path, () =>
    socket.write(bytes, () => {
      if (then === "die") process.kill(process.pid, "SIGKILL");
    }),
  );
}

async function main(): Promise<void> {
  const [kind, address = "", ...rest] = process.argv.slice(2);
  switch (kind) {
    case "unix":
      return behave(await connectSocket(address));
    case "websocket":
      return behave(await connectWebSocket(address));
    case "stdio":
      return behave(connectParent());
    case "raw":
      return misbehave(address, Buffer.from(rest[0] ?? "", "hex"), rest[1] ?? "");
    case "crumbs": {
      // each byte a write of its own, over the socket or standard output
      const bytes = Buffer.from(rest[0] ?? "", "hex");
      const out = address === "-" ? process.stdout : createConnection(address);
      for (const byte of bytes) {
        out.write(Uint8Array.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      if (address !== "-") out.end();
      return;
    }
    case "raw-stdio":
      process.stdout.write(Buffer.from(address, "hex"), () => {
        if (rest[0] === "die") process.kill(process.pid, "SIGKILL");
      });
      process.stdin.resume();
      return;
    default: {
      // in a worker
      const scope = globalThis as unknown as PortLike;
      scope.addEventListener("message", function begin({ data }) {
        const ring = (data as { ring?: Ring } | undefined)?.ring;
        const port = (data as { port?: PortLike } | undefined)?.port;
        if (!ring && !port) return;
        scope.removeEventListener("message", begin);
        behave(ring ? connectRing(ring) : connectPort(port as PortLike));
      });
    }
  }
}

await main();
