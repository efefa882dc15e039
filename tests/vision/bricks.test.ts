// Bricks of image networks: values against plain loops in float64, gradients by finite differences.
import { describe, expect, test } from 'vitest';
import { gradients, input, type Tensor } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, parameters, training } from '../../packages/nn/src/index.ts';
import { compile, hostTensor } from '../../packages/runtime/src/index.ts';
import * as vision from '../../packages/vision/src/index.ts';
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  BatchNorm2d,
  bufferOutputs,
  Conv2d,
  ConvTranspose2d,
  Flatten,
  LocalResponseNorm,
  MaxPool2d,
  MaxUnpool2d,
  PatchProjection,
} from '../../packages/vision/src/index.ts';
import { checkBrick } from '../check-brick.ts';
import { between } from '../check-op.ts';
import { at, nd, total } from '../nd.ts';
import { convolution, pooling, responses, transposedConvolution } from '../ops/images.ts';

const average = (v: readonly number[]): number => total(v) / v.length;

describe('Conv2d', () => {
  test.each([
    [{}, [2, 4, 5, 6]],
    [{ stride: 2, padding: 1 }, [1, 4, 6, 5]],
    [{ stride: [1, 2], padding: [0, 1], dilation: [2, 1] }, [1, 4, 6, 5]],
    [{ groups: 2, padding: 1 }, [2, 4, 4, 3]],
  ] as const)('%j', async (o, shape) => {
    const symbolic = [['N', ...shape.slice(1)]];
    await checkBrick(() => new Conv2d(4, 6, [3, 2], o), [shape], {
      reference: (x, w, b) => convolution(x, w, b, o),
      symbolic,
    });
    await checkBrick(() => new Conv2d(4, 6, [3, 2], { ...o, bias: false }), [shape], {
      reference: (x, w) => convolution(x, w, undefined, o),
    });
  });
  test('begins uniform in ±1/√(inputs · kernel), as in PyTorch', () => {
    const first = initialize(new Conv2d(16, 32, 4));
    for (const { data } of first.values()) {
      expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(1 / 16);
      expect(Math.max(...data)).toBeGreaterThan(0.05);
    }
  });
  test('channels that don’t split into the groups are refused', () => {
    expect(() => new Conv2d(3, 4, 3, { groups: 2 })).toThrow('3 channels into 4 don’t'.replace('’', "'"));
  });
});

describe('ConvTranspose2d', () => {
  test.each([
    [{}, [2, 4, 3, 4]],
    [{ stride: 2, padding: 1, outputPadding: 1 }, [1, 4, 3, 2]],
    [{ stride: [3, 2], padding: [0, 1], dilation: [2, 1] }, [1, 4, 3, 3]],
    [{ groups: 2, stride: 2 }, [2, 4, 3, 2]],
  ] as const)('%j', async (o, shape) => {
    await checkBrick(() => new ConvTranspose2d(4, 6, [3, 2], o), [shape], {
      reference: (x, w, b) => transposedConvolution(x, w, b, o),
      symbolic: [['N', ...shape.slice(1)]],
    });
    await checkBrick(() => new ConvTranspose2d(4, 6, [3, 2], { ...o, bias: false }), [shape], {
      reference: (x, w) => transposedConvolution(x, w, undefined, o),
    });
  });
  test('begins as in PyTorch; channels that don’t split into the groups are refused', () => {
    const first = initialize(new ConvTranspose2d(32, 16, 4));
    // 1 / √(16 · 16)
    for (const { data } of first.values()) {
      expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(1 / 16);
      expect(Math.max(...data)).toBeGreaterThan(0.05);
    }
    expect(() => new ConvTranspose2d(3, 4, 3, { groups: 2 })).toThrow('3 channels into 4 don');
  });
});

test.each([
  [5, { alpha: 5e-4, beta: 0.75, bias: 2 }],
  [3, { alpha: 0.5, beta: 1.5 }],
] as const)('LocalResponseNorm over %i channels, %j', (size, o) =>
  checkBrick(() => new LocalResponseNorm(size, o), [[2, 6, 2, 3]], {
    reference: (x) => responses(x, size, o.alpha, o.beta, 'bias' in o ? o.bias : 1),
    symbolic: [['N', 6, 2, 3]],
    gradientTolerance: 1e-4,
  }),
);

test('MaxUnpool2d puts back what MaxPool2d took, where it took it, and takes gradients the same way', async () => {
  const pool = new MaxPool2d(2);
  class There {
    readonly back = new MaxUnpool2d(2);
    forward(x: Tensor): Tensor {
      const { values, indices } = pool.forwardWithIndices(x);
      return this.back.forward(values, indices, [5, 7]);
    }
  }
  await checkBrick(() => new There(), [between([2, 2, 5, 7], 1, 4)], {
    reference: (x) => {
      const kept = new Set(pooling(x, 2, {}, (v) => Math.max(...v), -Infinity).data);
      return nd(x.shape, (...i) => (kept.has(at(x, ...i)) ? at(x, ...i) : 0));
    },
  });
});

describe('BatchNorm2d', () => {
  const wide = between([3], 0.5, 1.5);
  test('by running statistics', () =>
    checkBrick(() => new BatchNorm2d(3, { counted: false, epsilon: 0.01 }), [[2, 3, 2, 4]], {
      reference: (x, w, b, m, v) =>
        nd(x.shape, (...i) => {
          const c = i[1]!;
          return ((at(x, ...i) - at(m, c)) / Math.sqrt(at(v, c) + 0.01)) * at(w, c) + at(b, c);
        }),
      values: [wide, [3], [3], wide],
      symbolic: [['N', 3, 'H', 'W']],
    }));

  test('a training step normalises by the batch, moves the statistics and counts, also where it is used twice', async () => {
    const network = { norm: new BatchNorm2d(2, { momentum: 0.25 }) };
    const ctx = training();
    const [x, z] = [input('x', [2, 2, 1, 3]), input('z', [2, 2, 1, 3])];
    const y = network.norm.forward(x, ctx);
    network.norm.forward(z, ctx);
    const outputs = bufferOutputs(network, ctx);
    expect(Object.keys(outputs)).toEqual([
      'buffers.norm.running_mean',
      'buffers.norm.running_var',
      'buffers.norm.num_batches_tracked',
    ]);
    const program = await compile({ y, ...Object.fromEntries(Object.entries(outputs).map(([n, t]) => [n, t()])) });
    const values = [1, 2, 3, 10, 20, 60, 5, 6, 7, 0, -10, 40];
    const others = values.map((v) => 2 * v + 1);
    const out = await program.run({
      x: hostTensor(Float32Array.from(values), [2, 2, 1, 3]),
      z: hostTensor(Float32Array.from(others), [2, 2, 1, 3]),
      ...Object.fromEntries([...initialize(network)].filter(([n]) => program.inputs.some((i) => i.name === n))),
    });
    const channel = (all: number[], c: number): number[] => all.filter((_, i) => Math.floor(i / 3) % 2 === c);
    const spread = (all: number[]): number => total(all.map((v) => (v - average(all)) ** 2));
    [0, 1].forEach((c) => {
      const [a, b] = [channel(values, c), channel(others, c)];
      const scale = Math.sqrt(spread(a) / a.length + 1e-5);
      const found = channel([...(out['y']!.data as Float32Array)], c);
      a.forEach((v, i) => expect(found[i]).toBeCloseTo((v - average(a)) / scale, 5));
      const moved = (old: number, f: (all: number[]) => number): number =>
        0.75 * (0.75 * old + 0.25 * f(a)) + 0.25 * f(b);
      expect(out['buffers.norm.running_mean']!.data[c]).toBeCloseTo(moved(0, average), 4);
      // The unbiased variance, as in PyTorch.
      expect(
        Number(out['buffers.norm.running_var']!.data[c]) / moved(1, (all) => spread(all) / (all.length - 1)),
      ).toBeCloseTo(1, 5);
    });
    expect(out['buffers.norm.num_batches_tracked']).toEqual(hostTensor(BigInt64Array.of(2n), []));
    await program.dispose();
  });

  test('a training step that keeps the statistics normalises by them, and changes nothing', () => {
    const norm = new BatchNorm2d(2);
    const ctx = training({ keeps: (buffer) => buffer === norm.running_mean });
    const y = norm.forward(input('x', [2, 2, 4, 4]), ctx);
    expect(y.node?.op.name).toBe(norm.forward(input('x', [2, 2, 4, 4]), evaluating()).node?.op.name);
    expect(bufferOutputs(norm, ctx)).toEqual({});
  });

  test('statistics have no gradient in training, are saved with the weights, and stay out of inference', () => {
    const norm = new BatchNorm2d(2);
    const all = [...parameters(norm)].map(([name, p]) => [name, p.dtype, p.trainable]);
    expect(all).toEqual([
      ['weight', 'float32', true],
      ['bias', 'float32', true],
      ['running_mean', 'float32', false],
      ['running_var', 'float32', false],
      ['num_batches_tracked', 'int64', false],
    ]);
    expect(initialize(norm).get('num_batches_tracked')).toEqual({
      data: BigInt64Array.of(0n),
      shape: [],
      dtype: 'int64',
    });
    const ctx = evaluating();
    norm.forward(input('x', ['N', 2, 4, 4]), ctx);
    expect(bufferOutputs(norm, ctx)).toEqual({});
    const y = norm.forward(input('x', [2, 2, 4, 4]), training());
    const [dm] = gradients(y.sum(), [norm.running_mean]) as [Tensor];
    expect(dm.node?.op.name).toBe('ConstantOfShape');
  });
});

describe('pooling', () => {
  test.each([
    [3, { stride: 2, padding: 1 }],
    [[2, 3], {}],
    [2, { stride: 1, dilation: 2 }],
  ] as const)('MaxPool2d of %j, %j', (kernel, o) =>
    checkBrick(() => new MaxPool2d(kernel, o), [[2, 2, 6, 7]], {
      reference: (x) => pooling(x, kernel, o, (v) => Math.max(...v), -Infinity),
      symbolic: [['N', 2, 6, 7]],
    }),
  );
  test.each([
    [3, { stride: 2, padding: 1 }, true],
    [3, { stride: 2, padding: 1 }, false],
    [[2, 3], {}, true],
  ] as const)('AvgPool2d of %j, %j, padding counted: %j', (kernel, o, countIncludePad) =>
    checkBrick(() => new AvgPool2d(kernel, { ...o, countIncludePad }), [[2, 2, 6, 7]], {
      reference: (x) => pooling(x, kernel, o, (v, inside) => total(v) / (countIncludePad ? v.length : inside), 0),
    }),
  );
  test.each([[1], [3], [[2, 7]], [[5, 1]], [[6, 7]], [8]] as [number | [number, number]][])(
    'AdaptiveAvgPool2d to %j: the mean from floor(i H / n) to ceil((i + 1) H / n)',
    async (size) => {
      const [h, w] = typeof size === 'number' ? [size, size] : size;
      await checkBrick(() => new AdaptiveAvgPool2d(size), [[2, 3, 6, 7]], {
        reference: (x) =>
          nd([2, 3, h, w], (n, c, i, j) => {
            const found: number[] = [];
            for (let u = Math.floor((i! * 6) / h); u < Math.ceil(((i! + 1) * 6) / h); u++)
              for (let v = Math.floor((j! * 7) / w); v < Math.ceil(((j! + 1) * 7) / w); v++)
                found.push(at(x, n!, c!, u, v));
            return average(found);
          }),
      });
    },
  );
  test('AdaptiveAvgPool2d says what it needs', () => {
    expect(() => new AdaptiveAvgPool2d(0)).toThrow('the size is 0');
    expect(() => new AdaptiveAvgPool2d(2).forward(input('x', ['N', 3, 'H', 8]))).toThrow('a known height');
  });
});

test('Flatten: all axes but the first become one', () =>
  checkBrick(() => new Flatten(), [[2, 3, 2, 2]], {
    reference: (x) => ({ data: x.data, shape: [2, 12] }),
    symbolic: [['N', 3, 2, 2]],
  }));

test('PatchProjection is the convolution whose stride is its kernel; what is left over at the edges goes', async () => {
  await checkBrick(() => new PatchProjection(3, 4, [2, 3]), [[2, 3, 5, 7]], {
    reference: (x, w, b) => {
      const y = convolution(x, w, b, { stride: [2, 3] }); // (2, 4, 2, 2)
      return nd([2, 4, 4], (n, t, m) => at(y, n!, m!, Math.floor(t! / 2), t! % 2));
    },
    symbolic: [['N', 3, 5, 7]],
  });
  expect(() => new PatchProjection(3, 4, [2, 2]).forward(input('x', [1, 1, 4, 4]))).toThrow('needs 3 channels');
});

test('every brick that packages/vision exports is checked here', () => {
  const bricks = Object.entries(vision).flatMap(([name, value]) =>
    typeof value === 'function' && typeof (value.prototype as { forward?: unknown } | undefined)?.forward === 'function'
      ? [name]
      : [],
  );
  expect(bricks.toSorted()).toEqual([
    'AdaptiveAvgPool2d',
    'AvgPool2d',
    'BatchNorm2d',
    'Conv2d',
    'ConvTranspose2d',
    'Flatten',
    'LocalResponseNorm',
    'MaxPool2d',
    'MaxUnpool2d',
    'PatchProjection',
    'ViTLayer', // in tests/parity/vision.test.ts
  ]);
});
