// Refuses a sampler's setting that makes no sense, saying what was needed.

/** @throws unless `ok`; a value that is not a finite number never is. */
export function checkNumber(what: string, value: number, ok: (value: number) => boolean, needs: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || !ok(value))
    throw new RangeError(
      `${what} is ${typeof value === 'string' ? JSON.stringify(value) : String(value)}; needs ${needs}`,
    );
}

/** @throws unless `keep` is a count of one or more. */
export function checkKeep(who: string, keep: number): void {
  checkNumber(`${who}: keep`, keep, (n) => Number.isInteger(n) && n >= 1, 'a whole number of 1 or more');
}
