// Fixed positions of patches in a square: sines and cosines (Vaswani et al., 2017) of the column in the first half of the
// channels and of the row in the second (He et al., 2022).
import type { Initializer } from '@brickwork/nn';

/** Fills (1, 1 + n², C): zeros for the first token, then a vector for every patch, line by line. C is a multiple of 4. */
export const sineCosine: Initializer = (data, shape) => {
  const [, T, C] = shape as [number, number, number];
  const n = Math.sqrt(T - 1);
  if (!Number.isInteger(n) || C % 4)
    throw new Error(`sineCosine: (${shape.join(', ')}); needs (1, 1 + n², C) with C a multiple of 4`);
  data.fill(0);
  const quarter = C / 4;
  for (let t = 0; t < n * n; t++)
    [t % n, Math.floor(t / n)].forEach((position, half) => {
      const start = (t + 1) * C + half * 2 * quarter;
      for (let i = 0; i < quarter; i++) {
        const angle = position / 10000 ** (i / quarter);
        data[start + i] = Math.sin(angle);
        data[start + quarter + i] = Math.cos(angle);
      }
    });
};
