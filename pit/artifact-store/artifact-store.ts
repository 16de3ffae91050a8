// The Artifact Store, first form: bytes under their SHA-256, written whole or not at all, verified when read. Leaves
// out versions, search, encryption and clean-up.
import { type ArtifactRef, MEDIA_TYPE, type Platform, type Storage, SymphonyError } from "../../runtime/mod.ts";

/** An artifact in the making. */
export interface ArtifactWriter {
  append(bytes: Uint8Array): Promise<void>;
  /** Seals it. Nothing is kept unless this is called. */
  finish(): Promise<ArtifactRef>;
  abort(): Promise<void>;
}

export interface ArtifactStore {
  put(bytes: Uint8Array, mediaType: string): Promise<ArtifactRef>;
  create(mediaType: string): Promise<ArtifactWriter>;
  /** All bytes, verified. `artifact/unknown`, `artifact/damaged`. */
  get(id: string): Promise<Uint8Array>;
  /** A part of them. The whole is verified when its first part is read, once for as long as this store lives. */
  read(id: string, offset: number, length: number): Promise<Uint8Array>;
  /** Finds the one artifact whose id begins so. */
  find(prefix: string): Promise<ArtifactRef>;
  list(): Promise<ArtifactRef[]>;
}

const VERIFIED_MAX = 10_000;
const PIECE = 1024 * 1024;

export function createArtifactStore({ platform, storage }: { platform: Platform; storage: Storage }): ArtifactStore {
  const verified = new Set<string>();
  const place = (id: string): string => {
    if (!/^[0-9a-f]{64}$/.test(id)) throw new SymphonyError("artifact/unknown", `Cannot find the artifact ${JSON.stringify(id.slice(0, 80))}: an id is 64 hexadecimal digits`);
    return `${id.slice(0, 2)}/${id}`;
  };
  const unknown = (id: string): SymphonyError => new SymphonyError("artifact/unknown", `Cannot find the artifact ${id}; \`symphony artifacts list\` shows what is stored`);

  /** The media type stands beside the bytes: the same bytes may be filed under several, the last one wins. */
  const describe = (id: string, mediaType: string): Promise<void> => storage.write(`${place(id)}.type`, new TextEncoder().encode(mediaType));
  const mediaTypeOf = async (id: string): Promise<string> => {
    const bytes = await storage.read(`${place(id)}.type`);
    return bytes ? new TextDecoder().decode(bytes) : "application/octet-stream";
  };
  const checkType = (mediaType: string): void => {
    if (!MEDIA_TYPE.test(mediaType))
      throw new SymphonyError("step/input", `Cannot store an artifact of media type ${JSON.stringify(mediaType.slice(0, 80))}; expected type/subtype in lower case`);
  };
  const damaged = (id: string): SymphonyError =>
    new SymphonyError("artifact/damaged", `Cannot read the artifact ${id}: its bytes don't have that hash any more; run again to make it anew`);

  async function verify(id: string): Promise<void> {
    if (verified.has(id)) return;
    const digest = platform.digest();
    const size = await storage.size(place(id));
    if (size === undefined) throw unknown(id);
    for (let offset = 0; offset < size; offset += PIECE) {
      const piece = await storage.readPart(place(id), offset, PIECE);
      if (!piece) throw unknown(id);
      digest.update(piece);
    }
    if ((await digest.hex()) !== id) throw damaged(id);
    if (verified.size >= VERIFIED_MAX) verified.clear();
    verified.add(id);
  }

  const store: ArtifactStore = {
    async put(bytes, mediaType) {
      const writer = await store.create(mediaType);
      await writer.append(bytes);
      return writer.finish();
    },
    async create(mediaType) {
      checkType(mediaType);
      const digest = platform.digest();
      const place1 = await storage.writer();
      let size = 0;
      return {
        async append(bytes) {
          digest.update(bytes);
          size += bytes.length;
          await place1.append(bytes);
        },
        async finish() {
          const id = await digest.hex();
          if ((await storage.size(place(id))) === size && (await sound(id))) await place1.abort();
          else await place1.commit(place(id));
          await describe(id, mediaType);
          return { id, size, mediaType };
        },
        abort: () => place1.abort(),
      };
    },
    async get(id) {
      const bytes = await storage.read(place(id));
      if (!bytes) throw unknown(id);
      const digest = platform.digest();
      digest.update(bytes);
      if ((await digest.hex()) !== id) throw damaged(id);
      return bytes;
    },
    async read(id, offset, length) {
      await verify(id);
      const bytes = await storage.readPart(place(id), offset, length);
      if (!bytes) throw unknown(id);
      return bytes;
    },
    async find(prefix) {
      if (!/^[0-9a-f]{4,64}$/.test(prefix))
        throw new SymphonyError("artifact/unknown", `Cannot find the artifact ${JSON.stringify(prefix.slice(0, 80))}: give at least the first 4 hexadecimal digits of its id`);
      const names = (await storage.list(prefix.slice(0, 2))).filter((name) => name.startsWith(prefix) && name.length === 64);
      if (names.length > 1) throw new SymphonyError("artifact/unknown", `Cannot tell which artifact ${prefix} is: ${names.length} begin so; give more digits`);
      const id = names[0];
      if (!id) throw unknown(prefix);
      return { id, size: (await storage.size(place(id))) ?? 0, mediaType: await mediaTypeOf(id) };
    },
    async list() {
      const out: ArtifactRef[] = [];
      for (const folder of await storage.list("")) {
        if (!/^[0-9a-f]{2}$/.test(folder)) continue;
        for (const id of await storage.list(folder)) if (/^[0-9a-f]{64}$/.test(id)) out.push({ id, size: (await storage.size(place(id))) ?? 0, mediaType: await mediaTypeOf(id) });
      }
      return out;
    },
  };

  /** Whether what stands there already is whole; a damaged artifact is replaced when it is made again. */
  async function sound(id: string): Promise<boolean> {
    try {
      await verify(id);
      return true;
    } catch {
      return false;
    }
  }
  return store;
}
