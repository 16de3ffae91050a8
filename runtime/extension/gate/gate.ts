// The gate: hostile bytes in, a component that is safe to transpile and run out. One door, fail closed; runs in every
// runtime. Leaves out transpiling (prepare) and running (isolate).
import { SymphonyError } from "../../error.ts";
import { CONTRACTS } from "../../../wit/bindings/contracts.ts";
import { type Walked, walkComponent } from "./component.ts";
import type { Contracts, Entrance } from "./types.ts";

/** What a gated component may use. */
export interface GateLimits {
  /** Sum over all memories of the component. */
  memoryMiB: number;
}

/** A component that passed. */
export interface Gated {
  /** The component with renamed core names, capped memories and tables, and the meter. */
  bytes: Uint8Array;
  /** What it is, by the interface that it exports. */
  kind: Entrance;
  /** The interface's full name, and the function in it that a call enters. */
  entry: { interfaceName: string; functionName: string };
  /** The interfaces that it imports, in the order of the component. */
  imports: string[];
  modules: number;
  functions: number;
  /** The most memory that it can come to hold. */
  memoryPages: number;
}

export const COMPONENT_BYTES_MAX = 64 * 1024 * 1024;
/** Elements over all tables of a component; QuickJS guests use about 5 000. */
export const TABLE_ELEMENTS_MAX = 65_536;
/** Fuel for a start function and for instantiation; engines run those up to 250 times slower than a call. */
export const START_FUEL = 100_000_000n;

/** componentize-qjs adds this function to the root; nobody calls it. */
const QUICKJS_INIT = "init";
const QUICKJS_INIT_TYPE = "func(shim:string,script:string,entry-path:option(string),disable-gc:bool,->:result(_,string))";

/** Admits a component or throws a `gate/*` error that says what it refused and where. */
export function gate(bytes: Uint8Array, limits: GateLimits, contracts: Contracts = CONTRACTS): Gated {
  if (bytes.length > COMPONENT_BYTES_MAX)
    throw new SymphonyError("gate/limit", `Cannot admit the component: it has ${bytes.length} bytes, at most ${COMPONENT_BYTES_MAX} are allowed`);
  const walked = walkComponent(bytes, {
    memoryPages: Math.floor(limits.memoryMiB * 16),
    tableElements: TABLE_ELEMENTS_MAX,
    startFuel: START_FUEL,
  });
  const imports = checkImports(walked, contracts);
  const { kind, entry } = checkExports(walked, contracts);
  return { bytes: walked.bytes, kind, entry, imports, modules: walked.modules, functions: walked.functions, memoryPages: walked.memoryPages };
}

/** Versions 0.2.x of WASI only add functions, so each of them means the same. */
function withoutWasiVersion(name: string): string {
  return name.startsWith("wasi:") ? name.replace(/@0\.2\.\d{1,4}$/, "") : name;
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function checkImports(walked: Walked, contracts: Contracts): string[] {
  const seen: string[] = [];
  for (const { name, functions } of walked.imports) {
    // drafts are imported without a version too; the types say whether it is the one that we have
    const draft = name.includes("@") ? undefined : Object.keys(contracts.wasi).find((other) => other.startsWith(`${name}@`));
    const known = own(contracts.imports, name) ?? own(contracts.wasi, withoutWasiVersion(draft ?? name));
    if (!known) {
      const base = name.replace(/@.*$/, "");
      const ours = [...Object.keys(contracts.imports), ...Object.keys(contracts.wasi)].find((other) => other.replace(/@.*$/, "") === base);
      throw new SymphonyError(
        "gate/world",
        ours
          ? `Cannot admit the component: it imports ${name}, this Symphony has ${ours}${ours.startsWith("wasi:") && !ours.includes("@") ? "@0.2.x" : ""}; build it against that version`
          : `Cannot admit the component: it imports ${name}, which Symphony doesn't offer; docs/extensions.md and docs/wasi.md list what there is`,
      );
    }
    // the glue that calls it knows names without versions: two of one name would be one
    // versions of WASI that mean the same may well be one
    if (seen.some((other) => other === name || (!name.startsWith("wasi:") && other.replace(/@.*$/, "") === name.replace(/@.*$/, ""))))
      throw new SymphonyError("gate/world", `Cannot admit the component: it imports ${name.replace(/@.*$/, "")} twice`);
    for (const [inner, type] of functions)
      if (own(known, inner) !== type)
        throw new SymphonyError("gate/world", `Cannot admit the component: it imports ${name}.${inner} as ${type}, this Symphony has ${own(known, inner) ?? "no such function"}`);
    seen.push(name);
  }
  return seen.filter((name) => !name.startsWith("symphony:types/"));
}

/** The function of an entrance that a call enters. */
const ENTRY_FUNCTION: Readonly<Record<Entrance, string>> = { operator: "process", instrument: "invoke", command: "run", handler: "handle" };

function checkExports(walked: Walked, contracts: Contracts): { kind: Entrance; entry: Gated["entry"] } {
  const entries: { kind: Entrance; entry: Gated["entry"] }[] = [];
  for (const { name, functions } of walked.exports) {
    const known = own(contracts.exports, withoutWasiVersion(name));
    if (known) entries.push({ kind: known.kind, entry: { interfaceName: name, functionName: ENTRY_FUNCTION[known.kind] } });
    else if (name !== QUICKJS_INIT)
      throw new SymphonyError("gate/world", `Cannot admit the component: it exports ${name}; expected only ${Object.keys(contracts.exports).join(" or ")}`);
    const expected: Readonly<Record<string, string>> = known?.functions ?? { [QUICKJS_INIT]: QUICKJS_INIT_TYPE };
    for (const inner of new Set([...Object.keys(expected), ...functions.keys()]))
      if (own(expected, inner) === undefined || functions.get(inner) !== expected[inner])
        throw new SymphonyError(
          "gate/world",
          `Cannot admit the component: it exports ${name}.${inner} as ${functions.get(inner) ?? "nothing"}, this Symphony has ${own(expected, inner) ?? "no such function"}`,
        );
  }
  if (entries.length !== 1)
    throw new SymphonyError(
      "gate/world",
      `Cannot admit the component: it exports ${entries.length === 0 ? "nothing that a melody can call" : "more than one kind of step"}; expected one of ${Object.keys(contracts.exports).join(", ")}`,
    );
  return entries[0] as (typeof entries)[0];
}
