// Takes and touches memory until there is none, keeps it, and goes on as it is told.
#include "symphony.h"

static volatile uint32_t turns;

void process(sym_call *call) {
  double most = sym_number_setting(call, "most");
  double taken = 0;
  volatile uint8_t *piece;
  while (taken < most && (piece = sym_try_allocate(1048576, 8))) {
    for (size_t at = 0; at < 1048576; at += 4096) piece[at] = 1;
    taken++;
  }
  sym_string then = sym_text_setting(call, "then");
  if (sym_equal(then, sym_str("trap"))) __builtin_trap();
  if (sym_equal(then, sym_str("loop")))
    for (;;) turns++;
  sym_output(call, "mebibytes", sym_number(taken));
}
