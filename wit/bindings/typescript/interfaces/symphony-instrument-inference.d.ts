// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:instrument/inference@0.1.0 **/
/**
 * Applies the model to the inputs; names, defaults and checks as for `symphony:operator/transform.process`.
 */
export function invoke(inputs: Array<Entry>, settings: Array<Entry>): Array<Entry>;
export type Entry = import('./symphony-types-types.js').Entry;
export type Error = import('./symphony-types-types.js').Error;
