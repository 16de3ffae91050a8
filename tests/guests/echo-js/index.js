// Returns every input unchanged.
import { operator } from "../../../wit/bindings/javascript/symphony.js";

export const transform = operator((call) => {
  for (const [port, value] of call.inputs) call.output(port, value);
});
