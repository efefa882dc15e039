// Graphs that were rewritten compute what the graphs compute that they were made of.
import { describe, expect, test } from 'vitest';
import {
  concat,
  constant,
  erf,
  fuseNorms,
  gelu,
  geluTanh,
  inHalf,
  input,
  layerNorm,
  matmul,
  mul,
  portable,
  reciprocal,
  relu,
  rewrite,
  rmsNorm,
  shareSizes,
  softmax,
  splitLike,
  sqrt,
  sum,
  toHalf,
  topologicalOrder,
  type Tensor,
} from '../../packages/graph/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';

async function run(
  outputs: Record<string, Tensor>,
  feeds: Record<string, HostTensor>,
): Promise<Record<string, number[]>> {
  const program = await compile(outputs);
  const results = await program.run(feeds);
  await program.dispose();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, Array.from(data as Float32Array, Number)]),
  );
}
const wave = (...shape: number[]): HostTensor => {
  const n = shape.reduce((a, b) => a * b, 1);
  return hostTensor(
    Float32Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + 0.3)),
    shape,
  );
};
function close(found: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(found.length).toBe(expected.length);
  found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance));
}

describe('rewrite', () => {
  const x = input('x', [2, 3]);

  test('what no rule touches is the same tensor', () => {
    const y = relu(x);
    expect(rewrite({ y }, {})['y']).toBe(y);
  });

  test('a leaf gives way to a constant, and nodes to others', async () => {
    const w = input('w', [3, 2]);
    const y = relu(matmul(x, w));
    const made = rewrite(
      { y },
      {
        leaf: (leaf) => (leaf === w ? constant(Float32Array.of(1, -1, 0, 2, 3, -3), [3, 2]) : null),
        node: ({ op }, inputs) => (op.name === 'Relu' ? [mul(inputs[0]!, 2)] : null),
      },
    );
    expect(await run(made, { x: hostTensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]) })).toEqual({
      y: [20, -12, 44, -24],
    });
  });
});

describe('shareSizes', () => {
  test('sizes of named axes are read from an input, once for all', async () => {
    const x = input('x', ['B', 'T']);
    const z = input('z', ['B', 'P']);
    const steps = (a: Tensor): Tensor => {
      const both = concat([mul(a, 2), mul(z, 3)], 1);
      const [first, second] = splitLike(softmax(both), [relu(a), relu(z)], 1);
      return first!.add(sum(second!, [1], true));
    };
    const y = steps(steps(x));
    const made = shareSizes({ y });
    const asked = (of: Tensor): string[] =>
      topologicalOrder([of]).flatMap(({ op, inputs }) => (op.name === 'Shape' ? [inputs[0]!.name ?? 'a step'] : []));
    expect(asked(y)).toEqual(Array(4).fill('a step'));
    expect(asked(made['y']!).toSorted()).toEqual(['x', 'z']);
    const feeds = { x: wave(2, 3), z: wave(2, 2) };
    expect(await run(made, feeds)).toEqual(await run({ y }, feeds));
  });
});

describe('fuseNorms', () => {
  const x = input('x', ['B', 'T', 4]);
  const w = constant(Float32Array.of(1, -2, 0.5, 3), [4]);
  const b = constant(Float32Array.of(0.1, 0.2, -0.3, 0), [4]);
  const feeds = { x: wave(2, 3, 4) };
  const names = (outputs: Record<string, Tensor>): string[] =>
    topologicalOrder(Object.values(outputs)).map(({ op }) => op.name);
  // Sums that are normed and used again, as a block's.
  const blocks = (norm: (x: Tensor) => Tensor): Record<string, Tensor> => {
    const first = x.add(relu(norm(x)));
    const second = first.add(relu(norm(first)));
    return { y: norm(second), second };
  };

  test.each([
    ['layerNorm', (y: Tensor) => layerNorm(y, w, b), { SkipLayerNormalization: 2, LayerNormalization: 1, Add: 0 }],
    ['layerNorm without bias', (y: Tensor) => layerNorm(y, w), { SkipLayerNormalization: 2 }],
    [
      'rmsNorm',
      (y: Tensor) => rmsNorm(y, w),
      { SkipSimplifiedLayerNormalization: 2, SimplifiedLayerNormalization: 1, Mul: 0 },
    ],
    [
      'rmsNorm of a weight that is computed',
      (y: Tensor) => rmsNorm(y, w.add(1)),
      { SimplifiedLayerNormalization: 3, Add: 5 },
    ],
  ] as const)('%s: fewer nodes, and the same results to 1e-6', async (_, norm, counts) => {
    const outputs = blocks(norm);
    const made = fuseNorms(outputs);
    for (const [name, count] of Object.entries(counts))
      expect([name, names(made).filter((one) => one === name).length]).toEqual([name, count]);
    const [found, expected] = [await run(made, feeds), await run(outputs, feeds)];
    for (const name of ['y', 'second']) close(found[name]!, expected[name]!, 1e-6);
  });

  test('a product that only looks like a norm stays', () => {
    const y = mul(mul(x, reciprocal(sqrt(sum(mul(x, x), [-1], true).add(1)))), w);
    expect(names(fuseNorms({ y }))).toEqual(names({ y }));
  });
});

describe('portable', () => {
  const x = input('x', ['B', 3]);

  test.each([17, 20, 23])('opset %s: no operator of an engine’s own, and the same results to 1e-6', async (opset) => {
    const w = constant(wave(2, 3).data as Float32Array, [2, 3]);
    const outputs = {
      across: matmul(x, w, { transB: true, alpha: 0.5 }),
      gelu: gelu(x),
      fast: geluTanh(x),
      inner: matmul(x, x, { transA: true }),
      erf: erf(x),
    };
    const made = portable(outputs, { opset });
    const domains = topologicalOrder(Object.values(made)).map(({ op }) => op.domain ?? '');
    expect(new Set(domains)).toEqual(new Set(['']));
    const feeds = { x: wave(4, 3) };
    const [found, expected] = [await run(made, feeds), await run(outputs, feeds)];
    for (const [name, values] of Object.entries(expected)) close(found[name]!, values, 1e-6);
  });
});

describe('half precision', () => {
  test('values at the borders of the type, to the nearest and even', () => {
    const values = Float32Array.of(0, -0, 1, -2, 65504, 70000, -Infinity, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 2 ** -14);
    const halves = [0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x7bff, 0xfbff, 1, 0, 2, 0x400];
    expect(Array.from(toHalf(values))).toEqual(halves);
    // 1 + 2^-11 lies between 1 and 1 + 2^-10; 1 + 3·2^-11 between odd 1 + 2^-10 and even 1 + 2^-9.
    expect(Array.from(toHalf(Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2047.75)))).toEqual([
      0x3c00, 0x3c02, 0x6800,
    ]);
    expect(toHalf(Float32Array.of(NaN))[0]! & 0x7c00).toBe(0x7c00);
  });

  test('sums of squares beyond the type’s range are computed in float32; inputs and outputs stay as asked', async () => {
    const x = input('x', [2, 4]);
    const square = sum(mul(x, x), [1], true);
    const y = mul(x, reciprocal(sqrt(square.add(1))));
    const made = inHalf({ y, weights: softmax(x) }, { keep: () => true });
    expect(made['y']!.dtype).toBe('float32');
    const feeds = { x: hostTensor(Float32Array.of(300, -400, 500, 600, 1, 2, 3, 4), [2, 4]) };
    const [found, expected] = [await run(made, feeds), await run({ y, weights: softmax(x) }, feeds)];
    close(found['y']!, expected['y']!, 2e-3);
    close(found['weights']!, expected['weights']!, 2e-3);
  });

  test('inputs and outputs become float16 unless kept', () => {
    const x = input('x', [2]);
    const made = inHalf({ y: relu(x), z: mul(x, 2) }, { keep: (name) => name === 'z' });
    expect([made['y']!.dtype, made['z']!.dtype]).toEqual(['float16', 'float32']);
  });
});
