// Many time-outs on one timer: a hashed wheel (Varghese and Lauck, 1987). Exact to one tick, never early. Leaves out whose they are.
import type { Clock } from "../clock.ts";

/** What is due at some time. */
export class Timeout {
  /** Ticks since the wheel was made. */
  readonly due: number;
  call: (() => void) | undefined;
  before: Timeout | undefined;
  after: Timeout | undefined;
  slot = -1;

  constructor(due: number, call: (() => void) | undefined) {
    this.due = due;
    this.call = call;
  }
}

export interface TimerWheel {
  /** Calls once, after `ms` milliseconds at the earliest and a tick later at the latest. */
  add(ms: number, call: () => void): Timeout;
  cancel(timeout: Timeout): void;
  readonly size: number;
  /** Calls nothing any more. */
  close(): void;
}

/** Milliseconds. */
export const TICK_MS = 8;
const SLOTS = 512;
/** No alarm is set further ahead: what is added and cancelled in turn then sets none, and an alarm for nothing is soon over. */
const AHEAD = 32;
/** So late, and the process was held up: what has come meanwhile is heard before anything is called late. */
const STALL_MS = 40;

export function createTimerWheel(clock: Clock): TimerWheel {
  const slots: (Timeout | undefined)[] = new Array(SLOTS).fill(undefined);
  const start = clock.elapsed();
  let size = 0;
  /** All up to this tick are called. */
  let done = 0;
  let alarm: { tick: number; cancel: () => void } | undefined;
  let closed = false;

  const tickOf = (ms: number): number => Math.floor(ms / TICK_MS);

  function unlink(timeout: Timeout): void {
    const { slot, before, after } = timeout;
    if (slot < 0) return;
    if (before) before.after = after;
    else slots[slot] = after;
    if (after) after.before = before;
    timeout.slot = -1;
    timeout.before = undefined;
    timeout.after = undefined;
    size--;
  }

  function set(tick: number): void {
    alarm?.cancel();
    const dueMs = start + tick * TICK_MS;
    const cancel = clock.after(Math.max(0, Math.ceil(dueMs - clock.elapsed())), () => {
      if (clock.elapsed() - dueMs <= STALL_MS) return turn();
      // one turn of the event loop in which sockets are read
      alarm = { tick, cancel: clock.after(1, turn) };
    });
    alarm = { tick, cancel };
  }

  function turn(): void {
    alarm = undefined;
    const now = tickOf(clock.elapsed() - start);
    const late: Timeout[] = [];
    // no slot need be seen twice
    for (let tick = Math.max(done + 1, now - SLOTS + 1); tick <= now; tick++) for (let one = slots[tick % SLOTS]; one; one = one.after) if (one.due <= now) late.push(one);
    done = now;
    late.sort((a, b) => a.due - b.due);
    for (const one of late) unlink(one);
    for (const one of late) {
      const { call } = one;
      one.call = undefined;
      call?.();
    }
    if (size > 0 && !closed) setNext();
  }

  function setNext(): void {
    let next = done + AHEAD;
    for (let tick = done + 1; tick < next; tick++) if (slots[tick % SLOTS]) next = tick;
    set(next);
  }

  return {
    add(ms, call) {
      const now = clock.elapsed() - start;
      const due = tickOf(now + Math.min(ms, MS_MAX)) + 1;
      const timeout = new Timeout(due, call);
      if (closed) return timeout;
      const slot = due % SLOTS;
      const first = slots[slot];
      timeout.slot = slot;
      timeout.after = first;
      if (first) first.before = timeout;
      slots[slot] = timeout;
      size++;
      if (!alarm || due < alarm.tick) set(Math.min(due, tickOf(now) + AHEAD));
      return timeout;
    },
    cancel(timeout) {
      timeout.call = undefined;
      unlink(timeout);
    },
    get size() {
      return size;
    },
    close() {
      closed = true;
      alarm?.cancel();
      alarm = undefined;
      slots.fill(undefined);
      size = 0;
    },
  };
}

/** Longer ones are that long: 24 days, as with timers. */
const MS_MAX = 2 ** 31 - 1;
