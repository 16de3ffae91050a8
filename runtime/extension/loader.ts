// Finds extensions in folders: each folder in them that holds a manifest.toml is one. A broken one is reported and
// hinders nobody. Leaves out preparing and running them.
import { SymphonyError } from "../error.ts";
import type { ProcessPlatform } from "../platform/platform.ts";
import type { Catalogue } from "../workflow/plan.ts";
import { COMPONENT_BYTES_MAX } from "./gate/gate.ts";
import { type Manifest, MANIFEST_BYTES_MAX, parseManifest } from "./manifest.ts";

/** An extension that was found, with the way to its component. */
export interface Extension {
  manifest: Manifest;
  /** Its folder, for people. */
  place: string;
  component(): Promise<Uint8Array>;
}

export interface LoadedCatalogue extends Catalogue {
  extension(id: string): Extension | undefined;
  all(): Extension[];
  /** Manifests that can't be used, and ids that are taken. */
  faults: SymphonyError[];
}

/** Makes a catalogue; where two have the same id, the earlier one stays and the later one is a fault. */
export function createCatalogue(extensions: readonly Extension[], faults: readonly SymphonyError[] = []): LoadedCatalogue {
  const byId = new Map<string, Extension>();
  const found = [...faults];
  for (const extension of extensions) {
    const { id } = extension.manifest;
    const earlier = byId.get(id);
    if (earlier) found.push(new SymphonyError("manifest/invalid", `Cannot use ${extension.place}: the id ${JSON.stringify(id)} is taken by ${earlier.place}`));
    else byId.set(id, extension);
  }
  return {
    get: (id) => byId.get(id)?.manifest,
    ids: () => byId.keys(),
    extension: (id) => byId.get(id),
    all: () => [...byId.values()].sort((a, b) => (a.manifest.id < b.manifest.id ? -1 : 1)),
    faults: found,
  };
}

/** Reads the manifests below these folders; `first` come before what is found there. */
export async function discoverExtensions(platform: ProcessPlatform, folders: readonly string[], first: readonly Extension[] = []): Promise<LoadedCatalogue> {
  const extensions: Extension[] = [...first];
  const faults: SymphonyError[] = [];
  for (const folder of folders) {
    for (const name of await platform.listFolder(folder)) {
      const place = `${folder}/${name}`;
      try {
        const bytes = await platform.readFile(`${place}/manifest.toml`, MANIFEST_BYTES_MAX);
        if (!bytes) continue;
        extensions.push(extensionAt(platform, place, new TextDecoder().decode(bytes)));
      } catch (cause) {
        if (!(cause instanceof SymphonyError)) throw cause;
        faults.push(cause);
      }
    }
  }
  return createCatalogue(extensions, faults);
}

function extensionAt(platform: ProcessPlatform, place: string, text: string): Extension {
  const manifest = parseManifest(text, `${place}/manifest.toml`);
  return {
    manifest,
    place,
    async component() {
      const bytes = await platform.readFile(`${place}/${manifest.component}`, COMPONENT_BYTES_MAX);
      if (!bytes) throw new SymphonyError("extension/unbuilt", `Cannot run ${manifest.id}: its component ${place}/${manifest.component} is missing; build the extension`);
      return bytes;
    },
  };
}
