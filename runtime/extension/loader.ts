// Finds extensions in folders: each folder in them that holds a manifest.toml is one. A broken one is reported and
// hinders nobody. Leaves out preparing and running them.
import { SymphonyError } from "../error.ts";
import type { ProcessPlatform } from "../platform/platform.ts";
import type { Catalogue } from "../workflow/plan.ts";
import { COMPONENT_BYTES_MAX } from "./gate/gate.ts";
import { looksOf } from "../identifier.ts";
import { type Manifest, MANIFEST_BYTES_MAX, parseManifest } from "./manifest/manifest.ts";

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
  const byLooks = new Map<string, string>();
  const found = [...faults];
  for (const extension of extensions) {
    const { id } = extension.manifest;
    const earlier = byId.get(id);
    const alike = earlier ? undefined : byLooks.get(looksOf(id));
    if (alike !== undefined)
      found.push(
        new SymphonyError(
          "manifest/invalid",
          `Cannot use ${extension.place}: its id ${JSON.stringify(id)} looks like ${JSON.stringify(alike)}, which is installed; choose one that nobody takes for another`,
        ),
      );
    else if (earlier) found.push(new SymphonyError("manifest/invalid", `Cannot use ${extension.place}: the id ${JSON.stringify(id)} is taken by ${earlier.place}`));
    else {
      byId.set(id, extension);
      byLooks.set(looksOf(id), id);
    }
  }
  return {
    get: (id) => byId.get(id)?.manifest,
    ids: () => byId.keys(),
    extension: (id) => byId.get(id),
    all: () => [...byId.values()].sort((a, b) => (a.manifest.id < b.manifest.id ? -1 : 1)),
    faults: found,
  };
}

/** A manifest's text, before it is read. */
interface Found {
  /** Its folder, for people. */
  place: string;
  /** Of the file. */
  file: string;
  text: string;
}

/** Reads the manifests below these folders; `first` come before what is found there. */
export async function discoverExtensions(platform: ProcessPlatform, folders: readonly string[], first: readonly Extension[] = []): Promise<LoadedCatalogue> {
  const faults: SymphonyError[] = [];
  const found: Found[] = [];
  for (const folder of folders) {
    for (const name of await platform.listFolder(folder)) {
      try {
        const one = await findManifest(platform, `${folder}/${name}`);
        if (one) found.push(one);
      } catch (cause) {
        if (!(cause instanceof SymphonyError)) throw cause;
        faults.push(cause);
      }
    }
  }
  const { manifests, faults: unread } = readManifests(found, first);
  const extensions = found.flatMap((one): Extension[] => {
    const manifest = manifests.get(one);
    return manifest && !manifest.abstract ? [extensionAt(platform, one.place, manifest)] : [];
  });
  return createCatalogue([...first, ...extensions], [...faults, ...unread]);
}

/** The manifest of one folder, in TOML or in JSON. Throws `cli/io` or `manifest/invalid`. */
export async function findManifest(platform: ProcessPlatform, place: string): Promise<Found | undefined> {
  const [toml, json] = await Promise.all(["toml", "json"].map((form) => platform.readFile(`${place}/manifest.${form}`, MANIFEST_BYTES_MAX)));
  if (toml && json) throw new SymphonyError("manifest/invalid", `Cannot use ${place}: it has a manifest.toml and a manifest.json; keep one`);
  const bytes = toml ?? json;
  return bytes && { place, file: `${place}/manifest.${toml ? "toml" : "json"}`, text: new TextDecoder().decode(bytes) };
}

const FAMILY_DEPTH_MAX = 8;

/** Reads manifests that may extend each other, and `known` ones. */
export function readManifests(found: readonly Found[], known: readonly Extension[] = []): { manifests: Map<Found, Manifest>; faults: SymphonyError[] } {
  const manifests = new Map<Found, Manifest>();
  const failed = new Map<Found, SymphonyError>();
  // of a family its folder's name is its id; what it says itself is looked at when it is read
  const byName = new Map<string, Found[]>();
  for (const one of found) byName.set(nameOf(one), [...(byName.get(nameOf(one)) ?? []), one]);
  /** The one that stands beside the child comes before one of that name elsewhere. */
  const familyOf = (id: string, child: Found): Found | undefined => {
    const all = byName.get(id) ?? [];
    return all.find((one) => parentOf(one) === parentOf(child)) ?? all[0];
  };

  function read(one: Found, above: readonly Found[]): Manifest | undefined {
    const done = manifests.get(one);
    if (done || failed.has(one)) return done;
    try {
      const manifest = parseManifest(one.text, one.file, {
        family(id) {
          const parent = familyOf(id, one);
          // what is too long or goes round is the child's fault, and no family's
          if (parent && (parent === one || above.includes(parent) || above.length >= FAMILY_DEPTH_MAX)) return undefined;
          const manifest = parent ? read(parent, [...above, one]) : known.find((other) => other.manifest.id === id)?.manifest;
          return manifest?.id === id ? manifest : undefined;
        },
      });
      manifests.set(one, manifest);
      return manifest;
    } catch (cause) {
      if (!(cause instanceof SymphonyError)) throw cause;
      if (above.length === 0) failed.set(one, cause);
      return undefined;
    }
  }

  for (const one of found) read(one, []);
  return { manifests, faults: [...failed.values()] };
}

function parentOf({ place }: Found): string {
  return place.slice(0, place.lastIndexOf("/"));
}

function nameOf({ place }: Found): string {
  return place.slice(place.lastIndexOf("/") + 1);
}

function extensionAt(platform: ProcessPlatform, place: string, manifest: Manifest): Extension {
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
