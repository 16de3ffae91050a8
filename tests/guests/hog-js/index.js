// Takes and touches memory until there is none, keeps it, and goes on as it is told.
import { number, operator } from "symphony";

const kept = [];

export const transform = operator((call) => {
  const most = call.setting("most");
  try {
    // a new buffer is filled with zeros, which touches it
    while (kept.length < most) kept.push(new Uint8Array(1048576));
  } catch {
    // no memory is left: that is what was wanted
  }
  const then = call.setting("then");
  // QuickJS aborts when what comes back is no list
  if (then === "trap") call.outputs = 1;
  else if (then === "loop") for (;;);
  else call.output("mebibytes", number(kept.length));
});
