// Runs the benches that are named, or all of them, and prints what they found: `bench.ts [NAME...]`. Each name is a file
// here that says its question; its code is imported when it is its turn.
import process from "node:process";

const BENCHES: Record<string, () => Promise<{ bench(): Promise<void> }>> = {
  call: () => import("./call.ts"),
  meter: () => import("./meter.ts"),
  load: () => import("./load.ts"),
  validate: () => import("./validate.ts"),
  tracker: () => import("./tracker.ts"),
  durable: () => import("./durable.ts"),
  workflows: () => import("./workflows.ts"),
  size: () => import("./size.ts"),
  control: () => import("./control.ts"),
  step: () => import("./step.ts"),
  launch: () => import("./launch.ts"),
  permissions: () => import("./permissions.ts"),
  bus: () => import("./bus.ts"),
  codec: () => import("./codec.ts"),
  links: () => import("./links.ts"),
};

/** Run only when they are named: they take minutes, and bring what takes hundreds of megabytes. */
const LONG = ["workflows", "size"];

const named = process.argv.slice(2);
const unknown = named.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
const begun = performance.now();
for (const [name, load] of Object.entries(BENCHES)) if (named.length === 0 ? !LONG.includes(name) : named.includes(name)) await (await load()).bench();
console.log(`\n${((performance.now() - begun) / 1000).toFixed(0)} s`);
process.exit(0);
