// What the host has to answer its guests with, and what it knows of a call. Types only.
import type { CommandRequest, Command, Folder, HttpPort } from "../../platform/platform.ts";
import type { ArtifactRef, Entry } from "../../value.ts";
import type { HostFunction, Scalar } from "../isolate/wire.ts";
import type { Manifest } from "../manifest/manifest.ts";
import type { Guard, Permissions } from "../permission/permissions.ts";

/** What a run hands to its steps. Whether a step may use it is the permissions' to say. */
export interface Grants {
  /** Folders that were given as inputs, by the name under which steps know them. */
  folders: ReadonlyMap<string, { path: string; folder: Folder }>;
  /** The folder that the melody belongs to. */
  project?: string | undefined;
}

/** The part of the Artifact Store that steps reach. */
export interface ArtifactPort {
  create(mediaType: string): Promise<{ append(bytes: Uint8Array): Promise<void>; finish(): Promise<ArtifactRef>; abort(): Promise<void> }>;
  read(id: string, offset: number, length: number): Promise<Uint8Array>;
}

/** A server that speaks OpenAI's protocol, as the home's settings name it. */
export interface ModelProvider {
  /** Up to and with the version: `http://127.0.0.1:11434/v1`. */
  url: string;
  /** The secret that is sent as the key. */
  key: string | undefined;
  /** By model, for a million tokens. */
  prices: Readonly<Record<string, { input: number; output: number }>>;
}

/** What extensions keep between runs; `owner` tells them apart. */
export interface KeyStore {
  get(owner: string, key: string): Uint8Array | undefined;
  /** Throws `run/limit` where the owner's room is used up. */
  set(owner: string, key: string, value: Uint8Array): void;
  delete(owner: string, key: string): void;
  /** In the order of their bytes. */
  keys(owner: string, after: string | undefined, most: number): string[];
  /** In one act. Throws `step/input` where something else than a number stands there. */
  increment(owner: string, key: string, by: number): number;
}

export interface HostServices {
  artifacts: ArtifactPort;
  permissions: Permissions;
  http: HttpPort;
  /** Whether a person said that requests may go to this host although its address is private. */
  isPrivateHost(host: string): boolean;
  provider(name: string): ModelProvider | undefined;
  providers(): string[];
  keys: KeyStore;
  /** A secret's value. Throws `secret/unknown`. */
  secret(name: string): Promise<string>;
  openFolder(path: string): Folder;
  /** Whether a path leads through no link. */
  isRealPath(path: string): boolean;
  command(request: CommandRequest): Promise<Command>;
  /** Of the person who runs Symphony. */
  userHome: string | undefined;
}

/** What a model call took, for the run's events. */
export interface ModelUse {
  model: string;
  inputTokens: number;
  outputTokens: number;
  cost: number;
}

/** The host's own record of a call that is being served. */
export interface CallRecord {
  run: string;
  path: string;
  attempt: number;
  manifest: Manifest;
  inputs: readonly Entry[];
  settings: readonly Entry[];
  grants: Grants;
  services: HostServices;
  guard: Guard;
  /** What secrets that the run has used look like; grows as they are used. */
  forms: Set<string>;
  signal: AbortSignal | undefined;
  remainingMs: () => number;
  onLog: (level: string, message: string) => void;
  onProgress: (fraction: number, note: string) => void;
  onModel: (use: ModelUse) => void;
}

/** Answers to some of the host functions, for one call. */
export interface Answers {
  functions: Partial<Record<HostFunction, (args: readonly Scalar[]) => Scalar[] | Promise<Scalar[]>>>;
  /** The call is over: what is open is let go. */
  over(): void;
}
