// What vectors must have in common to be compared.

/** @throws where two vectors differ in length. */
export function checkSame(who: string, a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length)
    throw new Error(`${who}: vectors of ${a.length} and ${b.length} numbers; needs two of one encoder, equally long`);
}
