// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:operator/transform@0.1.0 **/
/**
 * Computes the outputs from the inputs.
 * 
 * `inputs` holds the ports that were fed or have a default, `settings` the node's settings with their defaults; both
 * are checked against the manifest and sorted by name. Return one entry for each output port that the manifest
 * doesn't mark optional; the host refuses names and types that it doesn't declare.
 */
export function process(inputs: Array<Entry>, settings: Array<Entry>): Array<Entry>;
export type Entry = import('./symphony-types-types.js').Entry;
export type Error = import('./symphony-types-types.js').Error;
