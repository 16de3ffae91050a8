// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/clock@0.1.0 **/
/**
 * Milliseconds since 1970, by this machine's clock.
 */
export function now(): number;
/**
 * Milliseconds from some moment on; never goes back.
 */
export function monotonic(): number;
/**
 * Waits. The call's deadline goes on meanwhile.
 */
export function sleep(ms: number): void;
