// What the browser test bundles: runtime and Pit with the tab's platform, as the in-tab runtime will.
import { createArtifactStore, createDagTracker, createSlot } from "../pit/mod.ts";
import { createEventLog, gate, planMelody, readMelody, SymphonyError, valueToJson } from "../runtime/mod.ts";
import { createBrowserPlatform } from "../runtime/platform/browser.ts";

/** Gate, plan, run and store; the answer is compared with what the other runtimes give. */
export async function exercise(component: Uint8Array, melody: string): Promise<object> {
  const platform = createBrowserPlatform();
  const store = createSlot(createArtifactStore({ platform, storage: platform.storage("artifacts") })).part;
  const gated = gate(component, { memoryMiB: 128 });
  const stored = await store.put(gated.bytes, "application/wasm");
  let refused = "";
  try {
    gate(component.subarray(0, component.length - 7), { memoryMiB: 128 });
  } catch (cause) {
    refused = cause instanceof SymphonyError ? cause.code : String(cause);
  }
  const read = readMelody(melody);
  if (!read.melody) return { faults: read.faults };
  const { plan, faults } = planMelody(read.melody, { get: () => undefined, ids: () => [] });
  const events: string[] = [];
  const log = createEventLog({ write: (batch) => void events.push(...batch.map((event) => `${event.n} ${event.event}${"node" in event ? ` ${event.node}` : ""}`)) });
  const tracker = createDagTracker({ confinement: "tab", invoke: () => new Map(), ask: async () => ({ approved: true, reason: "" }) });
  const result = await tracker.start(
    plan,
    new Map([
      [
        "list",
        {
          tag: "items",
          val: [
            { tag: "number", val: 1 },
            { tag: "number", val: 20 },
          ],
        },
      ],
    ]),
    { log, run: "tab" },
  ).ended;
  return {
    gated: { id: stored.id, size: stored.size, kind: gated.kind, imports: gated.imports },
    same: (await store.get(stored.id)).length === gated.bytes.length,
    refused,
    faults,
    order: [...plan.order],
    events,
    state: result.state,
    outputs: Object.fromEntries([...result.outputs].map(([name, value]) => [name, valueToJson(value)])),
  };
}
