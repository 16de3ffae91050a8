// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/secrets@0.1.0 **/
/**
 * HMAC with SHA-256 of some bytes, with the secret as the key.
 */
export function sign(name: string, data: Uint8Array): Uint8Array;
export type Error = import('./symphony-types-types.js').Error;
