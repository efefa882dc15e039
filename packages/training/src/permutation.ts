// A random permutation of any size without memory: a Feistel network (Luby and Rackoff, 1988) over the next power of 4,
// walked until it lands inside. Any element can be computed by itself, so a run resumes anywhere in an epoch.
import { streamSeed } from '@brickwork/nn';

const rounds = 6;

function mix(x: number, key: number): number {
  let z = Math.imul(x ^ key, 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 15), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

/** The permutation of 0 to size-1 that belongs to a seed, as a function. */
export function permutation(size: number, seed: number): (i: number) => number {
  if (!(Number.isInteger(size) && size > 0 && size <= 2 ** 52))
    throw new Error(`permutation: size is ${size}; needs a whole number from 1 to 2^52`);
  const half = Math.max(1, Math.ceil(Math.log2(size) / 2));
  const side = 2 ** half;
  const keys = Array.from({ length: rounds }, (_, r) => streamSeed(seed, `permutation/${r}`));
  const once = (i: number): number => {
    let [left, right] = [Math.floor(i / side), i % side];
    for (const key of keys) [left, right] = [right, ((left ^ mix(right, key)) >>> 0) % side];
    return left * side + right;
  };
  return (i) => {
    if (!(Number.isInteger(i) && i >= 0 && i < size)) throw new Error(`permutation: ${i} is not in 0 to ${size - 1}`);
    do i = once(i);
    while (i >= size);
    return i;
  };
}
