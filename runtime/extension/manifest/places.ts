// Where in a manifest's text a key stands, for messages. Only asked when something is wrong. Pure.
import { findNodeAtLocation, parseTree } from "jsonc-parser";
import { parseTOML } from "toml-eslint-parser";

interface TomlNode {
  type: string;
  loc: { start: { line: number } };
  body?: TomlNode[];
  resolvedKey?: (string | number)[];
  key?: TomlNode;
  keys?: TomlNode[];
  value?: TomlNode | string;
  name?: string;
  elements?: TomlNode[];
}

/** Gives the line (from 1) of a path such as `capabilities.network[0].to`; the nearest table around it where it is missing. */
export function createPlaces(text: string, isJson: boolean): (path: readonly (string | number)[]) => number | undefined {
  try {
    return isJson ? jsonPlaces(text) : tomlPlaces(text);
  } catch {
    // the stricter parser may refuse what the other takes: the first line that begins with the key will do
    const lines = text.split("\n");
    return (path) => {
      const at = lines.findIndex((line) =>
        line
          .trimStart()
          .replace(/^[["' ]+/, "")
          .startsWith(String(path.at(-1))),
      );
      return at < 0 ? undefined : at + 1;
    };
  }
}

/** `a.b[2]["c d"]` as its parts. */
export function pathParts(path: string): (string | number)[] {
  const parts: (string | number)[] = [];
  for (const [, name, index, quoted] of path.matchAll(/(?:^|\.)([A-Za-z0-9_-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g))
    parts.push(name ?? (index === undefined ? (JSON.parse(quoted as string) as string) : Number(index)));
  return parts;
}

function jsonPlaces(text: string): (path: readonly (string | number)[]) => number | undefined {
  const root = parseTree(text);
  return (path) => {
    for (let count = path.length; root && count >= 0; count--) {
      const found = findNodeAtLocation(root, path.slice(0, count));
      if (found) return text.slice(0, found.offset).split("\n").length;
    }
    return undefined;
  };
}

const keyOf = (path: readonly (string | number)[]): string => JSON.stringify(path);

function tomlPlaces(text: string): (path: readonly (string | number)[]) => number | undefined {
  const lines = new Map<string, number>();
  const see = (path: readonly (string | number)[], node: TomlNode): void => {
    for (let count = path.length; count > 0; count--) {
      const key = keyOf(path.slice(0, count));
      if (lines.has(key)) return;
      lines.set(key, node.loc.start.line);
    }
  };
  const value = (path: readonly (string | number)[], node: TomlNode): void => {
    if (node.type === "TOMLInlineTable") for (const pair of node.body ?? []) keyValue(path, pair);
    else if (node.type === "TOMLArray")
      for (const [i, element] of (node.elements ?? []).entries()) {
        see([...path, i], element);
        value([...path, i], element);
      }
  };
  const keyValue = (base: readonly (string | number)[], pair: TomlNode): void => {
    const path = [...base, ...(pair.key?.keys ?? []).map((one) => one.name ?? String(one.value))];
    see(path, pair);
    value(path, pair.value as TomlNode);
  };
  const program = parseTOML(text) as unknown as { body: [TomlNode] };
  for (const node of program.body[0].body ?? []) {
    if (node.type === "TOMLTable") {
      const path = node.resolvedKey ?? [];
      see(path, node);
      for (const pair of node.body ?? []) keyValue(path, pair);
    } else keyValue([], node);
  }
  return (path) => {
    for (let count = path.length; count > 0; count--) {
      const line = lines.get(keyOf(path.slice(0, count)));
      if (line !== undefined) return line;
    }
    return undefined;
  };
}
