// The known word that is nearest to a mistyped one, by Levenshtein's distance (1966), where two letters that changed places
// count as one mistake (Damerau, 1964).

function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(
        Math.min(
          row[j]! + 1,
          next[j - 1]! + 1,
          row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
          swapped ? before[j - 2]! + 1 : Infinity,
        ),
      );
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}

/**
 * The known word nearest to a mistyped one, or null where none is near: that is where more than a third of its letters
 * differ. A word that one of them begins with (`--rep`, `--max`) is near as well.
 */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Infinity;
  for (const candidate of known) {
    const d = distance(word, candidate);
    if (d < least) [best, least] = [candidate, d];
  }
  if (best !== null && least <= Math.max(1, Math.ceil(Math.max(best.length, word.length) / 3))) return best;
  return (word.length > 2 && known.find((candidate) => candidate.startsWith(word))) || null;
}
