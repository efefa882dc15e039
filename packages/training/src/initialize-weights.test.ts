import { initialize, parameters } from '@brickwork/nn';
import { GPT2LMHeadModel } from '@brickwork/transformer';
import { expect, test } from 'vitest';
import { flatStore, layout } from './flat-store.ts';
import { initializeWeights } from './initialize-weights.ts';

test('weights drawn in place are those that `initialize` of nn gives, bit for bit', () => {
  const model = new GPT2LMHeadModel({ vocab_size: 17, n_positions: 16, n_embd: 12, n_layer: 2, n_head: 4 });
  const { parts, length } = layout(new Map([...parameters(model)].map(([name, p]) => [name, p.shape as number[]])));
  const store = flatStore(parts, new Float32Array(length));
  initializeWeights(model, store, 7);
  const expected = initialize(model, 7);
  expect([...store.tensors.keys()]).toEqual([...expected.keys()]);
  for (const [name, { data }] of expected) expect(store.tensors.get(name)!.data, name).toEqual(data);
});
