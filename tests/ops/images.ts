// Checks of the operators of convolutional networks, at odd sizes: kernels, strides and paddings that leave pixels over.
import assert from 'node:assert/strict';
import {
  averagePool2d,
  batchNorm,
  batchNormTraining,
  cast,
  constant,
  conv2d,
  convTranspose2d,
  globalAveragePool,
  input,
  localResponseNorm,
  maxPool2d,
  maxPool2dWithIndices,
  maxUnpool2d,
  mul,
  type Tensor,
} from '../../packages/graph/src/index.ts';
import { between, checkOp, gradientsOf, tied, values } from '../check-op.ts';
import { at, nd, total, type Nd } from '../nd.ts';
import { throws, type Cases } from './cases.ts';

type Two = readonly [number, number];
interface Spec {
  stride?: number | Two;
  padding?: number | Two | [number, number, number, number];
  dilation?: number | Two;
  groups?: number;
}
const two = (v: number | readonly number[]): Two => (typeof v === 'number' ? [v, v] : [v[0]!, v[1]!]);
const four = (v: number | readonly number[]): number[] =>
  typeof v !== 'number' && v.length === 4 ? [...v] : [...two(v), ...two(v)];
// The value at a pixel, or `outside` beyond the image.
const pixel = (x: Nd, n: number, c: number, i: number, j: number, outside = 0): number =>
  i >= 0 && j >= 0 && i < x.shape[2]! && j < x.shape[3]! ? at(x, n, c, i, j) : outside;

export function convolution(x: Nd, w: Nd, b: Nd | undefined, o: Spec): Nd {
  const [s, d, p, groups] = [two(o.stride ?? 1), two(o.dilation ?? 1), four(o.padding ?? 0), o.groups ?? 1];
  const [M, C, h, k] = w.shape as [number, number, number, number];
  const size = (a: 0 | 1): number =>
    Math.floor((x.shape[a + 2]! + p[a]! + p[a + 2]! - d[a] * (w.shape[a + 2]! - 1) - 1) / s[a]) + 1;
  return nd([x.shape[0]!, M, size(0), size(1)], (n, m, P, Q) => {
    let y = b ? at(b, m!) : 0;
    const first = Math.floor(m! / (M / groups)) * C;
    for (let c = 0; c < C; c++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < k; j++)
          y += at(w, m!, c, i, j) * pixel(x, n!, first + c, P! * s[0] + i * d[0] - p[0]!, Q! * s[1] + j * d[1] - p[1]!);
    return y;
  });
}
// Every pixel adds a copy of the kernel, scaled by it, to the result.
export function transposedConvolution(x: Nd, w: Nd, b: Nd | undefined, o: Spec & { outputPadding?: number | Two }): Nd {
  const [s, d, p, groups, extra] = [
    two(o.stride ?? 1),
    two(o.dilation ?? 1),
    four(o.padding ?? 0),
    o.groups ?? 1,
    two(o.outputPadding ?? 0),
  ];
  const [C, perGroup, h, k] = w.shape as [number, number, number, number];
  const size = (a: 0 | 1): number =>
    s[a] * (x.shape[a + 2]! - 1) + d[a] * (w.shape[a + 2]! - 1) + 1 + extra[a] - p[a]! - p[a + 2]!;
  const M = perGroup * groups;
  const y = nd([x.shape[0]!, M, size(0), size(1)], (_n, m) => (b ? at(b, m!) : 0));
  for (let n = 0; n < x.shape[0]!; n++)
    for (let c = 0; c < C; c++)
      for (let P = 0; P < x.shape[2]!; P++)
        for (let Q = 0; Q < x.shape[3]!; Q++)
          for (let m = 0; m < perGroup; m++)
            for (let i = 0; i < h; i++)
              for (let j = 0; j < k; j++) {
                const [u, v] = [P * s[0] + i * d[0] - p[0]!, Q * s[1] + j * d[1] - p[1]!];
                if (u < 0 || v < 0 || u >= size(0) || v >= size(1)) continue;
                const channel = Math.floor(c / (C / groups)) * perGroup + m;
                y.data[((n * M + channel) * size(0) + u) * size(1) + v]! += at(x, n, c, P, Q) * at(w, c, m, i, j);
              }
  return y;
}
export function pooling(
  x: Nd,
  kernel: number | Two,
  o: Spec,
  f: (window: number[], inside: number) => number,
  outside: number,
): Nd {
  const [k, s, d, p] = [two(kernel), two(o.stride ?? kernel), two(o.dilation ?? 1), four(o.padding ?? 0)];
  const size = (a: 0 | 1): number =>
    Math.floor((x.shape[a + 2]! + p[a]! + p[a + 2]! - d[a] * (k[a] - 1) - 1) / s[a]) + 1;
  return nd([x.shape[0]!, x.shape[1]!, size(0), size(1)], (n, c, P, Q) => {
    const window: number[] = [];
    let inside = 0;
    for (let i = 0; i < k[0]; i++)
      for (let j = 0; j < k[1]; j++) {
        const [u, v] = [P! * s[0] + i * d[0] - p[0]!, Q! * s[1] + j * d[1] - p[1]!];
        if (u >= 0 && v >= 0 && u < x.shape[2]! && v < x.shape[3]!) inside++;
        window.push(pixel(x, n!, c!, u, v, outside));
      }
    return f(window, inside);
  });
}
const convCase =
  (x: number[], w: number[], o: Spec = {}) =>
  async (): Promise<void> => {
    const named = { symbolic: [['N', ...x.slice(1)], w, [w[0]!]] };
    await checkOp((a, b, c) => conv2d(a, b, c, o), [x, w, [w[0]!]], {
      reference: (a, b, c) => convolution(a, b, c, o),
      ...named,
    });
    await checkOp((a, b) => conv2d(a, b, null, o), [x, w], { reference: (a, b) => convolution(a, b, undefined, o) });
  };
const transposedCase =
  (x: number[], w: number[], o: Spec & { outputPadding?: number | Two } = {}) =>
  async (): Promise<void> => {
    const M = w[1]! * (o.groups ?? 1);
    await checkOp((a, b, c) => convTranspose2d(a, b, c, o), [x, w, [M]], {
      reference: (a, b, c) => transposedConvolution(a, b, c, o),
      symbolic: [['N', ...x.slice(1)], w, [M]],
    });
    await checkOp((a, b) => convTranspose2d(a, b, null, o), [x, w], {
      reference: (a, b) => transposedConvolution(a, b, undefined, o),
    });
  };
const maxCase =
  (x: number[], kernel: number | Two, o: Omit<Spec, 'groups'> = {}) =>
  (): Promise<void> =>
    checkOp((a) => maxPool2d(a, kernel, o), [between(x, -4, 4)], {
      reference: (a) => pooling(a, kernel, o, (w) => Math.max(...w), Number.NEGATIVE_INFINITY),
      symbolic: [['N', ...x.slice(1)]],
    });
const averageCase =
  (x: number[], kernel: number | Two, o: Omit<Spec, 'groups' | 'dilation'> = {}) =>
  async (): Promise<void> => {
    for (const countIncludePad of [true, false])
      await checkOp((a) => averagePool2d(a, kernel, { ...o, countIncludePad }), [x], {
        reference: (a) => pooling(a, kernel, o, (w, inside) => total(w) / (countIncludePad ? w.length : inside), 0),
        symbolic: [['N', ...x.slice(1)]],
      });
    await checkOp((a) => averagePool2d(a, kernel, o), [x], {
      reference: (a) => pooling(a, kernel, o, (w) => total(w) / w.length, 0),
    });
  };

// All values of a channel.
const channel = (x: Nd, c: number): number[] =>
  [...x.data].filter((_, i) => Math.floor(i / x.shape.slice(2).reduce((a, b) => a * b, 1)) % x.shape[1]! === c);
const mean = (v: number[]): number => total(v) / v.length;
const variance = (v: number[], less = 0): number => total(v.map((t) => (t - mean(v)) ** 2)) / (v.length - less);
const normalized = (x: Nd, w: Nd, b: Nd, m: number[], v: number[], epsilon: number): Nd =>
  nd(x.shape, (...i) => ((at(x, ...i) - m[i[1]!]!) / Math.sqrt(v[i[1]!]! + epsilon)) * at(w, i[1]!) + at(b, i[1]!));
const each = <T>(x: Nd, f: (c: number) => T): T[] => Array.from({ length: x.shape[1]! }, (_, c) => f(c));
const positive = (C: number): ReturnType<typeof between> => between([C], 0.5, 1.5);
export const responses = (x: Nd, size: number, alpha: number, beta: number, bias: number): Nd =>
  nd(x.shape, (n, c, i, j) => {
    let s = 0;
    for (let k = c! - (size - 1) / 2; k <= c! + (size - 1) / 2; k++)
      if (k >= 0 && k < x.shape[1]!) s += at(x, n!, k, i!, j!) ** 2;
    return at(x, n!, c!, i!, j!) / (bias + (alpha / size) * s) ** beta;
  });
const x = (...shape: (number | string)[]): Tensor => input('x', shape);

export const imageCases: Cases = {
  conv2d: {
    'a 3x3 kernel': convCase([2, 3, 5, 6], [4, 3, 3, 3]),
    'a 1x1 kernel': convCase([2, 3, 4, 3], [5, 3, 1, 1]),
    'padding that keeps the size': convCase([2, 2, 5, 5], [3, 2, 3, 3], { padding: 1 }),
    'strides that leave one, two or no pixels over': async () => {
      for (const side of [6, 7, 8, 9]) await convCase([1, 2, side, side + 1], [2, 2, 3, 2], { stride: 3 })();
      for (const side of [7, 8]) await convCase([2, 2, side, 5], [3, 2, 3, 3], { stride: 2, padding: 1 })();
    },
    'large kernels that take large steps': async () => {
      await convCase([2, 3, 13, 14], [4, 3, 5, 6], { stride: 2, padding: 2 })();
      await convCase([1, 2, 17, 16], [2, 2, 7, 5], { stride: [3, 4], padding: [1, 0, 2, 3] })();
      await convCase([2, 4, 12, 11], [4, 2, 6, 5], { stride: 3, groups: 2 })();
    },
    'more images than are looked at together': async () => {
      const [N, C, S] = [30, 16, 40];
      const size = N * C * S * S;
      const pixels = Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * i));
      const slopes = Float32Array.from({ length: (size / C) * 2 }, (_, i) => Math.cos(0.11 * i));
      const g = constant(slopes, [N, 2, S, S]);
      const [, dw] = await gradientsOf(
        (a, w) => mul(conv2d(a, w, null, { padding: 1 }), g).sum(),
        [values(pixels, [N, C, S, S]), values(new Float32Array(2 * C * 9), [2, C, 3, 3])],
      );
      for (const [m, c, i, j] of [
        [0, 0, 0, 0],
        [1, 15, 2, 1],
        [0, 7, 1, 2],
      ] as const) {
        let expected = 0;
        for (let n = 0; n < N; n++)
          for (let y = 0; y < S; y++)
            for (let q = 0; q < S; q++) {
              const [u, v] = [y + i - 1, q + j - 1];
              if (u < 0 || v < 0 || u >= S || v >= S) continue;
              expected += slopes[((n * 2 + m) * S + y) * S + q]! * pixels[((n * C + c) * S + u) * S + v]!;
            }
        const found = dw![((m * C + c) * 3 + i) * 3 + j]!;
        assert.ok(Math.abs(found - expected) < 1e-2, `${found} is not ${expected}`); // sums of 48,000 float32 products
      }
    },
    'strides larger than the kernel': convCase([2, 2, 8, 9], [2, 2, 1, 2], { stride: [3, 4] }),
    'different numbers along both axes': convCase([1, 2, 9, 8], [2, 2, 2, 3], {
      stride: [2, 3],
      padding: [1, 2],
      dilation: [3, 2],
    }),
    'padding on one side only': convCase([2, 2, 6, 7], [3, 2, 3, 3], { stride: 2, padding: [0, 1, 2, 0] }),
    'dilation, with pixels over': convCase([1, 2, 9, 10], [2, 2, 3, 3], { stride: 2, padding: 1, dilation: 2 }),
    'groups, and one channel per group': async () => {
      await convCase([2, 4, 5, 6], [6, 2, 3, 3], { groups: 2, padding: 1 })();
      await convCase([2, 3, 5, 5], [6, 1, 3, 3], { groups: 3, stride: 2 })();
      await convCase([1, 4, 6, 6], [4, 1, 3, 2], { groups: 4, padding: 1, dilation: 2 })();
    },
    'an image as large as the kernel': convCase([2, 2, 3, 4], [3, 2, 3, 4]),
    'images whose size arrives': async () => {
      const o = { stride: 2, padding: 1 };
      await checkOp(
        (a, b) => conv2d(a, b, null, o),
        [
          [1, 2, 6, 5],
          [3, 2, 3, 3],
        ],
        {
          reference: (a, b) => convolution(a, b, undefined, o),
          symbolic: [
            ['N', 2, 'H', 'W'],
            [3, 2, 3, 3],
          ],
          symbolicGradient: false,
        },
      );
      assert.deepEqual(conv2d(x('N', 3, 'H', 'W'), input('w', [8, 3, 3, 3]), null, { padding: 1 }).shape, [
        'N',
        8,
        'H',
        'W',
      ]);
    },
    'shapes that do not fit': () => {
      throws(
        () => conv2d(x(1, 3, 8, 8), input('w', [4, 2, 3, 3])),
        '(1, 3, 8, 8)',
        '(4, 2, 3, 3)',
        '2 channels',
        'has 3',
      );
      throws(() => conv2d(x(3, 8, 8), input('w', [4, 3, 3, 3])), '(3, 8, 8)', '(N, C, H, W)');
      throws(() => conv2d(x(1, 4, 8, 8), input('w', [3, 2, 3, 3]), null, { groups: 2 }), '2 groups');
      throws(() => conv2d(x(1, 3, 8, 8), input('w', [4, 3, 3, 3]), input('b', [3])), '(3)', '(4)');
      throws(() => conv2d(x(1, 3, 2, 8), input('w', [4, 3, 3, 3])), '(1, 3, 2, 8)', '3');
      throws(() => conv2d(x(1, 3, 8, 8), input('w', [4, 3, 3, 3]), null, { stride: 0 }), 'stride', '0');
      throws(() => conv2d(x(1, 3, 8, 8), input('w', [4, 3, 3, 3]), null, { padding: -1 }), 'padding', '-1');
    },
  },
  convTranspose2d: {
    'a 3x3 kernel': transposedCase([2, 3, 4, 3], [3, 2, 3, 3]),
    'strides, with every output padding': async () => {
      for (const outputPadding of [0, 1, [2, 0], [1, 2]] as (number | Two)[])
        await transposedCase([1, 2, 3, 2], [2, 2, 3, 3], { stride: 3, outputPadding })();
    },
    'padding, dilation': transposedCase([2, 2, 4, 3], [2, 3, 3, 2], { stride: 2, padding: [1, 0], dilation: [1, 2] }),
    'padding on one side only': transposedCase([1, 2, 3, 4], [2, 2, 3, 3], {
      stride: 2,
      padding: [1, 0, 0, 2],
      outputPadding: 1,
    }),
    groups: transposedCase([2, 4, 3, 3], [4, 3, 3, 2], { groups: 2, stride: 2 }),
    'shapes that do not fit': () => {
      throws(() => convTranspose2d(x(1, 3, 8, 8), input('w', [2, 4, 3, 3])), '(1, 3, 8, 8)', '(2, 4, 3, 3)');
      throws(
        () => convTranspose2d(x(1, 3, 8, 8), input('w', [3, 4, 3, 3]), null, { outputPadding: 1 }),
        'outputPadding',
        'stride',
      );
      throws(() => convTranspose2d(x(1, 3, 1, 8), input('w', [3, 4, 1, 3]), null, { padding: 1 }), 'padding');
    },
  },
  maxPool2d: {
    'windows side by side': maxCase([2, 2, 4, 6], 2),
    'windows side by side, pixels over': maxCase([2, 3, 5, 7], 2),
    'windows apart': maxCase([1, 2, 8, 7], 2, { stride: 3 }),
    'windows that overlap': maxCase([2, 2, 7, 6], 3, { stride: 2 }),
    'windows that overlap, padded': maxCase([2, 2, 7, 6], 3, { stride: 2, padding: 1 }),
    'windows side by side, padded': maxCase([1, 2, 5, 6], 2, { padding: [1, 0] }),
    'padding on one side only': maxCase([1, 2, 5, 6], 3, { stride: 2, padding: [0, 1, 1, 0] }),
    'different numbers along both axes, dilated': maxCase([1, 2, 9, 8], [2, 3], {
      stride: [3, 1],
      dilation: [2, 2],
      padding: [0, 1],
    }),
    'values below 0 never lose to padding': () =>
      checkOp((a) => maxPool2d(a, 3, { stride: 1, padding: 1 }), [between([1, 1, 4, 4], -9, -1)], {
        reference: (a) => pooling(a, 3, { stride: 1, padding: 1 }, (w) => Math.max(...w), Number.NEGATIVE_INFINITY),
      }),
    'of ties the first takes all of the gradient': async () => {
      assert.deepEqual(await gradientsOf((a) => maxPool2d(a, 2), [values([1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 2, 4])]), [
        [1, 0, 1, 0, 0, 0, 0, 0],
      ]);
      assert.deepEqual(
        await gradientsOf(
          (a) => maxPool2d(a, 2, { stride: 1 }),
          [values([5, 5, 5], [1, 1, 1, 3])]
            .map((v) => ({ ...v, shape: [1, 1, 3, 1] }))
            .map(() => values([5, 5, 5, 5, 5, 5], [1, 1, 2, 3])),
        ),
        [[1, 1, 0, 0, 0, 0]],
      );
    },
    'images whose size arrives': () =>
      checkOp((a) => maxPool2d(a, 3, { stride: 2, padding: 1 }), [between([2, 2, 5, 6], -4, 4)], {
        reference: (a) => pooling(a, 3, { stride: 2, padding: 1 }, (w) => Math.max(...w), Number.NEGATIVE_INFINITY),
        symbolic: [['N', 2, 'H', 'W']],
      }),
    'ties in a large image run twice the same': () =>
      checkOp((a) => maxPool2d(a, 3, { stride: 2, padding: 1 }), [tied([2, 3, 17, 19], 4)], {
        reference: (a) => pooling(a, 3, { stride: 2, padding: 1 }, (w) => Math.max(...w), Number.NEGATIVE_INFINITY),
        gradient: false,
      }),
    'windows with nothing but padding': () =>
      throws(() => maxPool2d(x(1, 1, 4, 4), 2, { padding: 2 }), 'padding', '[2, 2]'),
    'an image smaller than the window': () => throws(() => maxPool2d(x(1, 1, 2, 4), 3), '(1, 1, 2, 4)', '3'),
  },
  maxPool2dWithIndices: {
    'values and their gradients are those of maxPool2d': async () => {
      for (const [kernel, o] of [
        [2, {}],
        [3, { stride: 2, padding: 1 }],
        [[2, 3], { stride: [3, 1], dilation: [2, 2] }],
      ] as const)
        await checkOp((a) => maxPool2dWithIndices(a, kernel, o).values, [between([2, 3, 7, 8], -4, 4)], {
          reference: (a) => pooling(a, kernel, o, (w) => Math.max(...w), Number.NEGATIVE_INFINITY),
          symbolic: [['N', 3, 7, 8]],
        });
    },
    'indices are counted within a plane': () =>
      checkOp((a) => cast(maxPool2dWithIndices(a, 2).indices, 'float32'), [between([2, 3, 4, 6], -4, 4)], {
        reference: (a) =>
          nd([2, 3, 2, 3], (n, c, P, Q) => {
            let best = [2 * P!, 2 * Q!];
            for (const i of [2 * P!, 2 * P! + 1])
              for (const j of [2 * Q!, 2 * Q! + 1])
                if (at(a, n!, c!, i, j) > at(a, n!, c!, best[0]!, best[1]!)) best = [i, j];
            return best[0]! * 6 + best[1]!;
          }),
        gradient: false,
      }),
    'of ties the first': () =>
      checkOp(
        (a) => cast(maxPool2dWithIndices(a, 2).indices, 'float32'),
        [values([1, 1, 0, 3, 1, 1, 3, 3], [1, 1, 2, 4])],
        {
          reference: () => nd([1, 1, 1, 2], (_n, _c, _p, Q) => [0, 3][Q!]!),
          gradient: false,
        },
      ),
    'images whose size arrives': () => throws(() => maxPool2dWithIndices(x(1, 1, 'H', 4), 2), 'known height and width'),
  },
  maxUnpool2d: {
    'undoes pooling, but for what it dropped': async () => {
      for (const [shape, kernel, o, size] of [
        [[2, 2, 4, 6], 2, {}, undefined],
        [[1, 2, 5, 7], 2, {}, [5, 7]],
        [[2, 2, 7, 7], 3, { stride: 2, padding: 1 }, undefined],
      ] as const)
        await checkOp(
          (a) => {
            const { values: y, indices } = maxPool2dWithIndices(a, kernel, o);
            return maxUnpool2d(y, indices, kernel, { ...o, ...(size && { size }) });
          },
          [between(shape, 1, 4)],
          {
            reference: (a) => {
              const top = pooling(a, kernel, o, (w) => Math.max(...w), Number.NEGATIVE_INFINITY);
              const kept = new Set(top.data);
              return nd(shape, (...i) => (kept.has(at(a, ...i)) ? at(a, ...i) : 0));
            },
            symbolic: [['N', ...shape.slice(1)]],
            // Of overlapping windows one value may stand for several: the gradient isn't the slope then.
            ...('stride' in o && { gradient: false }),
          },
        );
    },
    'shapes that do not fit': () => {
      const index = input('i', [1, 1, 2, 2], 'int64');
      throws(() => maxUnpool2d(x(1, 1, 2, 3), index, 2), '(1, 1, 2, 3)', '(1, 1, 2, 2)');
      throws(() => maxUnpool2d(x(1, 1, 2, 2), input('i', [1, 1, 2, 2]), 2), 'float32', 'int64');
      throws(() => maxUnpool2d(x(1, 1, 2, 2), index, 2, { size: [0, 4] }), '0 by 4');
    },
  },
  averagePool2d: {
    'windows side by side': averageCase([2, 2, 4, 6], 2),
    'pixels over': averageCase([2, 3, 5, 7], 2),
    'windows that overlap, padded': averageCase([2, 2, 7, 6], 3, { stride: 2, padding: 1 }),
    'padding on one side only': averageCase([1, 2, 5, 6], 3, { stride: 2, padding: [0, 1, 1, 0] }),
    'different numbers along both axes': averageCase([1, 2, 9, 8], [2, 3], { stride: [3, 2], padding: [1, 0] }),
  },
  globalAveragePool: {
    'all places': () =>
      checkOp((a) => globalAveragePool(a), [[2, 3, 4, 5]], {
        reference: (a) =>
          nd([2, 3, 1, 1], (n, c) =>
            mean(Array.from({ length: 20 }, (_, i) => at(a, n!, c!, Math.floor(i / 5), i % 5))),
          ),
      }),
    'named axes': () =>
      checkOp((a) => globalAveragePool(a), [[2, 3, 3, 3]], {
        reference: (a) =>
          nd([a.shape[0]!, 3, 1, 1], (n, c) =>
            mean(Array.from({ length: 9 }, (_, i) => at(a, n!, c!, Math.floor(i / 3), i % 3))),
          ),
        symbolic: [['N', 3, 'H', 'W']],
        symbolicGradient: false,
      }),
    'too few axes': () => throws(() => globalAveragePool(x(2, 3)), '(2, 3)'),
  },
  batchNorm: {
    'given statistics': async () => {
      for (const shape of [
        [2, 3, 2, 3],
        [4, 3],
        [2, 3, 5],
      ])
        await checkOp(batchNorm, [shape, positive(3), [3], [3], positive(3)], {
          reference: (a, w, b, m, v) => normalized(a, w, b, [...m.data], [...v.data], 1e-5),
          gradientTolerance: 1e-4,
        });
      await checkOp(
        (a, w, b, m, v) => batchNorm(a, w, b, m, v, { epsilon: 0.1 }),
        [[2, 3, 2, 2], positive(3), [3], [3], positive(3)],
        {
          reference: (a, w, b, m, v) => normalized(a, w, b, [...m.data], [...v.data], 0.1),
          symbolic: [['N', 3, 'H', 'W'], [3], [3], [3], [3]],
          gradientTolerance: 1e-4,
        },
      );
    },
    'shapes that do not fit': () =>
      throws(() => batchNorm(x(2, 3, 4, 4), x(3), x(3), x(4), x(3)), '(2, 3, 4, 4)', '(4)', '(3)'),
  },
  batchNormTraining: {
    'statistics of the batch; running ones move': async () => {
      for (const [shape, o] of [
        [[3, 2, 2, 3], {}],
        [[6, 2], { epsilon: 0.01, momentum: 0.3 }],
        [[2, 2, 5], {}],
      ] as const) {
        const { epsilon = 1e-5, momentum = 0.1 } = o as { epsilon?: number; momentum?: number };
        const reference = (a: Nd, w: Nd, b: Nd, m: Nd, v: Nd): Nd[] => [
          normalized(
            a,
            w,
            b,
            each(a, (c) => mean(channel(a, c))),
            each(a, (c) => variance(channel(a, c))),
            epsilon,
          ),
          nd([2], (c) => (1 - momentum) * at(m, c!) + momentum * mean(channel(a, c!))),
          nd([2], (c) => (1 - momentum) * at(v, c!) + momentum * variance(channel(a, c!), 1)),
        ];
        const inputs = [shape, positive(2), [2], [2], positive(2)];
        await checkOp(
          (...t) => {
            const r = batchNormTraining(t[0]!, t[1]!, t[2]!, t[3]!, t[4]!, o);
            return [r.y, r.mean, r.variance];
          },
          inputs,
          { reference: (a, w, b, m, v) => reference(a, w, b, m, v), gradient: false },
        );
        await checkOp((...t) => batchNormTraining(t[0]!, t[1]!, t[2]!, t[3]!, t[4]!, o).y, inputs, {
          reference: (a, w, b, m, v) => reference(a, w, b, m, v)[0]!,
          fixed: [3, 4],
          gradientTolerance: 1e-4,
        });
      }
    },
    'no gradient through the running statistics': async () => {
      const given = [values([1, 2, 3, 5], [2, 2]), values([1, 1]), values([0, 0]), values([0, 0]), values([1, 1])];
      const g = await gradientsOf((a, w, b, m, v) => {
        const r = batchNormTraining(a, w, b, m, v);
        return [r.mean, r.variance];
      }, given);
      assert.deepEqual(g.flat(), g.flat().fill(0));
    },
    'one value per channel': () =>
      throws(() => batchNormTraining(x(1, 3), x(3), x(3), x(3), x(3)), '(1, 3)', '2 or more'),
  },
  localResponseNorm: {
    'sizes and constants': async () => {
      for (const [size, o] of [
        [3, {}],
        [5, { alpha: 0.5, beta: 0.75, bias: 2 }],
        [1, { alpha: 0.3, beta: 0.5 }],
        [7, { alpha: 1, beta: 1.5, bias: 0.5 }],
      ] as const) {
        const { alpha = 1e-4, beta = 0.75, bias = 1 } = o as { alpha?: number; beta?: number; bias?: number };
        await checkOp((a) => localResponseNorm(a, size, o), [[2, 5, 2, 3]], {
          reference: (a) => responses(a, size, alpha, beta, bias),
          symbolic: [['N', 5, 2, 3]],
          tolerance: 5e-6,
          gradientTolerance: 1e-4,
        });
      }
    },
    'an even size': () => throws(() => localResponseNorm(x(1, 4, 2, 2), 4), '4', 'odd'),
  },
};
