// Returns every input unchanged.
import { Call } from "symphony";

export function process(call: Call): void {
  const names = call.inputNames();
  for (let i = 0; i < names.length; i++) call.output(names[i], call.input(names[i]));
}
