import { conv2d, convTranspose2d, gemm, gradients, input, matmul, mul, softmax, sum } from '@brickwork/graph';
import { parameters } from '@brickwork/nn';
import { GPT2LMHeadModel } from '@brickwork/transformer';
import { expect, test } from 'vitest';
import { operations } from './operations.ts';
import { traceLoss } from './step.ts';

test('products count two for each multiplication with addition, however they are written', () => {
  const [a, b] = [input('a', [5, 7]), input('b', [7, 3])];
  expect(operations([matmul(a, b)])).toBe(2 * 5 * 7 * 3);
  expect(operations([matmul(b, a, { transA: true, transB: true })])).toBe(2 * 3 * 7 * 5);
  expect(operations([gemm(a, input('w', [3, 7]), input('bias', [3]), { transB: true })])).toBe(2 * 5 * 7 * 3);
  expect(operations([matmul(input('x', [2, 4, 5, 7]), b)])).toBe(2 * 2 * 4 * 5 * 7 * 3);
  expect(operations([softmax(mul(a, a))])).toBe(0);
});

test('a product that several outputs need counts once', () => {
  const y = matmul(input('a', [5, 7]), input('b', [7, 3]));
  expect(operations([y, mul(y, y), sum(y)])).toBe(210);
});

test('convolutions count the taps of every value', () => {
  const [x, w] = [input('x', [2, 6, 8, 8]), input('w', [4, 6, 3, 3])];
  expect(operations([conv2d(x, w)])).toBe(2 * (2 * 4 * 6 * 6) * (6 * 9));
  expect(operations([conv2d(x, input('g', [4, 3, 3, 3]), null, { groups: 2 })])).toBe(2 * (2 * 4 * 6 * 6) * (3 * 9));
  // The transposed one does the work of the one whose gradient it is.
  expect(operations([convTranspose2d(input('y', [2, 4, 6, 6]), w)])).toBe(2 * (2 * 4 * 6 * 6) * (6 * 9));
});

test('a GPT’s training step is six operations for every weight of a matrix and token, and attention', () => {
  const [B, T, C, L, V] = [2, 16, 32, 3, 50];
  const model = new GPT2LMHeadModel({ vocab_size: V, n_positions: T, n_embd: C, n_layer: L, n_head: 4 });
  const loss = traceLoss(model, B, T, false);
  const forward = operations([loss]);
  // Of a layer: queries, keys, values and output 4·C², the MLP 8·C²; scores and their use of values, T·C each.
  expect(forward).toBe(2 * B * T * (L * (12 * C * C + 2 * T * C) + V * C));
  const all = operations([loss, ...gradients(loss, [...parameters(model).values()])]);
  // Backward is twice forward, but for sums that are written as products with ones.
  expect(all).toBeGreaterThanOrEqual(3 * forward);
  expect(all).toBeLessThan(3.15 * forward);
});

test('sizes that are not known before a run are refused', () => {
  expect(() => operations([matmul(input('a', ['N', 7]), input('b', [7, 3]))])).toThrow(
    'operations: MatMul has the shape (N, 3)',
  );
  expect(() => operations([matmul(input('a', [3, 'K']), input('b', ['K', 3]))])).toThrow('sums over K');
});
