// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/log@0.1.0 **/
/**
 * Writes one line; the host cuts it at 4096 characters and drops lines beyond 1000 a call.
 */
export function write(level: Level, message: string): void;
/**
 * How much the line matters.
 * # Variants
 * 
 * ## `"debug"`
 * 
 * ## `"info"`
 * 
 * ## `"warn"`
 * 
 * ## `"error"`
 */
export type Level = 'debug' | 'info' | 'warn' | 'error';
