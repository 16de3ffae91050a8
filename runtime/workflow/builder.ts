// A melody in TypeScript, checked while it is written: names of ports and settings and the types at both ends of an edge are the
// compiler's to check, for extensions whose shapes it knows. Pure; what the compiler can't see, `readMelody` and the plan check.
import type { ItemType } from "../value.ts";
import type { FailureRule, MelodyBody, MelodyEdge, MelodyFile, MelodyNode, RetryRule } from "./melody.ts";

/** How a port's type is written. */
export type TypeName = ItemType | `list<${Exclude<ItemType, "folder">}>`;

/** What is known of an extension: types by port and by setting. `symphony ext shapes` writes it from manifests. */
export interface ExtensionShape {
  readonly kind: "operator" | "instrument";
  /** Ports that must be fed. */
  readonly inputs: Readonly<Record<string, TypeName>>;
  /** Ports that need not be. */
  readonly options: Readonly<Record<string, TypeName>>;
  readonly outputs: Readonly<Record<string, TypeName>>;
  /** The only values that one takes, or its type. */
  readonly settings: Readonly<Record<string, TypeName | readonly (string | number)[]>>;
}
export type Shapes = Readonly<Record<string, ExtensionShape>>;

/** Where a value comes from, and its type. */
export interface Port<out T extends TypeName> {
  readonly from: string;
  readonly type: T;
  /** The same, along an edge that only leads on where the condition (CEL over `value`) holds. */
  when(condition: string): Port<T>;
}

/** Types of what a port of type T takes: the rules of `typesFit`. */
type Fitting<T extends TypeName> = T extends "folder"
  ? "folder"
  : T extends `list<${infer Item}>`
    ? Item extends "any"
      ? Extract<TypeName, `list<${string}>`>
      : Item extends "content"
        ? "list<content>" | "list<bytes>" | "list<artifact>" | "list<any>"
        : T | "list<any>"
    : T extends "any"
      ? Exclude<TypeName, `list<${string}>`>
      : T extends "content"
        ? "content" | "bytes" | "artifact" | "any"
        : T | "any";

type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
/** What a melody may write itself for a type. */
type Constant<T extends string> = T extends `list<${infer Item}>`
  ? readonly Constant<Item>[]
  : T extends "text"
    ? string
    : T extends "number"
      ? number
      : T extends "boolean"
        ? boolean
        : T extends "json" | "any"
          ? JsonValue
          : T extends "bytes" | "content"
            ? { readonly mediaType: string; readonly base64: string }
            : never;

/** A port of another node, or a value that is written down. */
export type Source<T extends TypeName> = Port<Fitting<T>> | Constant<T>;
type Sources<Ports extends Readonly<Record<string, TypeName>>> = { readonly [Name in keyof Ports]: Source<Ports[Name]> };
/** A type that knows no name at all. */
type AnyPort = Port<TypeName>;
type ItemOf<T extends TypeName> = T extends `list<${infer Item}>` ? Extract<Item, TypeName> : never;
type ListOf<T extends TypeName> = T extends Exclude<ItemType, "folder"> ? `list<${T}>` : "list<any>";
type TypeOf<P> = P extends Port<infer T> ? T : never;

export interface Node<Outputs extends Readonly<Record<string, TypeName>>> {
  readonly id: string;
  out<Name extends keyof Outputs & string>(name: Name): Port<Outputs[Name]>;
}
type AnyNode = { readonly id: string };

interface Common {
  title?: string;
  description?: string;
  timeoutMs?: number;
  /** `fallback` runs in its place, with the same inputs. */
  onFailure?: FailureRule | { readonly fallback: AnyNode };
  /** Nodes that must have ended before. */
  after?: readonly AnyNode[];
}
interface StepCommon extends Common {
  retry?: RetryRule;
}
type Setting<T> = T extends readonly (infer One)[] ? One : T extends TypeName ? Constant<T> : never;
type StepOptions<Shape extends ExtensionShape> = StepCommon & {
  settings?: { readonly [Name in keyof Shape["settings"]]?: Setting<Shape["settings"][Name]> };
} & (keyof Shape["inputs"] extends never ? { inputs?: Partial<Sources<Shape["options"]>> } : { inputs: Sources<Shape["inputs"]> & Partial<Sources<Shape["options"]>> });

type IdsOf<S extends Shapes, Kind extends ExtensionShape["kind"]> = { [Id in keyof S]: S[Id]["kind"] extends Kind ? Id : never }[keyof S] & string;

/** One level: a melody, or the body of a map or sub-melody. Nodes keep the order in which they are made. */
export interface Level<S extends Shapes> {
  operator<Id extends IdsOf<S, "operator">>(id: string, uses: Id, options: StepOptions<S[Id]>): Node<S[Id]["outputs"]>;
  instrument<Id extends IdsOf<S, "instrument">>(id: string, uses: Id, options: StepOptions<S[Id]>): Node<S[Id]["outputs"]>;
  /** An extension whose shape isn't known here: nothing of it is checked before the melody is read. */
  step(
    id: string,
    kind: ExtensionShape["kind"],
    uses: string,
    options?: StepCommon & { settings?: Readonly<Record<string, unknown>>; inputs?: Readonly<Record<string, AnyPort | JsonValue>> },
  ): Node<Record<string, "any">>;
  /** The first case that holds leads on, else `otherwise`. Conditions are CEL over `value`. */
  branch<T extends TypeName, Case extends string>(id: string, value: Port<T>, cases: Readonly<Record<Case, string>>, options?: Common): Node<Record<Case | "otherwise", T>>;
  merge<T extends TypeName>(id: string, mode: "first", inputs: Readonly<Record<string, Port<T>>>, options?: Common): Node<{ value: T }>;
  merge<T extends TypeName>(id: string, mode: "list", inputs: Readonly<Record<string, Port<T>>>, options?: Common): Node<{ value: T extends `list<${string}>` ? T : ListOf<T> }>;
  merge(id: string, mode: "object", inputs: Readonly<Record<string, AnyPort>>, options?: Common): Node<{ value: "json" }>;
  delay<T extends TypeName>(id: string, value: Port<T>, delayMs: number, options?: Common): Node<{ value: T }>;
  approve<T extends TypeName>(id: string, value: Port<T>, prompt: string, options?: Common): Node<{ value: T }>;
  /** Runs a body for each item; what it returns, single values, comes as lists. `inputs` are the same for all items. */
  map<T extends Extract<TypeName, `list<${string}>`>, Given extends Readonly<Record<string, AnyPort>>, Returned extends Readonly<Record<string, Port<ItemType>>>>(
    id: string,
    items: Port<T>,
    options: Common & { concurrency?: number; onItemFailure?: "fail" | "skip"; inputs?: Given },
    body: (item: Port<ItemOf<T>>, inputs: { readonly [Name in keyof Given]: Port<TypeOf<Given[Name]>> }, level: Level<S>) => Returned,
  ): Node<{ [Name in keyof Returned]: ListOf<TypeOf<Returned[Name]>> } & Readonly<Record<never, never>>>;
  /** A body of its own. */
  group<Given extends Readonly<Record<string, AnyPort>>, Returned extends Readonly<Record<string, AnyPort>>>(
    id: string,
    options: Common & { inputs: Given },
    body: (inputs: { readonly [Name in keyof Given]: Port<TypeOf<Given[Name]>> }, level: Level<S>) => Returned,
  ): Node<{ [Name in keyof Returned]: TypeOf<Returned[Name]> }>;
}

type InputOptions<T extends TypeName> = { description?: string; default?: T extends "folder" ? string : Constant<T>; required?: boolean };

export interface MelodyBuilder<S extends Shapes> extends Level<S> {
  input<T extends TypeName>(name: string, type: T, options?: InputOptions<T>): Port<T>;
  output(name: string, from: AnyPort, options?: { description?: string; optional?: boolean }): MelodyBuilder<S>;
  build(): MelodyFile;
}

export type MelodyOptions = Pick<MelodyFile, "name" | "version" | "description" | "metadata" | "onFailure" | "timeoutMs">;

/** Begins a melody over extensions of these shapes. */
export function createMelody<const S extends Shapes>(id: string, shapes: S, options: MelodyOptions = {}): MelodyBuilder<S> {
  const inputs: NonNullable<MelodyFile["inputs"]> = {};
  const { level, outputs, body } = createLevel(shapes);
  const builder: MelodyBuilder<S> = {
    ...level,
    input(name, type, given = {}) {
      if (Object.hasOwn(inputs, name)) throw new RangeError(`the melody has an input ${JSON.stringify(name)} already`);
      inputs[name] = { type, ...given };
      return portOf(level, `inputs.${name}`, type);
    },
    output(name, from, given = {}) {
      outputs(name, from, given);
      return builder;
    },
    build: () => ({ symphony: 1, id, ...options, ...(Object.keys(inputs).length > 0 ? { inputs } : {}), ...body() }),
  };
  return builder;
}

/** Of each port: the level that it belongs to, and the condition on it. */
const origins = new WeakMap<object, { level: object; when: string | undefined }>();

function portOf<T extends TypeName>(level: object, from: string, type: T, when?: string): Port<T> {
  const port: Port<T> = {
    from,
    type,
    when: (condition) => portOf(level, from, type, when === undefined ? condition : `(${when}) && (${condition})`),
  };
  origins.set(port, { level, when });
  return port;
}

/** What a merge gives, by the rules of the plan. */
function mergedType(mode: string, types: readonly TypeName[]): TypeName {
  if (mode === "object") return "json";
  const item = (type: TypeName): string => /^list<(.*)>$/.exec(type)?.[1] ?? type;
  const items = new Set(types.map(item));
  const one = items.size === 1 ? ([...items][0] as string) : "any";
  return (mode === "list" || types.some((type) => type.startsWith("list<")) ? `list<${one}>` : one) as TypeName;
}

const isPort = (source: unknown): source is AnyPort => typeof source === "object" && source !== null && "from" in source && "when" in source && typeof source.when === "function";

interface LevelMade<S extends Shapes> {
  level: Level<S>;
  outputs(name: string, from: AnyPort, options: { description?: string; optional?: boolean }): void;
  body(): Pick<MelodyBody, "nodes" | "edges" | "outputs">;
}

function createLevel<S extends Shapes>(shapes: S): LevelMade<S> {
  const nodes: MelodyNode[] = [];
  const edges: MelodyEdge[] = [];
  const declared: NonNullable<MelodyBody["outputs"]> = {};

  const connect = (port: AnyPort, to: string): void => {
    const { level: of, when } = origins.get(port) ?? {};
    // inside a body the same text would name another port
    if (of !== level) throw new TypeError(`${port.from} belongs to another level than ${to}: give it to the body as one of its inputs`);
    edges.push({ from: port.from, to, ...(when === undefined ? {} : { when }) });
  };

  /** Adds a node with what all nodes have, its edges and its constants. */
  function add(
    id: string,
    own: object,
    sources: Readonly<Record<string, unknown>>,
    { after = [], onFailure, ...common }: Common,
    typeOf: (name: string) => TypeName,
  ): Node<Record<string, TypeName>> {
    const constants: Record<string, unknown> = {};
    for (const [name, source] of Object.entries(sources))
      if (isPort(source)) connect(source, `${id}.${name}`);
      else if (source !== undefined) constants[name] = source;
    for (const before of after) edges.push({ from: before.id, to: id });
    const failure = typeof onFailure === "object" && typeof onFailure.fallback === "object" ? { fallback: onFailure.fallback.id } : onFailure;
    nodes.push({
      id,
      ...own,
      ...common,
      ...(failure === undefined ? {} : { onFailure: failure }),
      ...(Object.keys(constants).length > 0 ? { inputs: constants } : {}),
    } as MelodyNode);
    return { id, out: (name) => portOf(level, `${id}.${name}`, typeOf(name)) };
  }

  /** What an extension gives whose shape isn't known is `any`. */
  const step = (id: string, kind: string, uses: string, { inputs = {}, ...more }: StepCommon & { inputs?: object } = {}): Node<never> =>
    add(id, { kind, uses }, inputs as Record<string, unknown>, more, (name) => shapes[uses]?.outputs[name] ?? "any") as Node<never>;

  function bodyOf(
    given: Readonly<Record<string, AnyPort>>,
    more: Readonly<Record<string, TypeName>>,
    make: (ports: Record<string, AnyPort>, level: Level<S>) => Readonly<Record<string, AnyPort>>,
  ) {
    const inner = createLevel(shapes);
    const types = { ...Object.fromEntries(Object.entries(given).map(([name, { type }]) => [name, type])), ...more };
    const ports = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, portOf(inner.level, `inputs.${name}`, type)]));
    const returned = make(ports, inner.level);
    for (const [name, port] of Object.entries(returned)) inner.outputs(name, port, {});
    const inputs = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type }]));
    return { body: { inputs, ...inner.body() }, returned };
  }

  const level = {
    operator: (id: string, uses: string, options: object) => step(id, "operator", uses, options),
    instrument: (id: string, uses: string, options: object) => step(id, "instrument", uses, options),
    step: (id: string, kind: string, uses: string, options?: object) => step(id, kind, uses, options),
    branch: (id: string, value: AnyPort, cases: Readonly<Record<string, string>>, options: Common = {}) => {
      // the first that holds counts, and JavaScript puts such keys first
      const moved = Object.keys(cases).find((name) => /^(0|[1-9]\d*)$/.test(name));
      if (moved !== undefined) throw new RangeError(`a case can't be called ${moved} here: keys that are whole numbers lose their place; give it a name`);
      return add(id, { kind: "control", control: "branch", cases: Object.entries(cases).map(([name, when]) => ({ name, when })) }, { value }, options, () => value.type);
    },
    merge: (id: string, mode: string, inputs: Readonly<Record<string, AnyPort>>, options: Common = {}) => {
      const type = mergedType(
        mode,
        Object.values(inputs).map((port) => port.type),
      );
      return add(id, { kind: "control", control: "merge", mode }, inputs, options, () => type);
    },
    delay: (id: string, value: AnyPort, delayMs: number, options: Common = {}) => add(id, { kind: "control", control: "delay", delayMs }, { value }, options, () => value.type),
    approve: (id: string, value: AnyPort, prompt: string, options: Common = {}) => add(id, { kind: "control", control: "approve", prompt }, { value }, options, () => value.type),
    map(
      id: string,
      items: AnyPort,
      { inputs = {}, concurrency, onItemFailure, ...options }: Common & { concurrency?: number; onItemFailure?: string; inputs?: Record<string, AnyPort> },
      make: (item: AnyPort, inputs: Record<string, AnyPort>, level: Level<S>) => Readonly<Record<string, AnyPort>>,
    ) {
      const item = items.type.slice("list<".length, -1) as TypeName;
      const { body, returned } = bodyOf(inputs, { item }, (ports, inner) => make(ports["item"] as AnyPort, ports, inner));
      const own = { kind: "control", control: "map", ...(concurrency === undefined ? {} : { concurrency }), ...(onItemFailure === undefined ? {} : { onItemFailure }), body };
      return add(id, own, { items, ...inputs }, options, (name) => `list<${returned[name]?.type ?? "any"}>` as TypeName);
    },
    group(
      id: string,
      { inputs, ...options }: Common & { inputs: Record<string, AnyPort> },
      make: (inputs: Record<string, AnyPort>, level: Level<S>) => Readonly<Record<string, AnyPort>>,
    ) {
      const { body, returned } = bodyOf(inputs, {}, make);
      return add(id, { kind: "control", control: "melody", body }, inputs, options, (name) => returned[name]?.type ?? "any");
    },
  } as unknown as Level<S>;

  return {
    level,
    outputs(name, from, options) {
      if (Object.hasOwn(declared, name)) throw new RangeError(`there is an output ${JSON.stringify(name)} already`);
      declared[name] = { type: from.type, ...options };
      connect(from, `outputs.${name}`);
    },
    body: () => ({ ...(Object.keys(declared).length > 0 ? { outputs: declared } : {}), nodes, edges }),
  };
}
