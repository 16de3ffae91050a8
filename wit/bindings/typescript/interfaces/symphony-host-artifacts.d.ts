// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/artifacts@0.1.0 **/
/**
 * Up to `length` bytes (at most 1 MiB) from `offset` of an artifact that this call was given; an empty list at or after the end.
 */
export function read(id: string, offset: number, length: number): Uint8Array;
export type Artifact = import('./symphony-types-types.js').Artifact;
export type Error = import('./symphony-types-types.js').Error;

export class Writer {
  /**
  * Begins an artifact of this media type.
  */
  constructor(mediaType: string)
  /**
  * Adds bytes (at most 1 MiB at a time) at the end.
  */
  append(data: Uint8Array): void;
  /**
  * Seals the artifact and makes it this call's to return; the writer can't be used afterwards.
  */
  finish(): Artifact;
}
