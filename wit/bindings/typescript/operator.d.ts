// Generated from wit/ by `npm run bindings`; never edited.
// world local:mine/all
export type * as SymphonyHostArtifacts010 from './interfaces/symphony-host-artifacts.js'; // import symphony:host/artifacts@0.1.0
export type * as SymphonyHostCall010 from './interfaces/symphony-host-call.js'; // import symphony:host/call@0.1.0
export type * as SymphonyHostFiles010 from './interfaces/symphony-host-files.js'; // import symphony:host/files@0.1.0
export type * as SymphonyHostLog010 from './interfaces/symphony-host-log.js'; // import symphony:host/log@0.1.0
export type * as SymphonyHostProgress010 from './interfaces/symphony-host-progress.js'; // import symphony:host/progress@0.1.0
export type * as SymphonyTypesTypes010 from './interfaces/symphony-types-types.js'; // import symphony:types/types@0.1.0
export * as transform from './interfaces/symphony-operator-transform.js'; // export symphony:operator/transform@0.1.0
