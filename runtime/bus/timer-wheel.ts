// Many time-outs on one timer: a hashed wheel (Varghese and Lauck, 1987). Exact to one tick, never early. Leaves out whose they are.
import type { Clock } from "../clock.ts";

/** What is due at some time. */
export abstract class Timeout {
  /** Ticks since the wheel was made. */
  due = 0;
  before: Timeout | undefined = undefined;
  after: Timeout | undefined = undefined;
  slot = -1;
  /** Called when its time has come, out of the wheel. */
  abstract expire(): void;
}

class Call extends Timeout {
  readonly expire: () => void;
  constructor(expire: () => void) {
    super();
    this.expire = expire;
  }
}

export interface TimerWheel {
  /** Calls once, after `ms` milliseconds at the earliest and a tick later at the latest. */
  add(ms: number, call: () => void): Timeout;
  /** The same for one that is at hand, and isn't in the wheel. */
  insert(ms: number, timeout: Timeout): void;
  cancel(timeout: Timeout): void;
  /** Those that are in it. */
  all(): Timeout[];
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
/** The slot of what is out of the wheel and will be called next. */
const EXPIRED = -2;

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
    timeout.slot = -1;
    if (slot < 0) return;
    if (before) before.after = after;
    else slots[slot] = after;
    if (after) after.before = before;
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
    for (const one of late) {
      unlink(one);
      one.slot = EXPIRED;
    }
    for (const one of late) {
      // one before it may have taken it back
      if (one.slot === EXPIRED) {
        one.slot = -1;
        one.expire();
      }
    }
    if (size > 0 && !closed) setNext();
  }

  function setNext(): void {
    let next = done + AHEAD;
    for (let tick = done + 1; tick < next; tick++) if (slots[tick % SLOTS]) next = tick;
    set(next);
  }

  function insert(ms: number, timeout: Timeout): void {
    if (closed) return;
    const now = clock.elapsed() - start;
    const due = tickOf(now + Math.min(ms, MS_MAX)) + 1;
    const slot = due % SLOTS;
    const first = slots[slot];
    timeout.due = due;
    timeout.slot = slot;
    timeout.before = undefined;
    timeout.after = first;
    if (first) first.before = timeout;
    slots[slot] = timeout;
    size++;
    if (!alarm || due < alarm.tick) set(Math.min(due, tickOf(now) + AHEAD));
  }

  return {
    add(ms, call) {
      const timeout = new Call(call);
      insert(ms, timeout);
      return timeout;
    },
    insert,
    cancel: unlink,
    all: () =>
      slots.flatMap((first) => {
        const list: Timeout[] = [];
        for (let one = first; one; one = one.after) list.push(one);
        return list;
      }),
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
