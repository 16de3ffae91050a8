// The platform in a browser tab: hashes by WebCrypto, storage in memory. Leaves out isolates (a worker will be the
// tab's) and lasting storage, which come with the in-tab runtime. Browser compatible.
import type { Platform, Storage } from "./platform.ts";

export function createBrowserPlatform(): Platform {
  return { name: "browser", digest, storage: createMemoryStorage };
}

function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function digest() {
  const pieces: Uint8Array[] = [];
  return {
    update: (bytes: Uint8Array) => void pieces.push(bytes.slice()),
    hex: async () => {
      const hash = await crypto.subtle.digest("SHA-256", join(pieces));
      return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
    },
  };
}

/** Storage that lives as long as the page. */
export function createMemoryStorage(): Storage {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (name) => files.get(name)?.slice(),
    readPart: async (name, offset, length) => files.get(name)?.slice(offset, offset + length),
    write: async (name, bytes) => void files.set(name, bytes.slice()),
    writer: async () => {
      const pieces: Uint8Array[] = [];
      return {
        append: async (bytes) => void pieces.push(bytes.slice()),
        commit: async (name) => void files.set(name, join(pieces)),
        abort: async () => {
          pieces.length = 0;
        },
      };
    },
    size: async (name) => files.get(name)?.length,
    list: async (folder) => {
      const prefix = folder ? `${folder}/` : "";
      const found = new Set<string>();
      for (const name of files.keys()) if (name.startsWith(prefix)) found.add(name.slice(prefix.length).split("/")[0] as string);
      return [...found].sort();
    },
    remove: async (name) => void files.delete(name),
  };
}
