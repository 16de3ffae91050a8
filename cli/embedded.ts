// What the compiled binary carries inside: the shipped extensions with their prepared components. Run from source there
// is nothing; the build puts a file in this one's place.
import type { Extension, Storage } from "../runtime/mod.ts";

export interface Embedded {
  extensions(): Promise<Extension[]>;
  /** Reads what is embedded first, then the storage below. */
  cacheOver(below: Storage): Storage;
}

export const embedded: Embedded | undefined = undefined;
