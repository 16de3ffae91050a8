// Never returns.
import { operator } from "../../../wit/bindings/javascript/symphony.js";

export const transform = operator(() => {
  for (;;);
});
