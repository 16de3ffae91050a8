// The far side of `links`, in a process of its own: a bare echo over a socket, a peer on the bus, and a client of NATS, which all answer
// alike.
import { createServer } from "node:net";
import process from "node:process";
import { createBus } from "../runtime/bus/bus.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { createPeers } from "../runtime/bus/peers.ts";
import { listenSocket } from "../runtime/transport/socket.ts";

const [folder = "", nats = ""] = process.argv.slice(2);

createServer((socket) => socket.on("data", (chunk) => void socket.write(chunk))).listen(`${folder}/bare.sock`);

const bus = createBus({ name: "far" });
const peers = createPeers({ bus, peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
await listenSocket(`${folder}/bus.sock`, (connection) => void peers.accept(connection));
let got = 0;
bus.serve("echo", (payload) => payload);
bus.serve("got", () => got);
bus.on("flow", () => void got++);

if (nats !== "") {
  const { connect } = await import("@nats-io/transport-node");
  const client = await connect({ servers: nats });
  let taken = 0;
  client.subscribe("echo", { callback: (_, message) => message.respond(message.data) });
  client.subscribe("got", { callback: (_, message) => message.respond(new TextEncoder().encode(String(taken))) });
  client.subscribe("flow", { callback: () => void taken++ });
  await client.flush();
}
process.stdout.write("ready\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
