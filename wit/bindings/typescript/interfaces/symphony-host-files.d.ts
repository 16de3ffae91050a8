// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/files@0.1.0 **/
/**
 * The names in a folder that follow `after`, in the order of their UTF-8 bytes, at most 1000; none left: an empty list.
 * Names that are not valid UTF-8 are left out.
 */
export function entries(root: string, path: string, after: string | undefined): Array<FileEntry>;
/**
 * Up to `length` bytes (at most 1 MiB) from `offset`; an empty list at or after the end.
 */
export function read(root: string, path: string, offset: number, length: number): Uint8Array;
/**
 * The folders that were granted.
 */
export function roots(): Array<Root>;
/**
 * Looks at a path.
 */
export function stat(root: string, path: string): FileStat;
/**
 * Makes an empty file where none stands; says whether it did. `exclusive`: an error where anything stands there.
 */
export function create(root: string, path: string, exclusive: boolean): boolean;
/**
 * Writes up to 1 MiB into a file that is there, at its end where `offset` is left out.
 */
export function write(root: string, path: string, offset: number | undefined, data: Uint8Array): void;
/**
 * Cuts a file, or fills it up with zeros.
 */
export function truncate(root: string, path: string, size: number): void;
/**
 * Makes a folder.
 */
export function createFolder(root: string, path: string): void;
/**
 * Deletes a file, or a link itself.
 */
export function removeFile(root: string, path: string): void;
/**
 * Deletes a folder that is empty.
 */
export function removeFolder(root: string, path: string): void;
/**
 * Moves within a root, in the place of a file that is there.
 */
export function rename(root: string, old: string, new_: string): void;
/**
 * Sets when a file was read and changed last, in milliseconds since 1970.
 */
export function touch(root: string, path: string, accessedMs: number | undefined, modifiedMs: number | undefined): void;
export type Error = import('./symphony-types-types.js').Error;
/**
 * What a name stands for.
 * # Variants
 * 
 * ## `"file"`
 * 
 * A regular file.
 * ## `"folder"`
 * 
 * A folder.
 * ## `"link"`
 * 
 * A symbolic link, which is listed and never followed.
 * ## `"other"`
 * 
 * A device, socket or pipe, which can't be read.
 */
export type FileKind = 'file' | 'folder' | 'link' | 'other';
/**
 * One name in a folder.
 */
export interface FileEntry {
  /**
   * The name, without a path.
   */
  name: string,
  /**
   * What it stands for.
   */
  kind: FileKind,
  /**
   * Length in bytes for a file, else 0.
   */
  size: number,
}
/**
 * What stands at a path.
 */
export interface FileStat {
  /**
   * What it is; a link is not followed.
   */
  kind: FileKind,
  /**
   * Length in bytes for a file, else 0.
   */
  size: number,
  /**
   * When it was changed last, in milliseconds since 1970.
   */
  modifiedMs: number,
  /**
   * When it was read last, as far as the system keeps that.
   */
  accessedMs: number,
  /**
   * Equal for two ways to the same file on this machine.
   */
  identity: string,
}
/**
 * A folder that this call can use, by its name.
 */
export interface Root {
  /**
   * Under which the other functions know it.
   */
  name: string,
  /**
   * Whether it may be written to.
   */
  writable: boolean,
}
