// The WIT packages as the tools want them: one text with a world in it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "../runtime/extension/manifest/manifest.ts";
import type { RightType } from "../runtime/extension/permission/right.ts";

const PACKAGES = ["types", "host", "operator", "instrument"] as const;

/** All packages of wit/ as nested packages below `local:mine` with the worlds given. */
export function witSource(root: string, worlds: string): string {
  const packages = PACKAGES.flatMap((name) =>
    readdirSync(join(root, "wit", name))
      .filter((file) => file.endsWith(".wit"))
      .sort()
      .map((file) => readFileSync(join(root, "wit", name, file), "utf8")),
  );
  const nested = packages.map((text) => `${text.replace(/^package ([^;]+);/m, "package $1 {")}}\n`);
  return `package local:mine;\n\n${worlds}\n${nested.join("\n")}`;
}

/** The packages of WASI that are offered, as nested packages, with the worlds given. */
export function wasiSource(root: string, worlds: string): string {
  const packages = readdirSync(join(root, "wit/wasi"))
    .filter((file) => file.endsWith(".wit"))
    .sort()
    .map((file) => readFileSync(join(root, "wit/wasi", file), "utf8"));
  return `package local:mine;\n\n${worlds}\n${packages.map((text) => `${text.replace(/^package ([^;]+);/m, "package $1 {")}}\n`).join("\n")}`;
}

/** Full names of all interfaces in it. */
export function wasiInterfaces(root: string): string[] {
  return readdirSync(join(root, "wit/wasi"))
    .filter((file) => file.endsWith(".wit"))
    .sort()
    .flatMap((file) => {
      const text = readFileSync(join(root, "wit/wasi", file), "utf8");
      const [, name, version] = /^package ([^@]+)@([^;]+);/m.exec(text) as unknown as [string, string, string];
      return [...text.matchAll(/^interface ([a-z-]+) \{/gm)].map(([, one]) => `${name}/${one}@${version}`);
    });
}

/** Interfaces of symphony:host beside those that each step has (call, log, progress). */
export const HOST_INTERFACES = ["files", "artifacts", "clock", "random", "http", "model", "key-value", "secrets", "process"] as const;
export type HostInterface = (typeof HOST_INTERFACES)[number];

/** The world of an extension of a kind that imports these interfaces. */
export function worldOf(name: string, kind: "operator" | "instrument", interfaces: readonly HostInterface[]): string {
  return [`world ${name} {`, ...interfaces.map((one) => `  import symphony:host/${one}@0.1.0;`), `  include symphony:${kind}/${kind}@0.1.0;`, "}", ""].join("\n");
}

/** The capability that each interface needs; the others are there for every step that isn't pure. */
export const ASKED_BY: Readonly<Partial<Record<HostInterface, RightType>>> = {
  files: "file",
  artifacts: "artifact",
  http: "network",
  model: "model",
  "key-value": "keyvalue",
  secrets: "secret",
  process: "system",
};

/** What an extension can use by what its manifest asks for; the time and chance are there for all but pure ones. */
export function interfacesOf({ capabilities, pure }: Pick<Manifest, "capabilities" | "pure">): HostInterface[] {
  const asked = new Set(capabilities.map(({ type }) => type));
  return HOST_INTERFACES.filter((name) => {
    const type = ASKED_BY[name];
    return type === undefined ? !pure : asked.has(type);
  });
}
