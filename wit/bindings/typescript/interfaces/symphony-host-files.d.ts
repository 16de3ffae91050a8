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
