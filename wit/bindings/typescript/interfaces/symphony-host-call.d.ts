// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/call@0.1.0 **/
/**
 * Milliseconds left before the host ends this call and discards the instance.
 */
export function remainingMs(): number;
/**
 * Whether the result is still wanted; a step that sees `true` should return soon, with any result.
 */
export function cancelled(): boolean;
/**
 * Equal for every attempt at the same work in the same run, and for nothing else; for requests that must not be done twice.
 */
export function idempotencyKey(): string;
/**
 * 1 for the first attempt, one more for each retry.
 */
export function attempt(): number;
