// Symphony's contracts for guests in C: one header, no libc, no second object file. The structs below are the canonical
// ABI's own layout of wit/types/types.wit, so inputs are read where the host wrote them and outputs are copied by nobody.
//
// The author includes this once and writes `void process(sym_call *call)`. Text is UTF-8 and not NUL-terminated.
// All memory, inputs too, belongs to the call: it is gone after `process` has returned and the host has read the result.
// Nothing is freed one by one. Static variables live as long as the run. The stack has 64 KiB.
// Leaves out floating-point formatting, JSON and everything else that isn't a contract.
#ifndef SYMPHONY_H
#define SYMPHONY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- values ----

typedef struct {
  const char *data;
  uint32_t length;
} sym_string;

typedef struct {
  const uint8_t *data;
  uint32_t length;
} sym_bytes;

typedef enum { SYM_NULL, SYM_BOOLEAN, SYM_NUMBER, SYM_TEXT, SYM_JSON, SYM_BYTES, SYM_ARTIFACT, SYM_ITEMS } sym_kind;

// One value; which member holds depends on `kind` (a sym_kind). Items don't nest.
typedef struct sym_value {
  uint8_t kind;
  union {
    bool boolean;
    double number;
    // Text and json.
    sym_string text;
    struct { sym_string media_type; sym_bytes data; } bytes;
    struct { sym_string id; double size; sym_string media_type; } artifact;
    struct { const struct sym_value *data; uint32_t length; } items;
  };
} sym_value;

typedef struct {
  sym_string name;
  sym_value value;
} sym_entry;

typedef enum {
  SYM_INVALID_INPUT, SYM_INVALID_SETTINGS, SYM_NOT_FOUND, SYM_DENIED, SYM_CONFLICT, SYM_LIMIT, SYM_UNAVAILABLE, SYM_TIMEOUT,
  SYM_CANCELLED, SYM_UNSUPPORTED, SYM_INTERNAL,
} sym_error_kind;

// Text that may be absent.
typedef struct {
  uint8_t present;
  sym_string text;
} sym_option;

// A failed call. `kind` is a sym_error_kind; `retry_after_ms` holds only when `transient`.
typedef struct {
  uint8_t transient;
  uint8_t kind __attribute__((aligned(4)));
  sym_string code;
  sym_string message;
  // The input port or setting at fault.
  sym_option name;
  // JSON.
  sym_option details;
  uint32_t retry_after_ms;
} sym_error;

_Static_assert(sizeof(sym_value) == 32 && _Alignof(sym_value) == 8 && offsetof(sym_value, number) == 8, "layout of value");
_Static_assert(sizeof(sym_entry) == 40 && offsetof(sym_entry, value) == 8, "layout of entry");
_Static_assert(sizeof(sym_error) == 52 && offsetof(sym_error, kind) == 4 && offsetof(sym_error, code) == 8 && offsetof(sym_error, retry_after_ms) == 48, "layout of error");

// The call under way. Read it through the functions below.
typedef struct {
  const sym_entry *inputs;
  uint32_t input_count;
  const sym_entry *settings;
  uint32_t setting_count;
  sym_entry *outputs;
  uint32_t output_count;
  uint32_t output_room;
  bool failed;
  sym_error error;
} sym_call;

// Written by the author. Returning without sym_fail makes the outputs the result.
void process(sym_call *call);

// ---- memory ----

#define SYM_PAGE 65536u

extern unsigned char __heap_base;
static uintptr_t sym_top;

// Room for `size` bytes until the call is over, or NULL at the memory limit. Not zeroed. `align` is a power of two.
static inline void *sym_try_allocate(size_t size, size_t align) {
  uintptr_t base = sym_top ? sym_top : (uintptr_t)&__heap_base;
  uintptr_t at = (base + align - 1) & ~(uintptr_t)(align - 1);
  if (at < base || size > UINTPTR_MAX - at) return NULL;
  uintptr_t end = at + size;
  size_t pages = __builtin_wasm_memory_size(0);
  size_t needed = end / SYM_PAGE + (end % SYM_PAGE != 0);
  if (needed > pages && __builtin_wasm_memory_grow(0, needed - pages) == SIZE_MAX) return NULL;
  sym_top = end;
  return (void *)at;
}

// As sym_try_allocate, aligned for everything; ends the instance at the memory limit.
static inline void *sym_allocate(size_t size) {
  void *at = sym_try_allocate(size, 8);
  if (!at) __builtin_trap();
  return at;
}

// Compilers call these for the copying of structs. With -mbulk-memory they are single instructions, which the meter
// charges by size; otherwise eight bytes a turn.
void *memcpy(void *restrict to, const void *restrict from, size_t count) {
#ifdef __wasm_bulk_memory__
  return __builtin_memcpy(to, from, count);
#else
  typedef uint64_t word __attribute__((aligned(1), may_alias));
  unsigned char *t = to;
  const unsigned char *f = from;
  for (; count >= 8; count -= 8, t += 8, f += 8) *(word *)t = *(const word *)f;
  while (count--) *t++ = *f++;
  return to;
#endif
}

void *memmove(void *to, const void *from, size_t count) {
#ifdef __wasm_bulk_memory__
  return __builtin_memmove(to, from, count);
#else
  if ((uintptr_t)to <= (uintptr_t)from) {
    unsigned char *t = to;
    const unsigned char *f = from;
    while (count--) *t++ = *f++;
  } else
    while (count--) ((unsigned char *)to)[count] = ((const unsigned char *)from)[count];
  return to;
#endif
}

void *memset(void *to, int byte, size_t count) {
#ifdef __wasm_bulk_memory__
  return __builtin_memset(to, byte, count);
#else
  typedef uint64_t word __attribute__((aligned(1), may_alias));
  unsigned char *t = to;
  uint64_t filled = 0x0101010101010101u * (unsigned char)byte;
  for (; count >= 8; count -= 8, t += 8) *(word *)t = filled;
  while (count--) *t++ = (unsigned char)byte;
  return to;
#endif
}

int memcmp(const void *one, const void *other, size_t count) {
  const unsigned char *a = one, *b = other;
  for (; count; count--, a++, b++)
    if (*a != *b) return *a < *b ? -1 : 1;
  return 0;
}

// ---- text ----

// A C string as text; the bytes are not copied.
static inline sym_string sym_str(const char *text) {
  uint32_t length = 0;
  while (text[length]) length++;
  return (sym_string){text, length};
}

static inline bool sym_equal(sym_string a, sym_string b) { return a.length == b.length && memcmp(a.data, b.data, a.length) == 0; }

// ---- inputs and settings ----

static const sym_value sym_absent;

static inline const sym_value *sym_find(const sym_entry *entries, uint32_t count, const char *name) {
  sym_string wanted = sym_str(name);
  for (uint32_t i = 0; i < count; i++)
    if (sym_equal(entries[i].name, wanted)) return &entries[i].value;
  return NULL;
}

static inline bool sym_has(const sym_call *call, const char *port) { return sym_find(call->inputs, call->input_count, port) != NULL; }

// The value at a port; a null value when nothing fed it.
static inline const sym_value *sym_input(const sym_call *call, const char *port) {
  const sym_value *found = sym_find(call->inputs, call->input_count, port);
  return found ? found : &sym_absent;
}

static inline const sym_value *sym_setting(const sym_call *call, const char *name) {
  const sym_value *found = sym_find(call->settings, call->setting_count, name);
  return found ? found : &sym_absent;
}

// A setting of a type; 0, "" or false when it is of another type or not set. The manifest gives defaults.
static inline double sym_number_setting(const sym_call *call, const char *name) {
  const sym_value *found = sym_setting(call, name);
  return found->kind == SYM_NUMBER ? found->number : 0;
}
static inline sym_string sym_text_setting(const sym_call *call, const char *name) {
  const sym_value *found = sym_setting(call, name);
  return found->kind == SYM_TEXT || found->kind == SYM_JSON ? found->text : (sym_string){"", 0};
}
static inline bool sym_boolean_setting(const sym_call *call, const char *name) {
  const sym_value *found = sym_setting(call, name);
  return found->kind == SYM_BOOLEAN && found->boolean;
}

// ---- outputs and faults ----

static inline sym_value sym_null(void) { return (sym_value){.kind = SYM_NULL}; }
static inline sym_value sym_boolean(bool boolean) { return (sym_value){.kind = SYM_BOOLEAN, .boolean = boolean}; }
// The host refuses NaN and infinities.
static inline sym_value sym_number(double number) { return (sym_value){.kind = SYM_NUMBER, .number = number}; }
static inline sym_value sym_text(sym_string text) { return (sym_value){.kind = SYM_TEXT, .text = text}; }
static inline sym_value sym_json(sym_string json) { return (sym_value){.kind = SYM_JSON, .text = json}; }
static inline sym_value sym_blob(sym_string media_type, sym_bytes data) {
  return (sym_value){.kind = SYM_BYTES, .bytes = {media_type, data}};
}
static inline sym_value sym_artifact(sym_string id, double size, sym_string media_type) {
  return (sym_value){.kind = SYM_ARTIFACT, .artifact = {id, size, media_type}};
}
static inline sym_value sym_items(const sym_value *items, uint32_t count) {
  return (sym_value){.kind = SYM_ITEMS, .items = {items, count}};
}

// Gives a value to an output port. What `value` points to is not copied and must last until `process` has returned and
// its result was read: static data, inputs, or what sym_allocate gave; never a local array.
static inline void sym_output_at(sym_call *call, sym_string port, sym_value value) {
  if (call->output_count == call->output_room) {
    uint32_t room = call->output_room ? call->output_room * 2 : 8;
    sym_entry *larger = sym_allocate(room * sizeof(sym_entry));
    memcpy(larger, call->outputs, call->output_count * sizeof(sym_entry));
    call->outputs = larger;
    call->output_room = room;
  }
  call->outputs[call->output_count++] = (sym_entry){port, value};
}
static inline void sym_output(sym_call *call, const char *port, sym_value value) { sym_output_at(call, sym_str(port), value); }

// Ends the call with this error; what was output is dropped. The last one counts.
static inline void sym_fail_with(sym_call *call, sym_error error) {
  call->failed = true;
  call->error = error;
}

// A fault that the same call would meet again. `code` is dotted lower case; `name` is the port or setting at fault, or NULL.
static inline void sym_fail(sym_call *call, sym_error_kind kind, const char *code, sym_string message, const char *name) {
  sym_error error = {.kind = kind, .code = sym_str(code), .message = message};
  if (name) error.name = (sym_option){1, sym_str(name)};
  sym_fail_with(call, error);
}

// A fault that may pass: the host waits at least so long and tries again, where the melody says so.
static inline void sym_fail_for_now(sym_call *call, sym_error_kind kind, const char *code, sym_string message, uint32_t retry_after_ms) {
  sym_fail_with(call, (sym_error){.transient = 1, .kind = kind, .code = sym_str(code), .message = message, .retry_after_ms = retry_after_ms});
}

// ---- host calls; only those that are used become imports ----

#define SYM_IMPORT(module, name) __attribute__((import_module("symphony:host/" module "@0.1.0"), import_name(name))) extern

typedef enum { SYM_DEBUG, SYM_INFO, SYM_WARN, SYM_ERROR } sym_level;

SYM_IMPORT("log", "write") void sym_host_log(int32_t level, const char *message, uint32_t length);
SYM_IMPORT("progress", "report") void sym_host_progress(double fraction, const char *note, uint32_t length);
SYM_IMPORT("call", "remaining-ms") uint32_t sym_host_remaining_ms(void);
SYM_IMPORT("call", "cancelled") int32_t sym_host_cancelled(void);
SYM_IMPORT("call", "idempotency-key") void sym_host_idempotency_key(sym_string *result);
SYM_IMPORT("call", "attempt") uint32_t sym_host_attempt(void);
SYM_IMPORT("files", "entries") void sym_host_entries(const char *root, uint32_t root_length, const char *path, uint32_t path_length, int32_t has_after, const char *after, uint32_t after_length, void *result);
SYM_IMPORT("files", "read") void sym_host_read(const char *root, uint32_t root_length, const char *path, uint32_t path_length, double offset, uint32_t length, void *result);
SYM_IMPORT("artifacts", "read") void sym_host_artifact_read(const char *id, uint32_t id_length, double offset, uint32_t length, void *result);

static inline void sym_log(sym_level level, sym_string message) { sym_host_log(level, message.data, message.length); }
static inline void sym_progress(double fraction, sym_string note) { sym_host_progress(fraction, note.data, note.length); }
static inline uint32_t sym_remaining_ms(void) { return sym_host_remaining_ms(); }
// Whether the result is still wanted; if not, return soon with any result.
static inline bool sym_cancelled(void) { return sym_host_cancelled() != 0; }
static inline sym_string sym_idempotency_key(void) {
  sym_string key;
  sym_host_idempotency_key(&key);
  return key;
}
static inline uint32_t sym_attempt(void) { return sym_host_attempt(); }

typedef enum { SYM_FILE, SYM_FOLDER, SYM_LINK, SYM_OTHER } sym_file_kind;

typedef struct {
  sym_string name;
  // A sym_file_kind.
  uint8_t kind;
  double size;
} sym_file_entry;

_Static_assert(sizeof(sym_file_entry) == 24 && offsetof(sym_file_entry, kind) == 8 && offsetof(sym_file_entry, size) == 16, "layout of file-entry");

// What a host call gave: `error` when `failed`, else the data. `sym_fail_with(call, answer.error)` hands the error on.
typedef struct {
  uint8_t failed;
  union {
    sym_bytes bytes;
    struct { const sym_file_entry *data; uint32_t length; } entries;
    sym_error error;
  };
} sym_answer;

_Static_assert(sizeof(sym_answer) == 56 && offsetof(sym_answer, error) == 4, "layout of result");

// Names in a granted folder that follow `after` ({0} for the first), at most 1000. Needs the capability files.
static inline sym_answer sym_files_entries(sym_string root, sym_string path, sym_string after) {
  sym_answer answer;
  sym_host_entries(root.data, root.length, path.data, path.length, after.length != 0, after.data, after.length, &answer);
  return answer;
}
// Up to `length` bytes (at most 1 MiB) from `offset`; none at the end.
static inline sym_answer sym_files_read(sym_string root, sym_string path, double offset, uint32_t length) {
  sym_answer answer;
  sym_host_read(root.data, root.length, path.data, path.length, offset, length, &answer);
  return answer;
}
// As sym_files_read, of an artifact that this call was given. Needs the capability artifacts.
static inline sym_answer sym_artifact_read(sym_string id, double offset, uint32_t length) {
  sym_answer answer;
  sym_host_artifact_read(id.data, id.length, offset, length, &answer);
  return answer;
}

// ---- what the host calls; the build gives these their names in WIT ----

typedef struct {
  uint8_t failed;
  union {
    struct { const sym_entry *data; uint32_t length; } outputs;
    sym_error error;
  };
} sym_result;

_Static_assert(sizeof(sym_result) == 56 && offsetof(sym_result, error) == 4, "layout of the call's result");

void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  if (old && (uintptr_t)old + old_size == sym_top && size >= old_size) {
    // the newest piece grows where it is
    if (sym_try_allocate(size - old_size, 1)) return old;
    __builtin_trap();
  }
  if (old && size <= old_size) return old;
  void *at = sym_try_allocate(size, align);
  if (!at) __builtin_trap();
  if (old_size) memcpy(at, old, old_size);
  return at;
}

sym_result *symphony_call(const sym_entry *inputs, uint32_t input_count, const sym_entry *settings, uint32_t setting_count) {
  static sym_result result;
  sym_call call = {.inputs = inputs, .input_count = input_count, .settings = settings, .setting_count = setting_count};
  process(&call);
  result.failed = call.failed;
  if (call.failed) result.error = call.error;
  else {
    // an empty list needs an aligned address too
    result.outputs.data = call.output_count ? call.outputs : (const sym_entry *)_Alignof(sym_entry);
    result.outputs.length = call.output_count;
  }
  return &result;
}

// The host has read the result: the call's memory begins anew.
void symphony_post(sym_result *result) {
  (void)result;
  sym_top = (uintptr_t)&__heap_base;
}

#endif
