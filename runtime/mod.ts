// The public door of the runtime. Browser compatible: nothing here reaches a platform or a transport.
export { type Clock, systemClock } from "./clock.ts";
export { CODES, type ErrorCode, type Fault, SymphonyError } from "./error.ts";
export { Gathered } from "./workflow/condition.ts";
export { createEventLog, type EndState, type EventLog, type EventSink, type RunEvent, type RunOrigin, type RunPart, type RunRecord, type RunState } from "./event.ts";
export type { ArtifactPort, Grants, HostServices, KeyStore, ModelProvider } from "./extension/capabilities/services.ts";
export { type CallCost, checkComponent, createExtensionHost, factsOf, type ExtensionHost, type StepNote } from "./extension/host.ts";
export { type Gated, gate } from "./extension/gate/gate.ts";
export { createIsolatePool, type IsolatePool } from "./extension/isolate/pool.ts";
export { createCatalogue, discoverExtensions, type Extension, type LoadedCatalogue } from "./extension/loader.ts";
export { type FormField, type FormGroup, settingsForm, settingsJsonSchema } from "./extension/manifest/form.ts";
export { type Manifest, parseManifest, type PortSpec, type SettingSpec } from "./extension/manifest/manifest.ts";
export { manifestJsonSchema } from "./extension/manifest/schema.ts";
export { spellManifest, spellManifestJson } from "./extension/manifest/spell.ts";
export { IDENTIFIER, identifierFault, looksOf } from "./identifier.ts";
export { type Capability, describeCapability } from "./extension/manifest/capability.ts";
export { createPreparer, type Preparer } from "./extension/prepare/prepare.ts";
export { JSON_DEPTH_MAX, tooDeepAt } from "./json-depth.ts";
export { compareUtf8 } from "./order.ts";
export { faultsOf } from "./schema.ts";
export { type AuditEntry, type AuditLine, type AuditLog, type AuditRead, openAudit, readAudit } from "./extension/permission/audit.ts";
export { createPermissions, type Permissions } from "./extension/permission/permissions.ts";
export {
  type Asked,
  askedRights,
  askedTexts,
  type Decisions,
  decisionsFor,
  type Grant,
  grantHolds,
  openQuestions,
  type Policy,
  type RunFacts,
  type RunGrant,
} from "./extension/permission/policy.ts";
export { isLocalName } from "./extension/permission/address.ts";
export { covers, describeRight, makeRight, namesHost, parseRight, type Right, spellPathObject } from "./extension/permission/right.ts";
export { NO_SETTINGS, parseSettings, type SecretPlace, type Settings } from "./settings.ts";
export type { AppendFile, AppendFolder, Digest, Folder, Platform, ProcessPlatform, Storage } from "./platform/platform.ts";
export {
  type ArtifactRef,
  type Entry,
  type Item,
  MEDIA_TYPE,
  parsePortType,
  type PortType,
  spellJsonForm,
  spellPortType,
  spellValueType,
  type Value,
  valueFault,
  valueFits,
  valueFromJson,
  valueToJson,
  weighValue,
} from "./value.ts";
export { ancestors, createGraph, descendants, findCycle, type Graph, topologicalOrder, walkGraph, weightedPath } from "./workflow/graph.ts";
export { type DiagramStates, layout, toMermaid, toSvg } from "./workflow/diagram.ts";
export { invalidatedBy, markAll } from "./workflow/impact.ts";
export { spellMelody } from "./workflow/spell.ts";
export { createMelody, type ExtensionShape, type Port, type Shapes, type TypeName } from "./workflow/builder.ts";
export { spellShapes } from "./workflow/shapes.ts";
export { applyEdit, type Edit, type Edited, rebaseEdit } from "./workflow/edit.ts";
export { melodyError, melodyJsonSchema, readMelody } from "./workflow/melody.ts";
export type { Catalogue, MelodyPort, Plan, PlanNode } from "./workflow/plan.ts";
export { planMelody } from "./workflow/plan-melody.ts";
