// The far side of the bus's browser test, in a worker.
import type { PortLike } from "../runtime/transport/message-port.ts";
import { serveWorker } from "./browser-bus-entry.ts";

serveWorker(globalThis as unknown as PortLike);
