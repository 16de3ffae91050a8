// A place that holds one part of the Pit, so that who uses the part doesn't hold the part itself. Pure.

export interface Slot<T extends object> {
  /** Stands for whatever is in the slot: each call goes to the part that is there at that moment. */
  readonly part: T;
  /** Puts another part in and returns the one before. Calls under way end where they began. */
  replace(part: T): T;
}

/** A slot that is never empty. Parts are objects of functions that don't use `this`. */
export function createSlot<T extends object>(first: T): Slot<T> {
  let current = first;
  const part = {} as Record<string, unknown>;
  for (const name of Object.keys(first)) part[name] = (...args: unknown[]) => (current as Record<string, (...args: unknown[]) => unknown>)[name]?.(...args);
  return {
    part: part as T,
    replace(next) {
      const before = current;
      current = next;
      return before;
    },
  };
}
