// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/process@0.1.0 **/
/**
 * Runs a command that the manifest names, in the project's folder, to its end. `words` follow those that the manifest fixes,
 * and stand for its wildcards.
 */
export function run(command: string, words: Array<string>, input: Uint8Array): Exit;
/**
 * Starts one to talk to.
 */
export function start(command: string, words: Array<string>): Child;
export type Error = import('./symphony-types-types.js').Error;
/**
 * How a command ended.
 */
export interface Exit {
  /**
   * None: it was killed.
   */
  code?: number,
  /**
   * At most 8 MiB.
   */
  output: Uint8Array,
  /**
   * The first 64 KiB.
   */
  errors: Uint8Array,
}

export class Child {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  /**
  * Writes to its input; waits while it doesn't read.
  */
  write(data: Uint8Array): void;
  /**
  * It finds the end of its input.
  */
  endInput(): void;
  /**
  * Waits for output, at most so many milliseconds; empty: none came. Nothing: it has ended and all was read.
  */
  read(timeoutMs: number): Uint8Array | undefined;
  /**
  * Ends it.
  */
  kill(): void;
}
