// The bus's counts as OpenMetrics text, which Prometheus and others read. Counting is always on; this only spells.
import type { Bus } from "./bus.ts";
import type { Peers } from "./peers.ts";

/** Names begin with `symphony_bus_`; counts of links carry the peer's name. */
export function spellMetrics(bus: Bus, peers?: Peers): string {
  const { latency, waiting, ...counts } = bus.counts();
  const lines: string[] = [];
  const write = (name: string, type: "counter" | "gauge", help: string, rows: [labels: string, value: number][]): void => {
    lines.push(`# TYPE symphony_bus_${name} ${type}`, `# HELP symphony_bus_${name} ${help}`);
    for (const [labels, value] of rows) lines.push(`symphony_bus_${name}${type === "counter" ? "_total" : ""}${labels} ${value}`);
  };
  for (const [key, help] of Object.entries(HELP)) write(snake(key), "counter", help, [["", counts[key as keyof typeof counts]]]);
  write("waiting", "gauge", "Requests whose answer is waited for.", [["", waiting]]);
  lines.push("# TYPE symphony_bus_answer_seconds histogram", "# HELP symphony_bus_answer_seconds Time until an answer that was waited for.");
  let below = 0;
  for (const [i, count] of latency.entries()) {
    below += count;
    // the last one holds all that are longer
    if (i < latency.length - 1) lines.push(`symphony_bus_answer_seconds_bucket{le="${(2 ** i * 16) / 1e6}"} ${below}`);
  }
  lines.push(`symphony_bus_answer_seconds_bucket{le="+Inf"} ${below}`, `symphony_bus_answer_seconds_count ${below}`);
  const links = peers?.list() ?? [];
  for (const [key, type, help] of OF_LINKS)
    write(
      `link_${snake(key)}`,
      type,
      help,
      links.map(({ peer, counts: one }, i) => [`{peer="${peer}",link="${i}"}`, one[key]]),
    );
  lines.push("# EOF", "");
  return lines.join("\n");
}

const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const HELP = {
  published: "Messages that were published here.",
  delivered: "Deliveries to subscribers and links.",
  dropped: "Messages that a full queue did not take, or gave up for newer ones.",
  handlerFaults: "Handlers that threw.",
  requests: "Requests.",
  noResponder: "Requests that nobody answers.",
  timeouts: "Requests whose answer came too late.",
  cancelled: "Requests that were given up.",
  refused: "Requests that were answered by an error.",
} as const;

const OF_LINKS = [
  ["sent", "counter", "Frames that were sent."],
  ["received", "counter", "Frames that came."],
  ["bytesSent", "counter", "Bytes of them."],
  ["bytesReceived", "counter", "Bytes of them."],
  ["refused", "counter", "What the peer was refused."],
  ["dropped", "counter", "Events that could not be sent."],
  ["queued", "gauge", "Messages that wait to be sent."],
  ["answering", "gauge", "Requests of the peer that are answered."],
  ["asking", "gauge", "Requests whose answer is waited for."],
  ["roundTripMs", "gauge", "Milliseconds to the peer and back, at the last heartbeat."],
] as const;
