// The known name that a misspelt one was probably meant to be, by edit distance (Levenshtein, 1966).

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The closest of `names`, in any case and with or without - and _; null where none is close. */
export function nearest(name: string, names: readonly string[]): string | null {
  const plain = (text: string): string => text.replace(/[-_]/g, '').toLowerCase();
  let best: string | null = null;
  let least = Math.min(4, Math.ceil(plain(name).length / 2));
  for (const candidate of names) {
    const d = distance(plain(name), plain(candidate));
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}
