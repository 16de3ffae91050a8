// What the isolate's process runs; bundled into one file so that the sandbox needs no other.
import { main } from "./main.ts";

await main();
