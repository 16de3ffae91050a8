// How a guest's imports reach the host: one blocking question each. Types and small helpers.
import type { ErrorKind, HostFunction, Scalar, StepError } from "../wire.ts";
import type { Entry, Value } from "../../../value.ts";

/** Asks the host and waits. An error of the host is thrown with the contract's error as its `payload`. */
export type AskHost = (name: HostFunction, args: Scalar[]) => Scalar[];

/** The call that is being served, as far as a guest may know it. */
export interface GuestCall {
  inputs: readonly Entry[];
  settings: readonly Entry[];
}

/** What a thrown error holds for the guest, or undefined. */
export function hostError(cause: unknown): StepError | undefined {
  return (cause as { payload?: StepError } | null)?.payload;
}

export function faultOf(error: StepError): { kind: ErrorKind; code: string; message: string } {
  return error.tag === "transient" ? error.val.fault : error.val;
}

/** Thrown as the `err` of an import: the glue takes its payload. */
export function refuse(payload: unknown): never {
  throw Object.assign(new Error("refused"), { payload });
}

export function textOf(value: Value | undefined): string | undefined {
  return value?.tag === "text" ? value.val : undefined;
}

/** Nothing is inherited: a name that the gate should have refused still finds nothing. */
export function bare<T extends object>(from: T): T {
  return Object.assign(Object.create(null) as object, from) as T;
}

/** As `bare`, for a resource's class. */
export function sealed<T extends { prototype: object }>(resource: T): T {
  Object.setPrototypeOf(resource, null);
  Object.setPrototypeOf(resource.prototype, null);
  return resource;
}
