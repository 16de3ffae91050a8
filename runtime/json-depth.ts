// How deep brackets nest in a text that claims to be JSON, found without a parser that recurses. Pure.

/** What values of type json may nest. */
export const JSON_DEPTH_MAX = 512;

/** The character at which brackets nest deeper than `most`, or -1. */
export function tooDeepAt(source: string, most: number): number {
  let depth = 0;
  for (let at = 0; at < source.length; at++) {
    const code = source.charCodeAt(at);
    if (code === 0x22) {
      for (at++; at < source.length && source.charCodeAt(at) !== 0x22; at++) if (source.charCodeAt(at) === 0x5c) at++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > most) return at;
    } else if ((code === 0x7d || code === 0x5d) && depth > 0) depth--;
  }
  return -1;
}
