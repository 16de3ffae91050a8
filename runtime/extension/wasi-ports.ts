// Ports of extensions whose component is a command or an HTTP handler of WASI: what stands at a port of which name. Pure.
import { SymphonyError } from "../error.ts";
import { type ArtifactRef, BYTES_MAX, type Entry, spellPortType } from "../value.ts";
import type { Manifest } from "./manifest/manifest.ts";

interface Ports {
  inputs: Readonly<Record<string, readonly string[]>>;
  outputs: Readonly<Record<string, readonly string[]>>;
}

/** By the kind of component: each port with the types that it can have. Folders may be inputs of any name. */
export const WASI_PORTS: Readonly<Record<"command" | "handler", Ports>> = {
  command: {
    inputs: { arguments: ["list<text>"], stdin: ["text", "bytes"], environment: ["json"] },
    outputs: { stdout: ["text", "bytes", "content", "json"], stderr: ["text", "bytes", "content"], exitCode: ["number"] },
  },
  handler: {
    inputs: { method: ["text"], url: ["text"], headers: ["json"], body: ["text", "bytes"] },
    outputs: { status: ["number"], headers: ["json"], body: ["text", "bytes", "content", "json"] },
  },
};

/** Throws `gate/world` where a manifest has ports that such a component can't serve. */
export function checkWasiPorts(manifest: Manifest, kind: "command" | "handler"): void {
  const known = WASI_PORTS[kind];
  for (const side of ["inputs", "outputs"] as const)
    for (const { name, type } of manifest[side].values()) {
      if (side === "inputs" && type.item === "folder") continue;
      const types = Object.hasOwn(known[side], name) ? known[side][name] : undefined;
      if (types?.includes(spellPortType(type))) continue;
      const all = Object.entries(known[side]).map(([port, allowed]) => `${port} (${allowed.join(" or ")})`);
      throw new SymphonyError(
        "gate/world",
        `Cannot run ${manifest.id}: its component is a WASI ${kind}, whose ${side} are ${all.join(", ")}${side === "inputs" ? " and folders" : ""}; the manifest has ${name} of type ${spellPortType(type)}`,
      );
    }
}

const STDERR_SHOWN = 2000;

/** What such a component gave, as the values of the manifest's outputs. A command that failed where nobody asks for its exit code is an error. */
export async function outputsOfWasi(
  given: readonly Entry[],
  manifest: Manifest,
  kind: "command" | "handler",
  store: (mediaType: string, bytes: Uint8Array) => Promise<ArtifactRef>,
): Promise<Entry[]> {
  const decoder = new TextDecoder();
  const bytesOf = (name: string): Uint8Array => {
    const value = given.find((one) => one.name === name)?.value;
    return value?.tag === "bytes" ? value.val.data : new Uint8Array();
  };
  if (kind === "command" && !manifest.outputs.has("exitCode")) {
    const code = given.find(({ name }) => name === "exitCode")?.value;
    if (code?.tag === "number" && code.val !== 0)
      throw new SymphonyError("step/error", `${manifest.id} exited with code ${code.val}: ${decoder.decode(bytesOf("stderr")).trim().slice(-STDERR_SHOWN) || "it said nothing"}`, {
        detail: `exit.${code.val}`,
      });
  }
  const out: Entry[] = [];
  for (const { name, type } of manifest.outputs.values()) {
    const value = given.find((one) => one.name === name)?.value;
    if (!value) continue;
    if (value.tag !== "bytes") {
      out.push({ name, value });
      continue;
    }
    const { data } = value.val;
    const text = type.item === "text" || type.item === "json" ? decoder.decode(data) : "";
    if (type.item === "text") out.push({ name, value: { tag: "text", val: text } });
    else if (type.item === "json") out.push({ name, value: { tag: "json", val: text } });
    else if (type.item === "content" && data.length > BYTES_MAX) out.push({ name, value: { tag: "artifact", val: await store("application/octet-stream", data) } });
    else out.push({ name, value });
  }
  return out;
}
