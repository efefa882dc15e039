// Sinusoidal positions (Vaswani et al., 2017, section 3.5): waves whose lengths run from 2π to 10000 · 2π.
import { constant, type Tensor } from '@brickwork/graph';

/** (T, C) table: even columns sin(t / 10000^(i/C)), odd columns the cosine of the same. */
export function sinusoidalPositions(T: number, C: number): Tensor {
  if (C % 2) throw new Error(`sinusoidalPositions: width ${C} is odd; sines and cosines come in pairs`);
  const data = new Float32Array(T * C);
  for (let t = 0; t < T; t++)
    for (let i = 0; i < C; i += 2) {
      const angle = t / 10000 ** (i / C);
      data[t * C + i] = Math.sin(angle);
      data[t * C + i + 1] = Math.cos(angle);
    }
  return constant(data, [T, C]);
}
