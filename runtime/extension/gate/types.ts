// Component types as plain text: what a function takes and gives, so that two can be compared. Equal types are
// kept once, so a type that doubles at each step costs one line a step; only what is asked for is spelled out.
import { SymphonyError } from "../../error.ts";

/** One kind of type with its labels; children are indices into the same table. */
export interface Shape {
  head: string;
  labels: readonly string[];
  /** Index of a type for each label (or position), NONE or UNKNOWN. */
  children: readonly number[];
}

/** No type stands there, as in a result without a value. */
export const NONE = -1;
/** A type stands there that the walk doesn't know; it spells as nothing that a contract has. */
export const UNKNOWN = -2;

const SPELL_MAX = 16_384;

/** Types of one component, each kept once. */
export class Shapes {
  readonly #index = new Map<string, number>();
  readonly #shapes: Shape[] = [];
  readonly #spelled = new Map<number, string>();

  add(head: string, labels: readonly string[] = [], children: readonly number[] = []): number {
    const key = `${head}(${labels.join(",")})(${children.join(",")})`;
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    this.#index.set(key, this.#shapes.length);
    return this.#shapes.push({ head, labels, children }) - 1;
  }

  head(index: number): string | undefined {
    return this.#shapes[index]?.head;
  }

  /** The type in words, for example `func(text:string)->u32`. Children were added first, so this ends. */
  spell(index: number): string {
    const known = this.#spelled.get(index);
    if (known !== undefined) return known;
    const shape = this.#shapes[index];
    if (!shape) return "?";
    // bottom up and without recursion: a type only refers to earlier ones
    const needed = new Set<number>([index]);
    for (const at of needed) for (const child of this.#shapes[at]?.children ?? []) if (child >= 0) needed.add(child);
    for (const at of [...needed].sort((a, b) => a - b)) {
      if (this.#spelled.has(at)) continue;
      const { head, labels, children } = this.#shapes[at] as Shape;
      const parts = children.map((child, i) => {
        const type = child === NONE ? "_" : child < 0 ? "?" : (this.#spelled.get(child) as string);
        return labels[i] === undefined ? type : `${labels[i]}:${type}`;
      });
      for (let i = children.length; i < labels.length; i++) parts.push(labels[i] as string);
      const text = parts.length ? `${head}(${parts.join(",")})` : head;
      if (text.length > SPELL_MAX) throw new SymphonyError("gate/world", "Cannot admit the component: a type is far larger than any of Symphony's");
      this.#spelled.set(at, text);
    }
    return this.#spelled.get(index) as string;
  }
}

/** How a component is entered: by our own two worlds, or as a command or an HTTP handler of WASI. */
export type Entrance = "operator" | "instrument" | "command" | "handler";

/** The interfaces that a component may import and export, with the types of their functions. */
export interface Contracts {
  imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By names without a version 0.2.x, which all mean the same. */
  wasi: Readonly<Record<string, Readonly<Record<string, string>>>>;
  exports: Readonly<Record<string, { kind: Entrance; functions: Readonly<Record<string, string>> }>>;
}
