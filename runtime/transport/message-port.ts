// MessagePort and Worker. A port can't tell that its far side is gone: that is the link's heartbeat to find, or its owner's to say.
import { SymphonyError } from "../error.ts";
import type { Connection } from "./connection.ts";
import { createMessageConnection } from "./messages.ts";

/** What a MessagePort, a Worker and a worker's own scope have. */
export interface PortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void;
  removeEventListener(type: string, listener: (event: { data?: unknown }) => void): void;
  start?(): void;
  close?(): void;
}

export function connectPort(port: PortLike, name = "port"): Connection {
  const address = `port:${name}`;
  const onMessage = ({ data }: { data?: unknown }): void => {
    if (data instanceof Uint8Array) connection.onMessage(data);
    else if (data === CLOSED) connection.onClose();
  };
  const onClose = (): void => connection.onClose();
  const connection = createMessageConnection({
    address,
    post: (message) => port.postMessage(message, [message.buffer]),
    closeAll() {
      port.removeEventListener("message", onMessage);
      port.removeEventListener("close", onClose);
      try {
        port.postMessage(CLOSED, []);
      } catch (cause) {
        if (cause instanceof SymphonyError) throw cause;
      }
      port.close?.();
    },
  });
  port.addEventListener("message", onMessage);
  port.addEventListener("close", onClose);
  port.start?.();
  return connection;
}

/** Said where the port can't say it. */
const CLOSED = "closed";
