// Generated from wit/ by `npm run bindings`; never edited.
// world local:mine/all
export type * as SymphonyHostArtifacts010 from './interfaces/symphony-host-artifacts.js'; // import symphony:host/artifacts@0.1.0
export type * as SymphonyHostCall010 from './interfaces/symphony-host-call.js'; // import symphony:host/call@0.1.0
export type * as SymphonyHostClock010 from './interfaces/symphony-host-clock.js'; // import symphony:host/clock@0.1.0
export type * as SymphonyHostFiles010 from './interfaces/symphony-host-files.js'; // import symphony:host/files@0.1.0
export type * as SymphonyHostHttp010 from './interfaces/symphony-host-http.js'; // import symphony:host/http@0.1.0
export type * as SymphonyHostKeyValue010 from './interfaces/symphony-host-key-value.js'; // import symphony:host/key-value@0.1.0
export type * as SymphonyHostLog010 from './interfaces/symphony-host-log.js'; // import symphony:host/log@0.1.0
export type * as SymphonyHostModel010 from './interfaces/symphony-host-model.js'; // import symphony:host/model@0.1.0
export type * as SymphonyHostProcess010 from './interfaces/symphony-host-process.js'; // import symphony:host/process@0.1.0
export type * as SymphonyHostProgress010 from './interfaces/symphony-host-progress.js'; // import symphony:host/progress@0.1.0
export type * as SymphonyHostRandom010 from './interfaces/symphony-host-random.js'; // import symphony:host/random@0.1.0
export type * as SymphonyHostSecrets010 from './interfaces/symphony-host-secrets.js'; // import symphony:host/secrets@0.1.0
export type * as SymphonyTypesTypes010 from './interfaces/symphony-types-types.js'; // import symphony:types/types@0.1.0
export * as inference from './interfaces/symphony-instrument-inference.js'; // export symphony:instrument/inference@0.1.0
