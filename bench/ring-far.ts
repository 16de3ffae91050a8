// The far side of the ring's bench, in a worker: gives back what comes, over a ring, a port and Comlink.
import { connectPort, type PortLike } from "../runtime/transport/message-port.ts";
import { connectRing, type Ring } from "../runtime/transport/ring.ts";

const scope = globalThis as unknown as PortLike;
scope.addEventListener("message", async function begin({ data }) {
  const { ring, port, bare, linked } = data as { ring: Ring; port: PortLike; bare: MessagePort; linked: MessagePort };
  scope.removeEventListener("message", begin);
  const overRing = connectRing(ring, { lookMicros: 200 });
  overRing.receive((frame) => overRing.send([frame]));
  const overPort = connectPort(port);
  overPort.receive((frame) => overPort.send([frame]));
  bare.onmessage = ({ data: message }) => bare.postMessage(message);
  const { expose } = await import("comlink");
  expose({ echo: (message: unknown) => message }, linked);
  scope.postMessage("ready", []);
});
