// Failures on their way outwards: as the node around tells them, as the run ends by them. Pure.
import { SymphonyError } from "../../runtime/mod.ts";

/** An error as the node around it tells it: with the way to where it happened. */
export function within(place: string, error: SymphonyError): SymphonyError {
  return new SymphonyError(error.code, `${place}: ${error.message}`, { cause: error, detail: error.detail, step: error.step });
}

/** What a run says that ends by the failure of a node. */
export function failureOfRun(path: string, error: SymphonyError): SymphonyError {
  const code = error.code.startsWith("run/") || error.code.startsWith("approve/") ? error.code : "run/failed";
  return new SymphonyError(code, `${path} failed: ${error.message}`, { cause: error, detail: error.detail ?? error.code, step: error.step });
}

/** A failure of ours, or of the host that isn't. */
export function asError(cause: unknown): SymphonyError {
  if (cause instanceof SymphonyError) return cause;
  return new SymphonyError("run/failed", `The host failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
