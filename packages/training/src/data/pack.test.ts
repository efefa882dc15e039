// Packing: every example once, in as few rows as first-fit decreasing finds, and training on rows is training on texts.
import { initialize, random } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { architectures, buildNetwork, Model } from '@brickwork/transformer';
import { describe, expect, test } from 'vitest';
import { networkStep } from '../network-step.ts';
import { languageModelling } from '../tasks/language-modelling.ts';
import { memoryStore, type EncodedExample } from './example-store.ts';
import { firstFitDecreasing, packedStore } from './pack.ts';

describe('first-fit decreasing', () => {
  test('the largest first, each into the first box with room', () => {
    const boxes = firstFitDecreasing(Int32Array.of(4, 8, 1, 4, 2, 1), 10);
    expect(boxes.map((box) => [...box])).toEqual([
      [1, 4],
      [0, 3, 2, 5],
    ]);
  });
  test('is what trying every box one after another gives', () => {
    const draw = random(7);
    for (let round = 0; round < 30; round++) {
      const sizes = Int32Array.from({ length: 1 + draw.integer(60) }, () => 1 + draw.integer(20));
      const order = [...sizes.keys()].toSorted((a, b) => sizes[b]! - sizes[a]! || a - b);
      const plain: { room: number; of: number[] }[] = [];
      for (const i of order) {
        let box = plain.find(({ room }) => room >= sizes[i]!);
        if (!box) plain.push((box = { room: 20, of: [] }));
        box.room -= sizes[i]!;
        box.of.push(i);
      }
      expect(firstFitDecreasing(sizes, 20).map((box) => [...box])).toEqual(plain.map(({ of }) => of));
    }
  });
  test('what fits no box is told', () => {
    expect(() => firstFitDecreasing(Int32Array.of(3, 11), 10)).toThrow('example 1 has 11 tokens; needs 1 to 10');
    expect(() => firstFitDecreasing(Int32Array.of(0), 10)).toThrow('example 0 has 0 tokens');
    expect(firstFitDecreasing(Int32Array.of(), 10)).toEqual([]);
  });
});

const V = 19;
const exampleOf = (length: number, first: number): EncodedExample => {
  const input_ids = Int32Array.from({ length }, (_, t) => (first + 7 * t) % V);
  return { input_ids, labels: input_ids.slice() };
};
const examples = [9, 3, 5, 2, 12, 4, 4].map((length, i) => exampleOf(length, i));

test('a row holds texts, which of them each token is of, and where in it', () => {
  const store = packedStore(memoryStore(examples), { length: 16 });
  expect(store.count).toBe(3);
  expect(store.fields).toEqual(['input_ids', 'labels', 'segment_ids', 'position_ids']);
  const rows = Array.from({ length: 3 }, (_, i) => store.read(i));
  expect([...rows[0]!['segment_ids']!]).toEqual([...Array<number>(12).fill(1), 2, 2, 2, 2]);
  expect([...rows[0]!['position_ids']!]).toEqual([...Array(12).keys(), 0, 1, 2, 3]);
  expect([...rows[0]!['input_ids']!]).toEqual([...examples[4]!['input_ids']!, ...examples[5]!['input_ids']!]);
  const expected = [...examples[4]!['labels']!, ...examples[5]!['labels']!];
  expected[0] = expected[12] = -100;
  expect([...rows[0]!['labels']!]).toEqual(expected);
  rows.forEach((row, i) =>
    expect(store.lengths(i)).toEqual(Object.fromEntries(Object.entries(row).map(([f, v]) => [f, v.length]))),
  );
  const tokens = rows.reduce((n, row) => n + row['input_ids']!.length, 0);
  expect(tokens).toBe(9 + 3 + 5 + 2 + 12 + 4 + 4);
  expect(() => store.read(3)).toThrow('no number 3; there are 3');
  // The same examples in rows of another length are other data.
  const other = packedStore(memoryStore(examples), { length: 20 });
  expect(other.fingerprint).not.toBe(store.fingerprint);
  expect(packedStore(memoryStore(examples), { length: 16 }).fingerprint).toBe(store.fingerprint);
  expect(() => packedStore(memoryStore(examples), { length: 11 })).toThrow('example 4 has 12 tokens; needs 1 to 11');
  expect(() => packedStore(memoryStore([{ input_ids: Int32Array.of(1) }]), { length: 4 })).toThrow(
    'the examples have input_ids; needs input_ids and labels',
  );
});

describe.each([
  ['gpt2', { model_type: 'gpt2', n_embd: 16, n_head: 2, n_layer: 2, n_positions: 32 }],
  [
    'llama',
    {
      model_type: 'llama',
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      max_position_embeddings: 32,
    },
  ],
])('%s', (_, sizes) => {
  test('loss and gradients of rows are those of their texts, weighted by their tokens', async () => {
    const config = { ...sizes, vocab_size: V, embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
    const built = buildNetwork(config, architectures);
    const weights = new Map<string, HostTensor>(
      [...initialize(built.network, 3)].map(([name, { data, shape }]) => [
        name,
        hostTensor(
          data.map((v, i) => v + 0.15 * Math.sin(i * 1.9 + name.length)),
          shape,
        ),
      ]),
    );
    const model = new Model({ ...built, weights, config });
    const grads = new Map<string, HostTensor>(
      [...weights].map(([name, { data, shape }]) => [name, hostTensor(new Float32Array(data.length), shape)]),
    );
    const step = networkStep(model.network, { weights, grads, compile: { threads: 1 } });
    const encode = (): never => {
      throw new Error('not here');
    };
    const task = languageModelling({ encode }, { padId: 0, limit: 16, endId: null, multiple: 4 });
    const draw = random(1);
    let [loss, count] = [0, 0];
    const sums = new Map([...grads].map(([name, { data }]) => [name, new Float64Array(data.length)]));
    for (const example of examples) {
      const { batch, count: own } = task.collate([example], draw);
      loss += (await step.run(batch, 0)) * own;
      count += own;
      for (const [name, { data }] of grads) data.forEach((g, i) => (sums.get(name)![i]! += Number(g) * own));
    }
    const store = packedStore(memoryStore(examples), { length: 16 });
    const rows = task.collate([store.read(0), store.read(1), store.read(2)], draw);
    expect(Object.keys(rows.batch).toSorted()).toEqual(['input_ids', 'labels', 'position_ids', 'segment_ids']);
    expect(rows.batch['input_ids']!.shape).toEqual([3, 16]);
    expect(rows.count).toBe(count);
    expect(Math.abs((await step.run(rows.batch, 0)) - loss / count)).toBeLessThan(1e-5);
    for (const [name, { data }] of grads) {
      const largest = Math.max(...sums.get(name)!.map(Math.abs)) / count;
      data.forEach((g, i) =>
        expect(Math.abs(Number(g) - sums.get(name)![i]! / count), name).toBeLessThan(1e-4 * largest + 1e-7),
      );
    }
    await step.dispose();
    await model.dispose();
  });
});
