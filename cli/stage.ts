// Wires platform, runtime and Pit for a command, and closes them in reverse order. Leaves out what the command does.
import { realpathSync, statSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { type ArtifactStore, createArtifactStore, createMemory, createSlot, type Durability, loadLarge, type Memory } from "../pit/mod.ts";
import {
  createExtensionHost,
  createIsolatePool,
  createPreparer,
  discoverExtensions,
  type ExtensionHost,
  type HostServices,
  type KeyStore,
  type LoadedCatalogue,
  type Permissions,
  type ProcessPlatform,
  SymphonyError,
} from "../runtime/mod.ts";
import { createFileStorage, createSystemPlatform, ensureFolder } from "../runtime/platform/system.ts";
import { openAnswers } from "./home/answers.ts";
import { openPermissions } from "./home/grants.ts";
import { openKeys } from "./home/keys.ts";
import { homeSettings, readSecret } from "./home/settings.ts";
import { embedded } from "./embedded.ts";
import { type Parsed, text, texts } from "./args.ts";

/** The part of a stage that commands need which run nothing. */
export interface Backstage {
  home: string;
  platform: ProcessPlatform;
  catalogue: LoadedCatalogue;
  /** Folders that were named to look for extensions in. */
  searched: readonly string[];
  artifacts: ArtifactStore;
}

/** What runs need besides; runs share its processes. */
export interface Stage extends Backstage {
  /** The extensions that are installed now, also those in these folders, and a host for them. */
  hostFor(searched: readonly string[], durability: Durability): Promise<{ catalogue: LoadedCatalogue; host: ExtensionHost }>;
  artifactsFor(durability: Durability): ArtifactStore;
  permissions: Permissions;
  keys: KeyStore;
  /** What pure nodes gave before. */
  memory: Memory;
  [Symbol.asyncDispose](): Promise<void>;
}

const root = join(import.meta.dirname, "..");

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function homeFolder(values: Parsed["values"]): string {
  return ensureFolder(resolve(text(values["home"]) || env["SYMPHONY_HOME"] || join(homedir(), ".symphony")));
}

export async function openBackstage(values: Parsed["values"]): Promise<Backstage> {
  const home = homeFolder(values);
  const platform = createSystemPlatform({ isolate: join(root, ".build/isolate/isolate.mjs"), prepare: join(root, ".build/prepare/prepare.mjs"), compiled: embedded !== undefined });
  const searched = texts(values["extensions"]).map((folder) => resolve(folder));
  const catalogue = await discover(platform, home, searched);
  for (const folder of searched)
    if (!isFolder(folder)) catalogue.faults.push(new SymphonyError("cli/io", `Cannot look for extensions in ${JSON.stringify(folder)}: there is no such folder`));
  return { home, platform, catalogue, searched, artifacts: openArtifacts(home, platform, "process") };
}

function realpathIfThere(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** With its links followed, as paths that are judged are. */
export function userHome(): string | undefined {
  return realpathIfThere(homedir());
}

async function discover(platform: ProcessPlatform, home: string, searched: readonly string[]): Promise<LoadedCatalogue> {
  // what is installed keeps its name, and what was granted to it
  const folders = [...(embedded ? [] : [join(root, "extensions")]), join(home, "extensions"), ...searched];
  return discoverExtensions(platform, folders, embedded ? await embedded.extensions() : []);
}

function openArtifacts(home: string, platform: ProcessPlatform, durability: Durability): ArtifactStore {
  return createSlot(createArtifactStore({ platform, storage: createFileStorage(join(home, "artifacts"), { durable: durability === "power" }) })).part;
}

export async function openStage(backstage: Backstage): Promise<Stage> {
  const { platform, home, artifacts } = backstage;
  const pool = createIsolatePool({ platform, perComponentMax: availableParallelism() });
  const files = createFileStorage(join(home, "cache/components"));
  const preparer = createPreparer({ platform, cache: embedded ? embedded.cacheOver(files) : files });
  let durable: ArtifactStore | undefined;
  const artifactsFor = (durability: Durability): ArtifactStore => {
    if (durability === "process") return artifacts;
    durable ??= openArtifacts(home, platform, "power");
    return durable;
  };
  // before any step runs, so that it is known wherever one moves it
  platform.folder(home, home);
  const permissions = await openPermissions(home, platform);
  const keys = openKeys(home);
  const answers = openAnswers(home);
  const memory = createMemory({
    store: answers,
    digest: () => platform.digest(),
    // whole, not only there; looked at once
    hasArtifact: (id) =>
      artifacts.read(id, 0, 0).then(
        () => true,
        () => false,
      ),
    load: (id) => loadLarge(id, artifacts),
  });
  const stage: Stage = {
    ...backstage,
    memory,
    async hostFor(searched, durability) {
      const catalogue = await discover(platform, home, searched);
      // what the settings say now counts for the runs that begin now, and policies for all
      permissions.setPolicies(homeSettings(home).policies);
      const services = servicesOf(stage, home, artifactsFor(durability));
      return { catalogue, host: createExtensionHost({ catalogue, preparer, pool, services }) };
    },
    artifactsFor,
    permissions,
    keys,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await platform[Symbol.asyncDispose]();
      answers.close();
      keys.close();
      await permissions.close();
    },
  };
  return stage;
}

/** What guests are answered with: models, secrets and networks as the settings of the home `from` say. */
export function servicesOf({ platform, permissions, keys, home }: Stage, from: string, artifacts: ArtifactStore): HostServices {
  const settings = homeSettings(from);
  return {
    artifacts,
    permissions,
    http: platform.http,
    isPrivateHost: (host) => settings.privateHosts.includes(host),
    provider: (name) => (Object.hasOwn(settings.models, name) ? settings.models[name] : undefined),
    providers: () => Object.keys(settings.models),
    keys,
    secret: async (name) => readSecret(settings, name),
    openFolder(path) {
      const real = realpathIfThere(path);
      if (real !== undefined && `${real}/`.startsWith(`${home}/`))
        throw new SymphonyError("files/denied", "Cannot use this folder: it is inside of Symphony's own home, which no step may read");
      return platform.folder(path, home);
    },
    isRealPath: (path) => realpathIfThere(path) === path,
    command: (request) => platform.command(request),
    userHome: userHome(),
  };
}
