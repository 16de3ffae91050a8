// Takes and touches memory until there is none, keeps it, and goes on as it is told.
import { Call, Value } from "symphony";

export function process(call: Call): void {
  const most = <i32>call.number("most");
  let taken = 0;
  while (taken < most) {
    const from = memory.grow(16);
    if (from < 0) break;
    for (let at: usize = 0; at < 1048576; at += 4096) store<u8>(<usize>from * 65536 + at, 1);
    taken++;
  }
  const then = call.text("then");
  if (then == "trap") unreachable();
  if (then == "loop") for (;;) store<u8>(8, load<u8>(8));
  call.output("mebibytes", Value.number(taken));
}
