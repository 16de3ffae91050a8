// Symphony's contracts for guests in AssemblyScript: values, errors, host calls, and the canonical ABI beneath them.
// Written by hand against wit/ at 0.1.0; strings cross as UTF-16, so embed the component type with that encoding.

export enum Kind { Null, Boolean, Number, Text, Json, Bytes, Artifact, Items }

/**
 * One value of `symphony:types/types.value`. What it holds depends on `kind`: reading anything else ends the call with a
 * fault that names the port or setting, so that a mistyped name is not taken for an empty text.
 */
export class Value {
  kind: Kind = Kind.Null;
  /** Where it came from, for faults: "input text", "setting marks". */
  from: string = "";
  private ownFlag: bool = false;
  private ownNumber: f64 = 0;
  private ownText: string = "";
  private ownBytes: Uint8Array = NO_BYTES;
  private ownItems: Value[] = NO_ITEMS;
  /** Bytes and artifact: the media type. */
  mediaType: string = "";

  /** Boolean. */
  get flag(): bool { this.expect(this.kind == Kind.Boolean, "a boolean"); return this.ownFlag; }
  set flag(flag: bool) { this.ownFlag = flag; }
  /** Number; for an artifact its size in bytes. */
  get number(): f64 { this.expect(this.kind == Kind.Number || this.kind == Kind.Artifact, "a number"); return this.ownNumber; }
  set number(number: f64) { this.ownNumber = number; }
  /** Text and json; for an artifact its id. */
  get text(): string {
    this.expect(this.kind == Kind.Text || this.kind == Kind.Json || this.kind == Kind.Artifact, "a text");
    return this.ownText;
  }
  set text(text: string) { this.ownText = text; }
  get bytes(): Uint8Array { this.expect(this.kind == Kind.Bytes, "bytes"); return this.ownBytes; }
  set bytes(bytes: Uint8Array) { this.ownBytes = bytes; }
  get items(): Value[] { this.expect(this.kind == Kind.Items, "a list"); return this.ownItems; }
  set items(items: Value[]) { this.ownItems = items; }

  private expect(holds: bool, what: string): void {
    if (holds || misuse) return;
    const place = this.from.length ? this.from : "a value";
    misuse = new Fault(
      ErrorKind.Internal,
      "guest.misuse",
      place + (this.kind == Kind.Null ? " holds nothing" : " holds " + KINDS[this.kind]) + "; this extension reads it as " + what + " (ask has() first where it may be absent)",
    );
  }

  static text(text: string): Value { const v = new Value(); v.kind = Kind.Text; v.text = text; return v; }
  static json(text: string): Value { const v = new Value(); v.kind = Kind.Json; v.text = text; return v; }
  static number(n: f64): Value { const v = new Value(); v.kind = Kind.Number; v.number = n; return v; }
  static boolean(b: bool): Value { const v = new Value(); v.kind = Kind.Boolean; v.flag = b; return v; }
  static items(items: Value[]): Value { const v = new Value(); v.kind = Kind.Items; v.items = items; return v; }
  static bytes(mediaType: string, bytes: Uint8Array): Value {
    const v = new Value(); v.kind = Kind.Bytes; v.mediaType = mediaType; v.bytes = bytes; return v;
  }
  static artifact(id: string, size: f64, mediaType: string): Value {
    const v = new Value(); v.kind = Kind.Artifact; v.text = id; v.number = size; v.mediaType = mediaType; return v;
  }
}

export enum ErrorKind {
  InvalidInput, InvalidSettings, NotFound, Denied, Conflict, Limit, Unavailable, Timeout, Cancelled, Unsupported, Internal,
}

const KINDS: string[] = ["nothing", "a boolean", "a number", "a text", "json", "bytes", "an artifact", "a list"];
const NO_BYTES = new Uint8Array(0);
const NO_ITEMS: Value[] = [];
/** The first read of a value as something that it isn't, in the call under way. */
let misuse: Fault | null = null;

/** A failed call; `transient` says that a retry may help. */
export class Fault {
  name: string = "";
  transient: bool = false;
  retryAfterMs: u32 = 0;
  constructor(public kind: ErrorKind, public code: string, public message: string) {}
}

/** Inputs, settings and outputs of the call under way. */
export class Call {
  private names: string[] = [];
  private values: Value[] = [];
  private settingNames: string[] = [];
  private settingValues: Value[] = [];
  outputNames: string[] = [];
  outputs: Value[] = [];
  fault: Fault | null = null;

  constructor(inputs: usize, inputCount: i32, settings: usize, settingCount: i32) {
    misuse = null;
    liftEntries(inputs, inputCount, "input ", this.names, this.values);
    liftEntries(settings, settingCount, "setting ", this.settingNames, this.settingValues);
  }

  has(port: string): bool { return this.names.includes(port); }
  /** The value at a port, or a null value when nothing fed it. */
  input(port: string): Value {
    const at = this.names.indexOf(port);
    return at < 0 ? absent("input " + port) : this.values[at];
  }
  inputNames(): string[] { return this.names; }
  setting(name: string): Value {
    const at = this.settingNames.indexOf(name);
    return at < 0 ? absent("setting " + name) : this.settingValues[at];
  }
  /** A number setting; the manifest gives its default. */
  number(name: string): f64 { return this.setting(name).number; }
  text(name: string): string { return this.setting(name).text; }
  flag(name: string): bool { return this.setting(name).flag; }

  output(port: string, value: Value): void { this.outputNames.push(port); this.outputs.push(value); }
  /** Ends the call with a fault; what was output is dropped. */
  fail(kind: ErrorKind, code: string, message: string, name: string = ""): void {
    const fault = new Fault(kind, code, message);
    fault.name = name;
    this.fault = fault;
  }
}

function absent(from: string): Value { const v = new Value(); v.from = from; return v; }

// ---- canonical ABI: sizes and offsets of the records in wit/types/types.wit ----
const ENTRY: usize = 40;
const VALUE: usize = 32;
const RESULT: usize = 56;

export function realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  if (size == 0) return align;
  const at = heap.alloc(size);
  if (old && oldSize) { memory.copy(at, old, min(oldSize, size)); heap.free(old); }
  return at;
}

function liftString(at: usize): string {
  const ptr = load<usize>(at), units = load<u32>(at, 4);
  const text = units ? String.UTF16.decodeUnsafe(ptr, units << 1) : "";
  if (units) heap.free(ptr);
  return text;
}

function liftBytes(at: usize): Uint8Array {
  const ptr = load<usize>(at), length = load<u32>(at, 4);
  const bytes = new Uint8Array(length);
  if (length) { memory.copy(bytes.dataStart, ptr, length); heap.free(ptr); }
  return bytes;
}

function liftValue(at: usize): Value {
  const v = new Value();
  v.kind = load<u8>(at);
  switch (v.kind) {
    case Kind.Boolean: v.flag = load<u8>(at, 8) != 0; break;
    case Kind.Number: v.number = load<f64>(at, 8); break;
    case Kind.Text:
    case Kind.Json: v.text = liftString(at + 8); break;
    case Kind.Bytes: v.mediaType = liftString(at + 8); v.bytes = liftBytes(at + 16); break;
    case Kind.Artifact: v.text = liftString(at + 8); v.number = load<f64>(at, 16); v.mediaType = liftString(at + 24); break;
    case Kind.Items: {
      const ptr = load<usize>(at, 8), count = load<u32>(at, 12);
      const items = new Array<Value>(0);
      for (let i: u32 = 0; i < count; i++) items.push(liftValue(ptr + <usize>i * VALUE));
      if (count) heap.free(ptr);
      v.items = items;
      break;
    }
    default: break;
  }
  return v;
}

function liftEntries(ptr: usize, count: i32, from: string, names: string[], values: Value[]): void {
  for (let i = 0; i < count; i++) {
    const at = ptr + <usize>i * ENTRY;
    names.push(liftString(at));
    const value = liftValue(at + 8);
    value.from = from + names[i];
    values.push(value);
  }
  if (count) heap.free(ptr);
}

function lowerString(at: usize, text: string): void {
  const units = text.length;
  const ptr = units ? heap.alloc(<usize>units << 1) : 2;
  if (units) memory.copy(ptr, changetype<usize>(text), <usize>units << 1);
  store<usize>(at, ptr);
  store<u32>(at, units, 4);
}

function lowerBytes(at: usize, bytes: Uint8Array): void {
  const length = bytes.length;
  const ptr = length ? heap.alloc(length) : 1;
  if (length) memory.copy(ptr, bytes.dataStart, length);
  store<usize>(at, ptr);
  store<u32>(at, length, 4);
}

function lowerValue(at: usize, v: Value): void {
  store<u8>(at, <u8>v.kind);
  switch (v.kind) {
    case Kind.Boolean: store<u8>(at, v.flag ? 1 : 0, 8); break;
    case Kind.Number: store<f64>(at, v.number, 8); break;
    case Kind.Text:
    case Kind.Json: lowerString(at + 8, v.text); break;
    case Kind.Bytes: lowerString(at + 8, v.mediaType); lowerBytes(at + 16, v.bytes); break;
    case Kind.Artifact: lowerString(at + 8, v.text); store<f64>(at, v.number, 16); lowerString(at + 24, v.mediaType); break;
    case Kind.Items: {
      const count = v.items.length;
      const ptr = count ? heap.alloc(<usize>count * VALUE) : 8;
      for (let i = 0; i < count; i++) lowerValue(ptr + <usize>i * VALUE, v.items[i]);
      store<usize>(at, ptr, 8);
      store<u32>(at, count, 12);
      break;
    }
    default: break;
  }
}

/** Writes the call's result for the host; free it with `free` in the post-return function. */
export function lower(call: Call): usize {
  const at = heap.alloc(RESULT);
  memory.fill(at, 0, RESULT);
  const fault = call.fault ? call.fault : misuse;
  if (fault) {
    store<u8>(at, 1);
    store<u8>(at, fault.transient ? 1 : 0, 4);
    store<u8>(at, <u8>fault.kind, 8);
    lowerString(at + 12, fault.code);
    lowerString(at + 20, fault.message);
    if (fault.name.length) { store<u8>(at, 1, 28); lowerString(at + 32, fault.name); }
    store<u32>(at, fault.retryAfterMs, 52);
    return at;
  }
  const count = call.outputs.length;
  const list = count ? heap.alloc(<usize>count * ENTRY) : 8;
  for (let i = 0; i < count; i++) {
    lowerString(list + <usize>i * ENTRY, call.outputNames[i]);
    lowerValue(list + <usize>i * ENTRY + 8, call.outputs[i]);
  }
  store<usize>(at, list, 4);
  store<u32>(at, count, 8);
  return at;
}

function freeString(at: usize): void { if (load<u32>(at, 4)) heap.free(load<usize>(at)); }

function freeValue(at: usize): void {
  switch (<i32>load<u8>(at)) {
    case Kind.Text:
    case Kind.Json: freeString(at + 8); break;
    case Kind.Bytes: freeString(at + 8); freeString(at + 16); break;
    case Kind.Artifact: freeString(at + 8); freeString(at + 24); break;
    case Kind.Items: {
      const ptr = load<usize>(at, 8), count = load<u32>(at, 12);
      for (let i: u32 = 0; i < count; i++) freeValue(ptr + <usize>i * VALUE);
      if (count) heap.free(ptr);
      break;
    }
    default: break;
  }
}

/** Frees what `lower` wrote. */
export function free(at: usize): void {
  if (load<u8>(at) == 1) {
    freeString(at + 12);
    freeString(at + 20);
    if (load<u8>(at, 28)) freeString(at + 32);
  } else {
    const list = load<usize>(at, 4), count = load<u32>(at, 8);
    for (let i: u32 = 0; i < count; i++) { freeString(list + <usize>i * ENTRY); freeValue(list + <usize>i * ENTRY + 8); }
    if (count) heap.free(list);
  }
  heap.free(at);
}

// ---- host calls ----
// @ts-ignore: decorator
@external("symphony:host/log@0.1.0", "write")
declare function hostLog(level: i32, message: usize, units: i32): void;
// @ts-ignore: decorator
@external("symphony:host/progress@0.1.0", "report")
declare function hostProgress(fraction: f64, note: usize, units: i32): void;
// @ts-ignore: decorator
@external("symphony:host/call@0.1.0", "remaining-ms")
declare function hostRemaining(): u32;
// @ts-ignore: decorator
@external("symphony:host/call@0.1.0", "cancelled")
declare function hostCancelled(): i32;
// @ts-ignore: decorator
@external("symphony:host/files@0.1.0", "entries")
declare function hostEntries(root: usize, rootUnits: i32, path: usize, pathUnits: i32, some: i32, after: usize, afterUnits: i32, result: usize): void;
// @ts-ignore: decorator
@external("symphony:host/files@0.1.0", "read")
declare function hostRead(root: usize, rootUnits: i32, path: usize, pathUnits: i32, offset: f64, length: u32, result: usize): void;
// @ts-ignore: decorator
@external("symphony:host/artifacts@0.1.0", "read")
declare function hostArtifactRead(id: usize, idUnits: i32, offset: f64, length: u32, result: usize): void;
// @ts-ignore: decorator
@external("symphony:host/artifacts@0.1.0", "[constructor]writer")
declare function hostWriter(mediaType: usize, units: i32): i32;
// @ts-ignore: decorator
@external("symphony:host/artifacts@0.1.0", "[method]writer.append")
declare function hostAppend(writer: i32, data: usize, length: i32, result: usize): void;
// @ts-ignore: decorator
@external("symphony:host/artifacts@0.1.0", "[method]writer.finish")
declare function hostFinish(writer: i32, result: usize): void;
// @ts-ignore: decorator
@external("symphony:host/artifacts@0.1.0", "[resource-drop]writer")
declare function hostDropWriter(writer: i32): void;

export enum Level { Debug, Info, Warn, Error }

export function log(level: Level, message: string): void { hostLog(level, changetype<usize>(message), message.length); }
export function progress(fraction: f64, note: string): void { hostProgress(fraction, changetype<usize>(note), note.length); }
export function remainingMs(): u32 { return hostRemaining(); }
export function cancelled(): bool { return hostCancelled() != 0; }

/** What a host call returned: a fault, or what its function documents. */
export class Answer<T> {
  fault: Fault | null = null;
  constructor(public value: T) {}
}

export class FileEntry {
  constructor(public name: string, public kind: FileKind, public size: f64) {}
}
export enum FileKind { File, Folder, Link, Other }

function liftFault(at: usize): Fault {
  const transient = load<u8>(at) == 1;
  const fault = new Fault(load<u8>(at, 4), liftString(at + 8), liftString(at + 16));
  if (load<u8>(at, 24)) fault.name = liftString(at + 28);
  if (load<u8>(at, 36)) liftString(at + 40);
  fault.transient = transient;
  if (transient) fault.retryAfterMs = load<u32>(at, 48);
  return fault;
}

/** Names in a folder after `after` ("" for the first), at most 1000. */
export function entries(root: string, path: string, after: string): Answer<FileEntry[]> {
  const at = heap.alloc(64);
  hostEntries(changetype<usize>(root), root.length, changetype<usize>(path), path.length, after.length ? 1 : 0, changetype<usize>(after), after.length, at);
  const answer = new Answer<FileEntry[]>([]);
  if (load<u8>(at)) answer.fault = liftFault(at + 4);
  else {
    const list = load<usize>(at, 4), count = load<u32>(at, 8);
    // file-entry: name at 0, kind at 8, size at 16; 24 bytes
    for (let i: u32 = 0; i < count; i++) {
      const entry = list + <usize>i * 24;
      answer.value.push(new FileEntry(liftString(entry), load<u8>(entry, 8), load<f64>(entry, 16)));
    }
    if (count) heap.free(list);
  }
  heap.free(at);
  return answer;
}

function liftRead(at: usize): Answer<Uint8Array> {
  const answer = new Answer<Uint8Array>(new Uint8Array(0));
  if (load<u8>(at)) answer.fault = liftFault(at + 4);
  else answer.value = liftBytes(at + 4);
  heap.free(at);
  return answer;
}

export function read(root: string, path: string, offset: f64, length: u32): Answer<Uint8Array> {
  const at = heap.alloc(64);
  hostRead(changetype<usize>(root), root.length, changetype<usize>(path), path.length, offset, length, at);
  return liftRead(at);
}

export function readArtifact(id: string, offset: f64, length: u32): Answer<Uint8Array> {
  const at = heap.alloc(64);
  hostArtifactRead(changetype<usize>(id), id.length, offset, length, at);
  return liftRead(at);
}

/** Stores bytes as one artifact, in pieces of 256 KiB. */
export function writeArtifact(mediaType: string, data: Uint8Array): Answer<Value> {
  const answer = new Answer<Value>(new Value());
  const writer = hostWriter(changetype<usize>(mediaType), mediaType.length);
  const at = heap.alloc(64);
  for (let from = 0; from < data.length && !answer.fault; from += 262144) {
    hostAppend(writer, data.dataStart + from, min(262144, data.length - from), at);
    if (load<u8>(at)) answer.fault = liftFault(at + 4);
  }
  if (!answer.fault) {
    hostFinish(writer, at);
    // artifact stands at 8: the result's payload holds an f64
    if (load<u8>(at)) answer.fault = liftFault(at + 8);
    else answer.value = Value.artifact(liftString(at + 8), load<f64>(at, 16), liftString(at + 24));
  }
  hostDropWriter(writer);
  heap.free(at);
  return answer;
}

/** What `abort` becomes: the message goes to the log, then the instance traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(Level.Error, (message ? message : "abort") + " at " + (file ? file : "?") + ":" + line.toString());
  unreachable();
}
