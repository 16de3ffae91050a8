// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/progress@0.1.0 **/
/**
 * Says that `fraction` (0 to 1) of this call is done; `note` is shown beside it. The host shows at most one report in 50 ms.
 */
export function report(fraction: number, note: string): void;
