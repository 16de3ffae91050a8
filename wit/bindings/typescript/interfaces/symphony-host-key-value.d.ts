// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/key-value@0.1.0 **/
/**
 * What stands under a key (1 to 512 bytes).
 */
export function get(key: string): Uint8Array | undefined;
/**
 * Puts up to 1 MiB there.
 */
export function set(key: string, value: Uint8Array): void;
/**
 * Takes it away; no error where nothing stands.
 */
export { _delete as delete };
function _delete(key: string): void;
/**
 * Up to 1000 keys that follow `after`, in the order of their bytes.
 */
export function keys(after: string | undefined): Array<string>;
/**
 * Adds to a whole number, in one act; nothing counts as 0. Gives the sum.
 */
export function increment(key: string, by: number): number;
export type Error = import('./symphony-types-types.js').Error;
