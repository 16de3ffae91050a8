// What the bus's browser test bundles: the same is done in the tab as on the other runtimes. As a worker it is the far side.
import { type Bus, createBus } from "../runtime/bus/bus.ts";
import { createRecords, decodeCbor } from "../runtime/bus/cbor/decode.ts";
import { createCompactEncoder, createPlainEncoder } from "../runtime/bus/cbor/encode.ts";
import { createLink } from "../runtime/bus/link.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { createPeers } from "../runtime/bus/peers.ts";
import type { Connection } from "../runtime/transport/connection.ts";
import { connectPort, type PortLike } from "../runtime/transport/message-port.ts";
import { connectRing, createRing, type Ring } from "../runtime/transport/ring.ts";
import { connectWebSocket } from "../runtime/transport/websocket.ts";
import { createRandom } from "./random.ts";
import { drawPayload } from "./payloads.ts";
import { checkRouting } from "./routing.ts";

const peerOf = (name: string) => ({ name, rights: ALL_RIGHTS });

function offer(bus: Bus): void {
  bus.serve(`${bus.name}.echo`, (payload) => payload);
  bus.serve(`${bus.name}.count`, async function* (upTo) {
    for (let n = 0; n < (upTo as number); n++) yield n;
  });
}

/** Answers over what the first message to this worker holds. */
export function serveWorker(scope: PortLike): void {
  scope.addEventListener("message", function begin({ data }) {
    const { port, ring } = data as { port: PortLike; ring: Ring };
    scope.removeEventListener("message", begin);
    for (const [name, connection] of [
      ["port", connectPort(port)],
      ["ring", connectRing(ring)],
    ] as const) {
      const bus = createBus({ name });
      offer(bus);
      void createLink({ bus, connection, side: "accept", peerOf });
    }
  });
}

async function talk(bus: Bus, name: string, open: () => Promise<Connection>): Promise<object> {
  const link = await createLink({ bus, connection: await open(), side: "connect", peerOf });
  for (let end = performance.now() + 5000; !bus.endpoints().some(({ pattern }) => pattern === `${name}.count`) && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 2));
  const large = new Uint8Array(3_000_000).map((_, i) => i % 253);
  const back = (await bus.request(`${name}.echo`, { large, text: "é😀" })) as { large: Uint8Array; text: string };
  const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => bus.request(`${name}.echo`, { n })));
  const counted: unknown[] = [];
  for await (const n of bus.requestStream(`${name}.count`, 300)) counted.push(n);
  return {
    encoding: link.encoding,
    same: back.text === "é😀" && back.large.length === large.length && back.large.every((byte, i) => byte === large[i]),
    inOrder: answers.every((answer, n) => (answer as { n: number }).n === n) && counted.every((n, i) => n === i) && counted.length === 300,
  };
}

/** `worker`: a script that calls serveWorker; `hub`: the address of a bus that offers the same as `hub`. */
export async function exerciseBus(worker: string | URL, hub: string): Promise<object> {
  const draw = createRandom(21);
  const payloads = Array.from({ length: 300 }, () => drawPayload(draw));
  const [plain, compact, records] = [createPlainEncoder(), createCompactEncoder(), createRecords()];
  const bytes = payloads.map((payload) => plain(payload));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes.flatMap((one) => [...one]))));
  const again = payloads.map((payload) => plain(decodeCbor(compact(payload), { records })));
  const bus = createBus({ name: "tab" });
  const far = new Worker(worker, { type: "module" });
  const { port1, port2 } = new MessageChannel();
  const { near, far: farRing } = createRing(64 * 1024);
  far.postMessage({ port: port2, ring: farRing }, [port2]);
  const peers = createPeers({ bus, peerOf, dial: connectWebSocket });
  const answer = {
    hash: [...hash].slice(0, 8),
    compactIsPlain: again.every((one, i) => one.join() === bytes[i]?.join()),
    routing: Array.from({ length: 50 }, (_, seed) => checkRouting(seed + 1)).flat(),
    port: await talk(bus, "port", async () => connectPort(port1 as unknown as PortLike)),
    ring: await talk(bus, "ring", async () => connectRing(near)),
    hub: await talk(bus, "hub", () => connectWebSocket(hub)),
  };
  await peers.close();
  far.terminate();
  return answer;
}
