// WebSocket: the client's end anywhere, and the server's end where a socket of the standard kind is at hand.
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection } from "./connection.ts";
import { createMessageConnection } from "./messages.ts";

const CONNECT_MS = 5000;

/** Rejects with `bus/peer` where it can't be reached. */
export function connectWebSocket(url: string | URL): Promise<Connection> {
  const address = String(url);
  return new Promise((resolve, reject) => {
    let socket: WebSocket;
    try {
      socket = new WebSocket(url);
    } catch (cause) {
      return reject(new SymphonyError("bus/invalid", `Cannot use the address ${JSON.stringify(address)}: expected ws:// or wss://`, { cause }));
    }
    socket.binaryType = "arraybuffer";
    const give = (what: string): void => {
      clearTimeout(timer);
      socket.close();
      reject(brokenError(address, what));
    };
    const timer = setTimeout(() => give(`nobody answered within ${CONNECT_MS} ms`), CONNECT_MS);
    socket.onerror = () => give("it can't be reached");
    socket.onclose = () => give("it was closed before it was open");
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(overWebSocket(socket, address));
    };
  });
}

/** One that is open, of either side. */
export function overWebSocket(socket: WebSocket, address: string): Connection {
  const connection = createMessageConnection({
    address,
    post(message) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error("it is closed");
      socket.send(message);
    },
    closeAll: () => socket.close(),
  });
  socket.onmessage = ({ data }) => connection.onMessage(data instanceof ArrayBuffer ? new Uint8Array(data) : NOTHING);
  socket.onerror = () => connection.onClose("an error of the protocol");
  socket.onclose = () => connection.onClose();
  return connection;
}

/** Texts are no frames: refused as an empty message. */
const NOTHING = new Uint8Array(0);
