// Names that a mistyped one may have meant. Pure.

/** ` (did you mean "text"?)` or "" when nothing is near: at most 2 edits away (1 for up to 4 letters), or a third of a long word. */
export function near(word: string, known: Iterable<string>): string {
  if (word.length > 128) return "";
  const found: { name: string; distance: number }[] = [];
  for (const name of known) {
    const most = name.length < 5 ? 1 : Math.max(2, Math.floor(name.length / 3));
    if (Math.abs(name.length - word.length) > most) continue;
    const distance = editDistance(word.toLowerCase(), name.toLowerCase(), most);
    if (distance <= most && distance < name.length) found.push({ name, distance });
  }
  if (found.length === 0) return "";
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return ` (did you mean ${found
    .slice(0, 3)
    .map(({ name }) => JSON.stringify(name))
    .join(" or ")}?)`;
}

/** Optimal string alignment distance (Damerau-Levenshtein with adjacent swaps), or `most + 1` when it is larger. */
function editDistance(a: string, b: string, most: number): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let least = i;
    for (let k = 1; k <= b.length; k++) {
      const same = a[i - 1] === b[k - 1];
      let cost = Math.min((row[k] as number) + 1, (next[k - 1] as number) + 1, (row[k - 1] as number) + (same ? 0 : 1));
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1]) cost = Math.min(cost, (before[k - 2] as number) + 1);
      next.push(cost);
      least = Math.min(least, cost);
    }
    if (least > most) return most + 1;
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
