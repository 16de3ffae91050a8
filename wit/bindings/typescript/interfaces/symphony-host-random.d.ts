// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/random@0.1.0 **/
/**
 * So many bytes (at most 64 KiB) that nobody can foretell.
 */
export function bytes(length: number): Uint8Array;
