// A set of rights that answers in one walk whether it holds what is about to be done. Pure.
import { ALL, ONE, type Right, type RightType, SOME } from "./right.ts";

interface Node {
  literal: Map<string, Node> | undefined;
  one: Node | undefined;
  /** A right that ends here, one that takes all that remains (none too), and one that takes at least one more name. */
  end: number;
  all: number;
  some: number;
}

export interface RightSet {
  readonly rights: readonly Right[];
  /** Which right of the set holds this, or -1. `names` are plain: the scope, then the object's. */
  find(type: RightType, names: readonly string[]): number;
}

function createNode(): Node {
  return { literal: undefined, one: undefined, end: -1, all: -1, some: -1 };
}

/** Makes a set; of equal rights the first counts. */
export function createRightSet(rights: readonly Right[]): RightSet {
  const roots = new Map<RightType, Node>();
  for (const [index, { type, names }] of rights.entries()) {
    let node = roots.get(type);
    if (!node) {
      node = createNode();
      roots.set(type, node);
    }
    let isOpen = true;
    for (const name of names) {
      if (name === ALL || name === SOME) {
        const kind = name === ALL ? "all" : "some";
        if (node[kind] < 0) node[kind] = index;
        isOpen = false;
        break;
      }
      let next: Node | undefined;
      if (name === ONE) next = node.one ??= createNode();
      else {
        node.literal ??= new Map();
        next = node.literal.get(name);
        if (!next) {
          next = createNode();
          node.literal.set(name, next);
        }
      }
      node = next;
    }
    if (isOpen && node.end < 0) node.end = index;
  }
  return {
    rights,
    find(type, names) {
      const root = roots.get(type);
      return root ? walk(root, names, 0) : -1;
    },
  };
}

/** Each node of the tree is reached by one way alone, so this looks at no more nodes than the set has names. */
function walk(node: Node, names: readonly string[], at: number): number {
  for (let here = node, i = at; ; i++) {
    if (here.all >= 0) return here.all;
    if (i === names.length) return here.end;
    if (here.some >= 0) return here.some;
    const literal = here.literal?.get(names[i] as string);
    if (literal && here.one) {
      const found = walk(literal, names, i + 1);
      if (found >= 0) return found;
    }
    const next = literal && !here.one ? literal : here.one;
    if (!next) return -1;
    here = next;
  }
}
