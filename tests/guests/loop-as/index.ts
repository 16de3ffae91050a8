// Never returns.
import { Call } from "symphony";

export function process(call: Call): void {
  // the store keeps the compiler from dropping the loop
  for (;;) store<u8>(8, load<u8>(8));
}
