// Never returns.
import { operator } from "symphony";

export const transform = operator(() => {
  for (;;);
});
