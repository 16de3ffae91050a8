// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:types/types@0.1.0 **/
/**
 * JSON text (RFC 8259). The host has parsed it before a step sees it, and parses what a step returns.
 */
export type Json = string;
/**
 * Bytes that travel with the call, up to 1 MiB; larger data travels as an artifact.
 */
export interface Blob {
  /**
   * What the bytes are, as `type/subtype` in lower case, for example `image/png`.
   */
  mediaType: string,
  /**
   * The bytes themselves.
   */
  data: Uint8Array,
}
/**
 * A reference to bytes in the Artifact Store. Holding one is a claim, not a right: the host checks that this run was given it.
 */
export interface Artifact {
  /**
   * SHA-256 of the bytes, 64 lower-case hexadecimal digits.
   */
  id: string,
  /**
   * Length in bytes, a whole number below 2^53.
   */
  size: number,
  /**
   * What the bytes are, as `type/subtype` in lower case.
   */
  mediaType: string,
}
/**
 * One value. A list of values is a list of these: WIT has no recursion, so nested data is `json`.
 */
export type Item = ItemNull | ItemBoolean | ItemNumber | ItemText | ItemJson | ItemBytes | ItemArtifact;
/**
 * Known to be absent; a port that nobody fed is left out instead.
 */
export interface ItemNull {
  tag: 'null',
}
/**
 * A truth value.
 */
export interface ItemBoolean {
  tag: 'boolean',
  val: boolean,
}
/**
 * A finite number; the host refuses NaN and infinities in either direction.
 */
export interface ItemNumber {
  tag: 'number',
  val: number,
}
/**
 * Unicode text without lone surrogates.
 */
export interface ItemText {
  tag: 'text',
  val: string,
}
/**
 * Structured data.
 */
export interface ItemJson {
  tag: 'json',
  val: Json,
}
/**
 * Bytes that travel with the call.
 */
export interface ItemBytes {
  tag: 'bytes',
  val: Blob,
}
/**
 * Bytes that stay in the store.
 */
export interface ItemArtifact {
  tag: 'artifact',
  val: Artifact,
}
/**
 * What one port carries: a value, or a list of values.
 */
export type Value = ValueNull | ValueBoolean | ValueNumber | ValueText | ValueJson | ValueBytes | ValueArtifact | ValueItems;
/**
 * Known to be absent; a port that nobody fed is left out instead.
 */
export interface ValueNull {
  tag: 'null',
}
/**
 * A truth value.
 */
export interface ValueBoolean {
  tag: 'boolean',
  val: boolean,
}
/**
 * A finite number; the host refuses NaN and infinities in either direction.
 */
export interface ValueNumber {
  tag: 'number',
  val: number,
}
/**
 * Unicode text without lone surrogates.
 */
export interface ValueText {
  tag: 'text',
  val: string,
}
/**
 * Structured data.
 */
export interface ValueJson {
  tag: 'json',
  val: Json,
}
/**
 * Bytes that travel with the call.
 */
export interface ValueBytes {
  tag: 'bytes',
  val: Blob,
}
/**
 * Bytes that stay in the store.
 */
export interface ValueArtifact {
  tag: 'artifact',
  val: Artifact,
}
/**
 * A list, in order; this is what `map` takes apart and what it gives back.
 */
export interface ValueItems {
  tag: 'items',
  val: Array<Item>,
}
/**
 * A named value: of an input port, an output port or a setting.
 */
export interface Entry {
  /**
   * The name as the manifest spells it.
   */
  name: string,
  /**
   * What stands there.
   */
  value: Value,
}
/**
 * What kind of thing went wrong. Closed, because the host decides by it; the open part is `fault.code`.
 * # Variants
 * 
 * ## `"invalid-input"`
 * 
 * An input port holds something that the step can't use.
 * ## `"invalid-settings"`
 * 
 * A setting holds something that the step can't use.
 * ## `"not-found"`
 * 
 * What was asked for doesn't exist.
 * ## `"denied"`
 * 
 * The right to it was not granted.
 * ## `"conflict"`
 * 
 * Somebody else changed it meanwhile.
 * ## `"limit"`
 * 
 * A limit on size, count, memory or fuel was reached.
 * ## `"unavailable"`
 * 
 * Something that the step needs doesn't answer.
 * ## `"timeout"`
 * 
 * It took too long.
 * ## `"cancelled"`
 * 
 * The run was cancelled.
 * ## `"unsupported"`
 * 
 * The step doesn't do this.
 * ## `"internal"`
 * 
 * The step is at fault.
 */
export type ErrorKind = 'invalid-input' | 'invalid-settings' | 'not-found' | 'denied' | 'conflict' | 'limit' | 'unavailable' | 'timeout' | 'cancelled' | 'unsupported' | 'internal';
/**
 * What went wrong, in a form for people and programs.
 */
export interface Fault {
  /**
   * The kind, by which the host decides.
   */
  kind: ErrorKind,
  /**
   * A dotted code for programs, 1 to 64 characters of a-z, 0-9, '.' and '-', for example `csv.ragged-row`.
   */
  code: string,
  /**
   * One sentence for people that names the place, the value and the way out.
   */
  message: string,
  /**
   * The input port or setting at fault, where there is one.
   */
  name?: string,
  /**
   * Further facts for programs.
   */
  details?: Json,
}
/**
 * A fault that may pass.
 */
export interface TransientFault {
  /**
   * What went wrong.
   */
  fault: Fault,
  /**
   * Wait at least so many milliseconds before the next attempt.
   */
  retryAfterMs: number,
}
/**
 * A failed call. The case says whether a retry makes sense.
 */
export type Error = ErrorPermanent | ErrorTransient;
/**
 * The same call would fail again: it is not retried.
 */
export interface ErrorPermanent {
  tag: 'permanent',
  val: Fault,
}
/**
 * The same call may succeed later: the melody's retry rule applies.
 */
export interface ErrorTransient {
  tag: 'transient',
  val: TransientFault,
}
