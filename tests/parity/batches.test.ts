// A row gives what it gives alone, whatever stands beside it and however far it is padded: every reference checkpoint, to
// 1e-5 of values near 1 (float32 sums over other lengths are added up in another order).
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import { architectures, loadModel } from '../../packages/transformer/src/index.ts';
import { fixture, hasShared, sharedPath } from '../fixtures.ts';

const folders = hasShared ? readdirSync(sharedPath('fixtures/checkpoints')) : [];

const numbers = ({ data }: HostTensor): number[] =>
  Array.from(data as Iterable<number | bigint>, (value) => Number(value));

/** Row `row` of a batch, cut to `length` along the second axis where that is as long as the mask. */
function rowOf({ data, shape, dtype }: HostTensor, row: number, T: number, length: number): HostTensor {
  const size = data.length / shape[0]!;
  const own = data.slice(row * size, (row + 1) * size);
  const cut = shape[1] === T ? own.slice(0, (size / T) * length) : own;
  return hostTensor(cut, [1, ...(shape[1] === T ? [length] : shape.slice(1, 2)), ...shape.slice(2)], dtype);
}

describe.skipIf(!hasShared)('rows of a batch (needs ../shared)', async () => {
  const all = await Promise.all(folders.map((name) => fixture(name)));
  const text = all.filter(({ config, inputs }) => {
    const known = Object.hasOwn(architectures, String(config['model_type']));
    return known && inputs.get('attention_mask')?.shape.length === 2;
  });
  test.each(text.map((f) => [f.folder.split('/').at(-1)!, f] as const))(
    '%s',
    async (_, { folder, inputs, expected }) => {
      const model = await loadModel(folder);
      const mask = inputs.get('attention_mask')!;
      const [B, T] = mask.shape as [number, number];
      const names = [...expected.keys()];
      const together = await model.run(Object.fromEntries(inputs), names);
      let compared = 0;
      for (let row = 0; row < B; row++) {
        const own = numbers(mask).slice(row * T, (row + 1) * T);
        const length = own.lastIndexOf(1) + 1;
        const alone = await model.run(
          Object.fromEntries([...inputs].map(([name, tensor]) => [name, rowOf(tensor, row, T, length)])),
          names,
        );
        for (const name of names) {
          const expectedRow = rowOf(together[name]!, row, T, length);
          expect(alone[name]!.shape).toEqual(expectedRow.shape);
          const values = numbers(expectedRow);
          const largest = Math.max(1, ...values.map(Math.abs));
          numbers(alone[name]!).forEach((value, i) => {
            compared++;
            expect(Math.abs(value - values[i]!), `${name} ${row} ${i}`).toBeLessThan(1e-5 * largest);
          });
        }
      }
      expect(compared).toBeGreaterThan(0);
      await model.dispose();
    },
  );
});
