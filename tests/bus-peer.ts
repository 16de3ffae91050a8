// A peer on the bus in a process of its own: connects to the socket, answers, publishes, and does what its arguments say to be a bad one.
import process from "node:process";
import { createBus } from "../runtime/bus/bus.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { createPeers } from "../runtime/bus/peers.ts";
import { connectSocket } from "../runtime/transport/socket.ts";

const [path = "", name = "child", token = "", what = ""] = process.argv.slice(2);
const bus = createBus({ name });
const peers = createPeers({
  bus,
  heartbeatMs: 100,
  dial: (address) => connectSocket(address.replace(/^unix:/, "")),
  peerOf: (far) => ({ name: far, rights: ALL_RIGHTS, ...(token === "" ? {} : { token: new TextEncoder().encode(token) }) }),
});
bus.serve(`${name}.echo`, (payload) => payload);
bus.serve(`${name}.pid`, () => process.pid);
bus.serve(`${name}.never`, () => new Promise(() => {}));
bus.serve(`${name}.count`, async function* (upTo) {
  for (let n = 0; n < (upTo as number); n++) yield n;
});
bus.serve(`${name}.hang`, (ms) => {
  // the whole process, as a loop without end does
  const until = performance.now() + (ms as number);
  while (performance.now() < until);
  return "back";
});
bus.serve(`${name}.publish`, async (payload) => {
  const { subject, count } = payload as { subject: string; count: number };
  for (let n = 0; n < count; n++) await bus.publish(subject, n);
});
const kept = peers.keep(`unix:${path}`, { attempts: 50, baseMs: 10, maxMs: 100 });
if (what === "once") void kept.ready().then(() => process.stdout.write("linked\n"));
const end = await kept.done;
process.exit(end ? 1 : 0);
