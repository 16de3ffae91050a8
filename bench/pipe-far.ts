// The far side of the pipe's bench: echoes bytes as they come, or answers on the bus, over standard input and output.
import process from "node:process";
import { createBus } from "../runtime/bus/bus.ts";
import { createLink } from "../runtime/bus/link.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { connectParent } from "../runtime/transport/stdio.ts";

if (process.argv[2] === "bare") process.stdin.on("data", (chunk) => void process.stdout.write(chunk));
else {
  const bus = createBus({ name: "child" });
  bus.serve("echo", (payload) => payload);
  const link = await createLink({ bus, connection: connectParent(), side: "accept", peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  await link.closed;
  process.exit(0);
}
