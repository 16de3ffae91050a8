// What the preparing process runs.
import { main } from "./main.ts";

await main();
