// The WIT packages as the tools want them: one text with a world in it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGES = ["types", "host", "operator", "instrument"] as const;

/** All packages of wit/ as nested packages below `local:mine` with the worlds given. */
export function witSource(root: string, worlds: string): string {
  const packages = PACKAGES.flatMap((name) =>
    readdirSync(join(root, "wit", name))
      .filter((file) => file.endsWith(".wit"))
      .map((file) => readFileSync(join(root, "wit", name, file), "utf8")),
  );
  const nested = packages.map((text) => `${text.replace(/^package ([^;]+);/m, "package $1 {")}}\n`);
  return `package local:mine;\n\n${worlds}\n${nested.join("\n")}`;
}

/** The world of an extension of a kind with these capabilities. */
export function worldOf(name: string, kind: "operator" | "instrument", capabilities: { files: boolean; artifacts: boolean }): string {
  return [
    `world ${name} {`,
    ...(capabilities.files ? ["  import symphony:host/files@0.1.0;"] : []),
    ...(capabilities.artifacts ? ["  import symphony:host/artifacts@0.1.0;"] : []),
    `  include symphony:${kind}/${kind}@0.1.0;`,
    "}",
    "",
  ].join("\n");
}
