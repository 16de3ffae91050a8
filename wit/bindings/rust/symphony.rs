//! Symphony's contracts for guests in Rust: one file, no crate. Structs are the canonical ABI's own layout of wit/types/types.wit, so
//! inputs are read where the host wrote them. The author writes `pub fn process(call: &mut Call) -> Result<(), Fault>` in index.rs.
//! Leaves out files, artifacts and what else needs a capability: declare those imports as WIT has them, or use wit-bindgen.
#![allow(dead_code)]
use std::alloc::{alloc, realloc, Layout};

// ---- values ----

#[repr(C)]
#[derive(Clone, Copy)]
struct Str {
    data: *const u8,
    length: u32,
}

impl Str {
    fn text(&self) -> &'static str {
        if self.length == 0 {
            return "";
        }
        // the canonical ABI gives valid UTF-8, which lives as long as the call
        unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(self.data, self.length as usize)) }
    }
    fn of(text: String) -> Str {
        let text = text.into_boxed_str();
        let out = Str { data: text.as_ptr(), length: text.len() as u32 };
        std::mem::forget(text);
        out
    }
}

/// As WIT's variant: a tag, then 24 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct RawValue {
    kind: u8,
    payload: [u64; 3],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawEntry {
    name: Str,
    value: RawValue,
}

/// One value of a port or a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
    /// JSON text.
    Json(String),
    Bytes { media_type: String, data: Vec<u8> },
    Artifact { id: String, size: f64, media_type: String },
    /// Lists don't nest.
    Items(Vec<Value>),
}

unsafe fn words(payload: &[u64; 3]) -> [u32; 6] {
    std::mem::transmute(*payload)
}

unsafe fn raw_str(data: u32, length: u32) -> Str {
    Str { data: data as usize as *const u8, length }
}

fn lift(raw: &RawValue) -> Value {
    unsafe {
        let w = words(&raw.payload);
        match raw.kind {
            1 => Value::Boolean(w[0] & 0xff != 0),
            2 => Value::Number(f64::from_bits(raw.payload[0])),
            3 => Value::Text(raw_str(w[0], w[1]).text().to_string()),
            4 => Value::Json(raw_str(w[0], w[1]).text().to_string()),
            5 => Value::Bytes {
                media_type: raw_str(w[0], w[1]).text().to_string(),
                data: if w[3] == 0 { Vec::new() } else { std::slice::from_raw_parts(w[2] as usize as *const u8, w[3] as usize).to_vec() },
            },
            6 => Value::Artifact {
                id: raw_str(w[0], w[1]).text().to_string(),
                size: f64::from_bits(raw.payload[1]),
                media_type: raw_str(w[4], w[5]).text().to_string(),
            },
            7 => Value::Items((0..w[1] as usize).map(|i| lift(&*(w[0] as usize as *const RawValue).add(i))).collect()),
            _ => Value::Null,
        }
    }
}

fn lower(value: Value) -> RawValue {
    let pair = |text: Str| (text.data as usize as u64) | ((text.length as u64) << 32);
    let mut payload = [0u64; 3];
    let kind = match value {
        Value::Null => 0,
        Value::Boolean(given) => {
            payload[0] = given as u64;
            1
        }
        Value::Number(given) => {
            payload[0] = given.to_bits();
            2
        }
        Value::Text(given) => {
            payload[0] = pair(Str::of(given));
            3
        }
        Value::Json(given) => {
            payload[0] = pair(Str::of(given));
            4
        }
        Value::Bytes { media_type, data } => {
            payload[0] = pair(Str::of(media_type));
            let data = data.into_boxed_slice();
            payload[1] = (data.as_ptr() as usize as u64) | ((data.len() as u64) << 32);
            std::mem::forget(data);
            5
        }
        Value::Artifact { id, size, media_type } => {
            payload[0] = pair(Str::of(id));
            payload[1] = size.to_bits();
            payload[2] = pair(Str::of(media_type));
            6
        }
        Value::Items(items) => {
            let items: Box<[RawValue]> = items.into_iter().map(lower).collect();
            payload[0] = (items.as_ptr() as usize as u64) | ((items.len() as u64) << 32);
            std::mem::forget(items);
            7
        }
    };
    RawValue { kind, payload }
}

// ---- faults ----

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum ErrorKind {
    InvalidInput,
    InvalidSettings,
    NotFound,
    Denied,
    Conflict,
    Limit,
    Unavailable,
    Timeout,
    Cancelled,
    Unsupported,
    Internal,
}

/// Why a call failed. With `retry_after_ms` it may pass, and the melody's retry rule applies.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: ErrorKind,
    /// Dotted lower case, for programs.
    pub code: String,
    pub message: String,
    /// The input port or setting at fault.
    pub name: Option<String>,
    pub retry_after_ms: Option<u32>,
}

impl Fault {
    pub fn new(kind: ErrorKind, code: &str, message: &str) -> Fault {
        Fault { kind, code: code.to_string(), message: message.to_string(), name: None, retry_after_ms: None }
    }
    pub fn at(mut self, name: &str) -> Fault {
        self.name = Some(name.to_string());
        self
    }
}

// ---- the call ----

/// One call: what came in, what goes out.
pub struct Call {
    pub inputs: Vec<(String, Value)>,
    pub settings: Vec<(String, Value)>,
    outputs: Vec<(String, Value)>,
}

impl Call {
    /// What a port holds; none when nothing fed it.
    pub fn input(&self, port: &str) -> Option<&Value> {
        self.inputs.iter().find(|(name, _)| name == port).map(|(_, value)| value)
    }
    pub fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
    /// The text at an input port.
    pub fn text(&self, port: &str) -> Result<&str, Fault> {
        match self.input(port) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(Fault::new(ErrorKind::InvalidInput, "input.text", "expected a text").at(port)),
        }
    }
    /// A setting that is a number.
    pub fn number(&self, name: &str) -> Result<f64, Fault> {
        match self.setting(name) {
            Some(Value::Number(number)) => Ok(*number),
            _ => Err(Fault::new(ErrorKind::InvalidSettings, "settings.number", "expected a number").at(name)),
        }
    }
    pub fn output(&mut self, port: &str, value: Value) {
        self.outputs.push((port.to_string(), value));
    }
}

// ---- host ----

#[link(wasm_import_module = "symphony:host/log@0.1.0")]
extern "C" {
    #[link_name = "write"]
    fn host_log(level: u32, message: *const u8, length: u32);
}
#[link(wasm_import_module = "symphony:host/call@0.1.0")]
extern "C" {
    #[link_name = "remaining-ms"]
    fn host_remaining() -> u32;
    #[link_name = "cancelled"]
    fn host_cancelled() -> u32;
    #[link_name = "attempt"]
    fn host_attempt() -> u32;
}

pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// One line for people.
pub fn log(level: Level, message: &str) {
    unsafe { host_log(level as u32, message.as_ptr(), message.len() as u32) }
}
/// Milliseconds until the host ends this call.
pub fn remaining_ms() -> u32 {
    unsafe { host_remaining() }
}
/// Whether nobody wants the result any more.
pub fn cancelled() -> bool {
    unsafe { host_cancelled() != 0 }
}
/// 1 for the first attempt.
pub fn attempt() -> u32 {
    unsafe { host_attempt() }
}

// ---- entry ----

#[no_mangle]
pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return align as *mut u8;
    }
    let at = if old_size == 0 { alloc(Layout::from_size_align_unchecked(size, align)) } else { realloc(old, Layout::from_size_align_unchecked(old_size, align), size) };
    if at.is_null() {
        std::process::abort();
    }
    at
}

#[repr(C)]
struct RawOption {
    present: u32,
    text: Str,
}

/// result<list<entry>, error>, in the canonical ABI's layout: a tag, then at 4 what follows.
#[repr(C)]
struct RawResult {
    tag: u32,
    payload: [u32; 13],
}

static mut RESULT: RawResult = RawResult { tag: 0, payload: [0; 13] };

unsafe fn entries(at: *const RawEntry, count: u32) -> Vec<(String, Value)> {
    (0..count as usize).map(|i| &*at.add(i)).map(|entry| (entry.name.text().to_string(), lift(&entry.value))).collect()
}

#[no_mangle]
pub unsafe extern "C" fn symphony_call(inputs: *const u8, input_count: u32, settings: *const u8, setting_count: u32) -> *const u8 {
    // a panic ends the instance; its place and words are told before
    std::panic::set_hook(Box::new(|info| log(Level::Error, &info.to_string())));
    let mut call = Call {
        inputs: entries(inputs as *const RawEntry, input_count),
        settings: entries(settings as *const RawEntry, setting_count),
        outputs: Vec::new(),
    };
    let mut payload = [0u32; 13];
    let tag = match crate::index::process(&mut call) {
        Ok(()) => {
            let outputs: Box<[RawEntry]> = call.outputs.into_iter().map(|(name, value)| RawEntry { name: Str::of(name), value: lower(value) }).collect();
            payload[0] = outputs.as_ptr() as usize as u32;
            payload[1] = outputs.len() as u32;
            std::mem::forget(outputs);
            0
        }
        Err(fault) => {
            let put = |payload: &mut [u32; 13], at: usize, text: Str| {
                payload[at] = text.data as usize as u32;
                payload[at + 1] = text.length;
            };
            payload[0] = fault.retry_after_ms.is_some() as u32;
            payload[1] = fault.kind as u32;
            put(&mut payload, 2, Str::of(fault.code));
            put(&mut payload, 4, Str::of(fault.message));
            if let Some(name) = fault.name {
                payload[6] = 1;
                put(&mut payload, 7, Str::of(name));
            }
            payload[12] = fault.retry_after_ms.unwrap_or(0);
            1
        }
    };
    RESULT = RawResult { tag, payload };
    std::ptr::addr_of!(RESULT) as *const u8
}

/// What a call took stays with the instance, which lives as long as a run.
#[no_mangle]
pub extern "C" fn symphony_post(_: *const u8) {}
