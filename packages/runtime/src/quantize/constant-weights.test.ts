import { constant, gather, input, matmul, topologicalOrder, type Tensor } from '@brickwork/graph';
import { expect, test } from 'vitest';
import { compile } from '../compile.ts';
import { hostTensor, type HostTensor } from '../host-tensor.ts';
import { ConstantWeights, type ConstantWeightsOptions } from './constant-weights.ts';

// Values from -1 to 1 without a pattern.
const wave = (...shape: number[]): HostTensor => {
  const n = shape.reduce((a, b) => a * b, 1);
  const draw = (i: number): number => Math.imul(i + 17 * n, 0x9e3779b1) / 2 ** 31;
  return hostTensor(
    Float32Array.from({ length: n }, (_, i) => Math.sin(1e4 * draw(i))),
    shape,
  );
};
// A table that is looked up in and, tied, multiplied by; a matrix either way round; a bias.
const weights = new Map([
  ['table', wave(10, 64)],
  ['across', wave(64, 32)],
  ['plain', wave(64, 32)],
  ['bias', wave(64)],
]);
const own = (name: string): Tensor => input(name, weights.get(name)!.shape as number[]);

function graph(): Record<string, Tensor> {
  const table = own('table');
  const x = gather(table, input('ids', ['B', 'T'], 'int64')).add(own('bias')); // (B, T, 64)
  const y = matmul(matmul(x, own('across')), own('plain'), { transB: true }).add(own('bias')); // (B, T, 64)
  return { logits: matmul(y, table, { transB: true }) };
}
const feeds = { ids: hostTensor(BigInt64Array.of(1n, 9n, 4n, 0n), [2, 2]) };

async function run(options: ConstantWeightsOptions): Promise<{ logits: Float32Array; ops: string[]; biases: number }> {
  const outputs = new ConstantWeights(weights, options).apply(graph());
  const program = await compile(outputs);
  expect(program.inputs.map((x) => x.name)).toEqual(['ids']);
  const { logits } = await program.run(feeds);
  await program.dispose();
  return {
    logits: logits!.data as Float32Array,
    biases: topologicalOrder(Object.values(outputs)).filter(({ op, inputs }) => op.name === 'MatMulNBits' && inputs[5])
      .length,
    ops: topologicalOrder(Object.values(outputs)).map(({ op }) => op.name),
  };
}

test('weights become constants; in few bits where asked, and the results stay near', async () => {
  const { logits: exact } = await run({});
  const largest = Math.max(...exact.map(Math.abs));
  const apart = (found: Float32Array): number => Math.max(...found.map((x, i) => Math.abs(x - exact[i]!))) / largest;
  // Shares of the largest value: 8 bits have steps of 1/254, 4 bits of 1/15, and three products stand in a row.
  for (const [format, products, tables, tolerance] of [
    ['int8', 'MatMulNBits', 'GatherBlockQuantized', 0.03],
    ['int4', 'MatMulNBits', 'GatherBlockQuantized', 0.3],
    ['dynamic', 'MatMulInteger', 'Gather', 0.05],
  ] as const) {
    const { logits, ops, biases } = await run({ format });
    expect(biases).toBe(format === 'dynamic' ? 0 : 1);
    expect(ops.filter((name) => name === products)).toHaveLength(3);
    expect(ops.filter((name) => name === tables)).toHaveLength(1);
    expect(apart(logits)).toBeLessThan(tolerance);
    expect(apart(logits)).toBeGreaterThan(0);
  }
});

test('some weights in another format, or as they are', async () => {
  const formatOf = (name: string): 'int8' | null => (name === 'across' ? 'int8' : null);
  const { ops } = await run({ format: 'int4', formatOf });
  expect(ops.filter((name) => name === 'MatMulNBits')).toHaveLength(1);
  expect(ops).not.toContain('GatherBlockQuantized');
});

test('the codes of a weight are made once for all graphs', () => {
  const made = new ConstantWeights(weights, { format: 'int4' });
  const codes = (): Tensor[] =>
    topologicalOrder(Object.values(made.apply(graph()))).flatMap(({ op, inputs }) =>
      op.name === 'MatMulNBits' ? [inputs[1]!] : [],
    );
  const [first, second] = [codes(), codes()];
  expect(first).toHaveLength(3);
  first.forEach((x, i) => expect(second[i]).toBe(x));
});

test('inputs that are no weights stay', () => {
  const outputs = new ConstantWeights(new Map()).apply({
    y: input('x', [2]).add(constant(Float32Array.of(1, 2), [2])),
  });
  expect(topologicalOrder(Object.values(outputs))[0]!.inputs[0]!.name).toBe('x');
});
