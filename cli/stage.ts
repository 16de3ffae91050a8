// Wires platform, runtime and Pit for a command, and closes them in reverse order. Leaves out what the command does.
import { statSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { type ArtifactStore, createArtifactStore, createSlot } from "../pit/mod.ts";
import {
  createExtensionHost,
  createIsolatePool,
  createPreparer,
  discoverExtensions,
  type ExtensionHost,
  type IsolatePool,
  type LoadedCatalogue,
  type ProcessPlatform,
  SymphonyError,
} from "../runtime/mod.ts";
import { createFileStorage, createSystemPlatform, ensureFolder } from "../runtime/platform/system.ts";
import { embedded } from "./embedded.ts";
import { type Parsed, text, texts } from "./args.ts";

/** The part of a stage that commands need which run nothing. */
export interface Backstage {
  home: string;
  platform: ProcessPlatform;
  catalogue: LoadedCatalogue;
  artifacts: ArtifactStore;
}

export interface Stage extends Backstage {
  pool: IsolatePool;
  host: ExtensionHost;
  [Symbol.asyncDispose](): Promise<void>;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function homeFolder(values: Parsed["values"]): string {
  return ensureFolder(resolve(text(values["home"]) || env["SYMPHONY_HOME"] || join(homedir(), ".symphony")));
}

export async function openBackstage(values: Parsed["values"]): Promise<Backstage> {
  const root = join(import.meta.dirname, "..");
  const home = homeFolder(values);
  const platform = createSystemPlatform({ isolate: join(root, ".build/isolate/isolate.mjs"), prepare: join(root, ".build/prepare/prepare.mjs"), compiled: embedded !== undefined });
  const named = texts(values["extensions"]).map((folder) => resolve(folder));
  const folders = [...(embedded ? [] : [join(root, "extensions")]), ...named, join(home, "extensions")];
  const catalogue = await discoverExtensions(platform, folders, embedded ? await embedded.extensions() : []);
  for (const folder of named)
    if (!isFolder(folder)) catalogue.faults.push(new SymphonyError("cli/io", `Cannot look for extensions in ${JSON.stringify(folder)}: there is no such folder`));
  const artifacts = createSlot(createArtifactStore({ platform, storage: createFileStorage(join(home, "artifacts"), { durable: text(values["durability"]) === "power" }) })).part;
  return { home, platform, catalogue, artifacts };
}

export async function openStage(values: Parsed["values"]): Promise<Stage> {
  const backstage = await openBackstage(values);
  const { platform, home, catalogue, artifacts } = backstage;
  const pool = createIsolatePool({ platform, perComponentMax: availableParallelism() });
  const files = createFileStorage(join(home, "cache/components"));
  const preparer = createPreparer({ platform, cache: embedded ? embedded.cacheOver(files) : files });
  const host = createExtensionHost({ catalogue, preparer, pool, artifacts });
  return {
    ...backstage,
    pool,
    host,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await platform[Symbol.asyncDispose]();
    },
  };
}
