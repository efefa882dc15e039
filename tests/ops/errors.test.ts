// Mistakes are reported at the line that the user wrote, with both shapes.
import { expect, test } from 'vitest';
import * as g from '../../packages/graph/src/index.ts';
import { Linear } from '../../packages/nn/src/index.ts';

const x = g.input('x', [2, 3]);
const y = g.input('y', [4, 5]);
const i = g.input('i', [2], 'int64');

const mistakes: Record<string, () => unknown> = {
  add: () => g.add(x, y),
  method: () => x.add(y),
  matmul: () => g.matmul(x, y),
  gemm: () => g.gemm(x, y),
  where: () => g.where(x, x, x),
  reshape: () => x.reshape([5]),
  permute: () => g.permute(x, [0, 0]),
  squeeze: () => g.squeeze(x, 0),
  unsqueeze: () => g.unsqueeze(x, 7),
  expand: () => g.expand(x, [4, 3]),
  slice: () => g.slice(x, 5, 0),
  split: () => g.split(x, 2, 1),
  concat: () => g.concat([x, y], 0),
  pad: () => g.pad(x, 0, -1, 0),
  trilu: () => g.trilu(i),
  sum: () => g.sum(x, [2]),
  mean: () => g.mean(g.input('e', [0])),
  topk: () => g.topk(x, 9),
  softmax: () => g.softmax(x, 4),
  layerNorm: () => g.layerNorm(x, y),
  rmsNorm: () => g.rmsNorm(x, y),
  gather: () => g.gather(x, x),
  gatherElements: () => g.gatherElements(x, i),
  scatterAdd: () => g.scatterAddElements(x, i, i),
  conv2d: () => g.conv2d(x, y),
  maxPool2d: () => g.maxPool2d(x, 2),
  batchNorm: () => g.batchNorm(x, x, x, x, x),
  localResponseNorm: () => g.localResponseNorm(x, 3),
  input: () => g.input('x', [-1]),
  constant: () => g.constant(new Float32Array(2), [3]),
  gradients: () => g.gradients(x, [x]),
  brick: () => new Linear(7, 2).forward(x),
};

for (const [name, mistake] of Object.entries(mistakes))
  test(`${name}: the first line of the stack is the caller's`, () => {
    let error: unknown;
    try {
      mistake();
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(Error);
    const [first] = (error as Error).stack!.split('\n    at ').slice(1);
    expect(first).toContain('errors.test.ts');
    expect((error as Error).stack).toContain((error as Error).message);
  });

test('an operator without a gradient says so', () => {
  const op: g.Op<object> = { name: 'Ceil', infer: ([t]) => [t!.shape] };
  expect(() => g.gradients(g.apply(op, [x], {}).sum(), [x])).toThrow('Ceil has no gradient');
});
