// Seeded random numbers: xoshiro128** (Blackman and Vigna, 2018), started by SplitMix32. Not for secrets.

/** A stream of random numbers; the same seed gives the same stream everywhere. */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number;
  /** Standard normal (Box and Muller, 1958). */
  normal(): number;
  /** Uniform whole number in [0, n). */
  integer(n: number): number;
}

/** Starts a stream from a whole number. */
export function random(seed: number): Random {
  let mix = seed | 0;
  const next = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  };
  let [a, b, c, d] = [next(), next(), next(), next() ^ Math.floor(seed / 2 ** 32)];
  const uniform = (): number => {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result / 2 ** 32;
  };
  let spare: number | null = null;
  return {
    uniform,
    normal() {
      if (spare !== null) {
        const value = spare;
        spare = null;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    integer: (n) => Math.floor(uniform() * n),
  };
}

/** A seed for a named stream (FNV-1a over the seed and the name), so that streams don't depend on each other's order. */
export function streamSeed(seed: number, name: string): number {
  let hash = 0x811c9dc5;
  for (const ch of `${seed}/${name}`) hash = Math.imul(hash ^ ch.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}
