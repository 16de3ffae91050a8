// What peers were refused, as lines of the audit log. The first of a kind is written at once; what a peer repeats is counted and written
// once a second, so that one that floods can't fill a disk.
import { type Clock, systemClock } from "../clock.ts";
import type { AuditLog } from "../extension/permission/audit.ts";
import type { Refusal } from "./peer.ts";

const EVERY_MS = 1000;
/** Kinds that are counted apart at a time; beyond, all of a peer count together. */
const KINDS_MAX = 1000;

export interface RefusalAudit {
  /** For createPeers. */
  onRefusal(refusal: Refusal): void;
  /** Writes what was counted and not written yet. */
  close(): void;
}

/** `onFault`: a line couldn't be written; the refusal holds all the same. */
export function auditRefusals(log: AuditLog, { clock = systemClock, onFault = () => {} }: { clock?: Clock; onFault?: (cause: unknown) => void } = {}): RefusalAudit {
  const counted = new Map<string, { refusal: Refusal; more: number }>();
  let cancel: (() => void) | undefined;

  function write({ peer, address, tried, subject, code, why }: Refusal, more: number): void {
    try {
      log.write({
        event: "check",
        peer: peer || address,
        right: `bus:${tried}${subject === undefined ? "" : `:${subject}`}`,
        allowed: false,
        by: code,
        note: more > 0 ? `${more} more like it: ${why}` : why,
      });
    } catch (cause) {
      onFault(cause);
    }
  }

  function flush(): void {
    cancel = undefined;
    for (const { refusal, more } of counted.values()) if (more > 0) write(refusal, more);
    counted.clear();
  }

  return {
    onRefusal(refusal) {
      const { peer, address, tried, code, subject = "" } = refusal;
      const of = counted.size < KINDS_MAX ? `${peer || address} ${tried} ${code} ${subject}` : peer || "others";
      const known = counted.get(of);
      if (known) {
        known.refusal = refusal;
        known.more++;
        return;
      }
      counted.set(of, { refusal, more: 0 });
      write(refusal, 0);
      cancel ??= clock.after(EVERY_MS, flush);
    },
    close() {
      cancel?.();
      flush();
    },
  };
}
