import { expect, test } from 'vitest';
import { hostTensor } from './host-tensor.ts';
import { usedBy } from './used-by.ts';

test('those that the program takes, in its order, from an object or a map', () => {
  const value = (n: number): ReturnType<typeof hostTensor> => hostTensor(Float32Array.of(n), [1]);
  const inputs = ['b', 'a', 'c'].map((name) => ({ name, shape: [1], dtype: 'float32' as const }));
  const values = { a: value(1), b: value(2), d: value(3) };
  for (const given of [values, new Map(Object.entries(values))])
    expect([...usedBy({ inputs }, given)]).toEqual([
      ['b', values.b],
      ['a', values.a],
    ]);
});
