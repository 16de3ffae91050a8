// Never returns.
#include "symphony.h"

static volatile uint32_t turns;

void process(sym_call *call) {
  (void)call;
  // a loop that does nothing may be taken out
  for (;;) turns++;
}
