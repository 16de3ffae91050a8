// Returns every input unchanged.
import { operator } from "symphony";

export const transform = operator((call) => {
  for (const [port, value] of call.inputs) call.output(port, value);
});
