// What the compiled binary carries inside: the shipped extensions with their prepared components. Run from source there
// is nothing; the build puts a module in this one's place that fills it (tasks/build-binary.ts).
import { readFile } from "node:fs/promises";
import { type Extension, parseManifest, type Storage } from "../runtime/mod.ts";

export interface Embedded {
  extensions(): Promise<Extension[]>;
  /** Reads what is embedded first, then the storage below. */
  cacheOver(below: Storage): Storage;
}

/** A shipped extension as the binary holds it; files are paths inside the binary. */
export interface Carried {
  /** The text of its manifest. */
  manifest: string;
  component: string;
  /** Where the preparer looks for it in its cache. */
  name: string;
  /** What it finds there. */
  entry: string;
}

export const embedded: Embedded | undefined = undefined;

/** The files are read when they are asked for. */
export function unpack(carried: readonly Carried[]): Embedded {
  const entries = new Map(carried.map(({ name, entry }) => [name, entry]));
  const bytesOf = async (path: string): Promise<Uint8Array> => {
    const bytes = await readFile(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  };
  return {
    extensions: async () =>
      carried.map(({ manifest, component }) => ({ manifest: parseManifest(manifest, "a built-in manifest"), place: "built in", component: () => bytesOf(component) })),
    cacheOver: (below) => ({
      ...below,
      read: (name) => {
        const entry = entries.get(name);
        return entry === undefined ? below.read(name) : bytesOf(entry);
      },
    }),
  };
}
