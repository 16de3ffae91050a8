// The gate: hostile bytes in, a component that is safe to transpile and run out. One door, fail closed; runs in every
// runtime. Leaves out transpiling (prepare) and running (isolate).
import { SymphonyError } from "../../error.ts";
import { CONTRACTS } from "../../../wit/bindings/contracts.ts";
import { type Walked, walkComponent } from "./component.ts";
import type { Contracts } from "./types.ts";

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
  kind: "operator" | "instrument";
  /** The interfaces of symphony:host that it imports, in the order of the component. */
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
  const kind = checkExports(walked, contracts);
  return { bytes: walked.bytes, kind, imports, modules: walked.modules, functions: walked.functions, memoryPages: walked.memoryPages };
}

function checkImports(walked: Walked, contracts: Contracts): string[] {
  const seen: string[] = [];
  for (const { name, functions } of walked.imports) {
    const known = contracts.imports[name];
    if (!known || !Object.hasOwn(contracts.imports, name)) {
      const base = name.replace(/@.*$/, "");
      const ours = Object.keys(contracts.imports).find((other) => other.startsWith(`${base}@`));
      throw new SymphonyError(
        "gate/world",
        ours
          ? `Cannot admit the component: it imports ${name}, this Symphony has ${ours}; build it against that version`
          : `Cannot admit the component: it imports ${name}, which Symphony doesn't offer; build it for the world symphony:operator/operator or symphony:instrument/instrument`,
      );
    }
    if (seen.includes(name)) throw new SymphonyError("gate/world", `Cannot admit the component: it imports ${name} twice`);
    for (const [inner, type] of functions)
      if (known[inner] !== type)
        throw new SymphonyError("gate/world", `Cannot admit the component: it imports ${name}.${inner} as ${type}, this Symphony has ${known[inner] ?? "no such function"}`);
    seen.push(name);
  }
  return seen.filter((name) => !name.startsWith("symphony:types/"));
}

function checkExports(walked: Walked, contracts: Contracts): "operator" | "instrument" {
  const kinds: ("operator" | "instrument")[] = [];
  for (const { name, functions } of walked.exports) {
    const known = Object.hasOwn(contracts.exports, name) ? contracts.exports[name] : undefined;
    if (known) kinds.push(known.kind);
    else if (name !== QUICKJS_INIT)
      throw new SymphonyError("gate/world", `Cannot admit the component: it exports ${name}; expected only ${Object.keys(contracts.exports).join(" or ")}`);
    const expected: Readonly<Record<string, string>> = known?.functions ?? { [QUICKJS_INIT]: QUICKJS_INIT_TYPE };
    for (const inner of new Set([...Object.keys(expected), ...functions.keys()]))
      if (!Object.hasOwn(expected, inner) || functions.get(inner) !== expected[inner])
        throw new SymphonyError(
          "gate/world",
          `Cannot admit the component: it exports ${name}.${inner} as ${functions.get(inner) ?? "nothing"}, this Symphony has ${Object.hasOwn(expected, inner) ? expected[inner] : "no such function"}`,
        );
  }
  if (kinds.length !== 1)
    throw new SymphonyError(
      "gate/world",
      `Cannot admit the component: it exports ${kinds.length === 0 ? "nothing that a melody can call" : "more than one kind of step"}; expected one of ${Object.keys(contracts.exports).join(", ")}`,
    );
  return kinds[0] as "operator" | "instrument";
}
