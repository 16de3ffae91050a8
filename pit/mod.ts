// The public door of the Pit. Browser compatible. Its other parts (Pool Manager, Arbitration Engine, Stale Manager)
// will stand beside these two.
export { type ArtifactStore, createArtifactStore } from "./artifact-store/artifact-store.ts";
export { createDagTracker } from "./dag-tracker/run.ts";
export { isOrigin, parseEvent, readJournal, spellEvent } from "./dag-tracker/journal.ts";
export { createJournal, type Durability, hasBegun, type Journal, type KeptRun, loadOutputs, loadPast, openJournal, readKept } from "./dag-tracker/journal-folder.ts";
export { keepLarge, loadLarge, readPart, readValues, spellPart, spellValues, type ValueStore } from "./dag-tracker/written.ts";
export { createMemory, type Memory, type TextStore } from "./dag-tracker/memory.ts";
export { partOf } from "./dag-tracker/part.ts";
export { createProgress, type Progress, type RunProgress, type Times } from "./dag-tracker/progress.ts";
export { emptyPast, foldEvent, foldEvents, type NodeSnapshot, nodesToReset, type Past, type PastNode, type RunSnapshot, snapshotOf, withoutOutputs } from "./dag-tracker/past.ts";
export type { DagTracker, Decision, RunHandle, RunResult, StepTask, TrackerPorts } from "./dag-tracker/tracker.ts";
export { createSlot, type Slot } from "./slot.ts";
