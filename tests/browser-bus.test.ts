// The bus in a browser: encodings, routing, and links over a MessagePort, a ring of shared memory and a WebSocket, as on the other runtimes.
import { join } from "node:path";
import { expect, test } from "bun:test";
import { createBus } from "../runtime/bus/bus.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { createPeers } from "../runtime/bus/peers.ts";
import { listenWebSocket } from "../runtime/transport/websocket-server.ts";
import { exerciseBus } from "./browser-bus-entry.ts";
import { bundleFor, chromium, inChromium } from "./chromium.ts";
import { root } from "./platform.ts";

const onDeno = "Deno" in globalThis;

/** A hub for pages, and its address; any origin's, for a test's page has a port of its own. */
async function hub(): Promise<{ address: string; close: () => Promise<void> }> {
  const bus = createBus({ name: "hub" });
  bus.serve("hub.echo", (payload) => payload);
  bus.serve("hub.count", async function* (upTo) {
    for (let n = 0; n < (upTo as number); n++) yield n;
  });
  const peers = createPeers({ bus, peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  const listener = await listenWebSocket({ origins: { includes: () => true } as unknown as string[] }, (connection) => void peers.accept(connection));
  return {
    address: listener.address,
    async close() {
      await peers.close();
      await listener.close();
    },
  };
}

const link = { encoding: "compact", same: true, inOrder: true };

test("here, with a worker", async () => {
  const { address, close } = await hub();
  expect(await exerciseBus(new URL("./browser-bus-worker.ts", import.meta.url), address)).toMatchObject({ compactIsPlain: true, routing: [], port: link, ring: link, hub: link });
  await close();
}, 30_000);

test.skipIf(onDeno || !chromium)(
  "in Chromium, with the same bytes",
  async () => {
    const { address, close } = await hub();
    const answer = await inChromium({
      script: await bundleFor(join(root, "tests/browser-bus-entry.ts")),
      body: `answer = await exerciseBus("/worker.js", ${JSON.stringify(address)});`,
      files: { "/worker.js": await bundleFor(join(root, "tests/browser-bus-worker.ts")) },
    });
    expect(answer).toEqual(JSON.parse(JSON.stringify(await exerciseBus(new URL("./browser-bus-worker.ts", import.meta.url), address))));
    await close();
  },
  60_000,
);
