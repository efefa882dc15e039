// Checks of the bricks with parameters, and of those that hold others.
import assert from 'node:assert/strict';
import { constant, input, mul, type Tensor } from '../../packages/graph/src/index.ts';
import {
  Conv1D,
  Dropout,
  Embedding,
  evaluating,
  initialize,
  LayerNorm,
  Linear,
  normal,
  parameters,
  relu,
  RMSNorm,
  Sequential,
  Tanh,
} from '../../packages/nn/src/index.ts';
import { checkBrick } from '../check-brick.ts';
import { between, gradientsOf, indices, values } from '../check-op.ts';
import { at, elementwise, lines, nd, total, type Nd } from '../nd.ts';
import { throws, type Cases } from '../ops/cases.ts';

// x (…, K) times w, read as (K, M) or its transpose, plus b.
function affine(x: Nd, w: Nd, b: Nd | undefined, transposed: boolean): Nd {
  const [K, M] = transposed ? [w.shape[1]!, w.shape[0]!] : [w.shape[0]!, w.shape[1]!];
  return nd([...x.shape.slice(0, -1), M], (...i) => {
    const m = i.at(-1)!;
    let y = b ? at(b, m) : 0;
    for (let k = 0; k < K; k++) y += at(x, ...i.slice(0, -1), k) * (transposed ? at(w, m, k) : at(w, k, m));
    return y;
  });
}
const average = (v: number[]): number => total(v) / v.length;
const normed = (x: Nd, epsilon: number, centre: boolean): Nd =>
  lines(x, -1, (v) => {
    const m = centre ? average(v) : 0;
    return v.map((t) => (t - m) / Math.sqrt(average(v.map((u) => (u - m) ** 2)) + epsilon));
  });
const scaled = (x: Nd, w: Nd, b?: Nd): Nd =>
  nd(x.shape, (...i) => at(x, ...i) * at(w, i.at(-1)!) + (b ? at(b, i.at(-1)!) : 0));
const wide = (n: number): ReturnType<typeof between> => between([n], 0.5, 1.5);

export const layerCases: Cases = {
  Linear: {
    'rows and sequences, with and without bias': async () => {
      for (const shape of [[5, 3], [2, 4, 3], [3]]) {
        await checkBrick(() => new Linear(3, 2), [shape], { reference: (x, w, b) => affine(x, w, b, true) });
        await checkBrick(() => new Linear(3, 2, { bias: false }), [shape], {
          reference: (x, w) => affine(x, w, undefined, true),
        });
      }
    },
    'named axes': async () => {
      await checkBrick(() => new Linear(3, 2), [[2, 4, 3]], {
        reference: (x, w, b) => affine(x, w, b, true),
        symbolic: [['B', 'T', 3]],
      });
      await checkBrick(() => new Linear(3, 2), [[4, 3]], {
        reference: (x, w, b) => affine(x, w, b, true),
        symbolic: [['N', 3]],
      });
    },
    'begins uniform between ±1/√inputs': () => {
      const w = initialize(new Linear(64, 100), 1);
      for (const name of ['weight', 'bias']) {
        const { data } = w.get(name)!;
        assert.ok(data.every((v) => Math.abs(v) <= 1 / 8));
        assert.ok(Math.max(...data) > 0.11 && Math.min(...data) < -0.11);
      }
    },
    'another width': () =>
      throws(() => new Linear(3, 2).forward(input('x', [5, 4])), '(5, 4)', '(2, 3)', 'is 4, needs 3'),
  },
  Conv1D: {
    'rows and sequences': async () => {
      for (const shape of [
        [5, 3],
        [2, 4, 3],
      ])
        await checkBrick(() => new Conv1D(3, 2, normal(0.02)), [shape], {
          reference: (x, w, b) => affine(x, w, b, false),
        });
      await checkBrick(() => new Conv1D(3, 2, normal(0.02)), [[2, 4, 3]], {
        reference: (x, w, b) => affine(x, w, b, false),
        symbolic: [['B', 'T', 3]],
      });
    },
  },
  LayerNorm: {
    'with and without bias': async () => {
      await checkBrick(() => new LayerNorm(6), [[2, 3, 6]], {
        reference: (x, w, b) => scaled(normed(x, 1e-5, true), w, b),
        values: [wide(6), [6]],
        symbolic: [['B', 'T', 6]],
      });
      await checkBrick(() => new LayerNorm(6, { bias: false, epsilon: 0.01 }), [[4, 6]], {
        reference: (x, w) => scaled(normed(x, 0.01, true), w),
        values: [wide(6)],
      });
    },
  },
  RMSNorm: {
    'any leading axes': async () => {
      await checkBrick(() => new RMSNorm(6), [[2, 3, 6]], {
        reference: (x, w) => scaled(normed(x, 1e-6, false), w),
        values: [wide(6)],
        symbolic: [['B', 'T', 6]],
      });
      await checkBrick(() => new RMSNorm(6, { epsilon: 0.1 }), [[4, 6]], {
        reference: (x, w) => scaled(normed(x, 0.1, false), w),
        values: [wide(6)],
      });
    },
  },
  Embedding: {
    'ids of any shape': async () => {
      const rows = (i: Nd, w: Nd): Nd =>
        nd([...i.shape, w.shape[1]!], (...n) => at(w, at(i, ...n.slice(0, -1)), n.at(-1)!));
      for (const shape of [[5], [2, 3], []])
        await checkBrick(() => new Embedding(7, 3), [indices(shape, 7)], { reference: rows });
      await checkBrick(() => new Embedding(7, 3), [indices([2, 3], 7)], { reference: rows, symbolic: [['B', 'T']] });
      await checkBrick(() => new Embedding(65, 4), [indices([4096], 65)], { reference: rows });
    },
    '4096 repeated ids: the gradient is the exact sum': async () => {
      const [V, C, N] = [65, 4, 4096];
      const ids = BigInt64Array.from({ length: N }, (_, i) => BigInt((i * i * 7 + (i >> 3)) % V));
      const g = Float32Array.from({ length: N * C }, (_, i) => ((i * 31) % 15) / 8 - 1); // adds up exactly in float32
      const [dw] = await gradientsOf(
        (w) => {
          const brick = new Embedding(V, C);
          Object.assign(brick, { weight: w });
          return mul(brick.forward(constant(ids, [4, N / 4])), constant(g, [4, N / 4, C]));
        },
        [values(new Float32Array(V * C), [V, C])],
      );
      const wanted = new Float64Array(V * C);
      ids.forEach((id, i) => {
        for (let c = 0; c < C; c++) wanted[Number(id) * C + c]! += g[i * C + c]!;
      });
      assert.deepEqual(dw, [...wanted]);
    },
    'the row of the padding begins as zeros and learns nothing': async () => {
      // torch.nn.Embedding(4, 2, padding_idx=1): the gradient of sum(g * embedding(ids)) has zeros in row 1.
      const ids = constant(BigInt64Array.of(3n, 1n, 0n, 1n, 3n, 2n), [2, 3]);
      const g = constant(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), [2, 3, 2]);
      const table = values([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
      const forward = (w: Tensor): Tensor =>
        Object.assign(new Embedding(4, 2, undefined, { padding: 1 }), { weight: w }).forward(ids);
      const [dw] = await gradientsOf((w) => mul(forward(w), g), [table]);
      assert.deepEqual(dw, [5, 6, 0, 0, 11, 12, 1 + 9, 2 + 10]);
      const { data } = initialize(new Embedding(4, 2, undefined, { padding: 1 })).get('weight')!;
      assert.deepEqual([...data.subarray(2, 4)], [0, 0]);
      assert.ok(data.subarray(4).every((v) => v !== 0));
      throws(() => new Embedding(4, 2, undefined, { padding: 4 }), "padding's id is 4", 'below 4');
    },
  },
  Sequential: {
    'bricks and functions, one after the other': () =>
      checkBrick(() => new Sequential(new Linear(3, 4), relu, new Tanh(), new Linear(4, 2)), [[5, 3]], {
        reference: (x, w0, b0, w3, b3) =>
          affine(elementwise((v) => Math.tanh(Math.max(0, v)))(affine(x, w0, b0, true)), w3, b3, true),
        symbolic: [['N', 3]],
      }),
    'names count the steps, as in PyTorch': () =>
      assert.deepEqual(
        [...parameters(new Sequential(new Linear(3, 4), relu, new Sequential(new LayerNorm(4)))).keys()],
        ['0.weight', '0.bias', '2.0.weight', '2.0.bias'],
      ),
    'nothing changes nothing': () => {
      const x = input('x', [2]);
      assert.equal(new Sequential().forward(x, evaluating()), x);
    },
    'a step that is no brick': () => throws(() => new Sequential(relu, 3 as never), 'step 1', 'forward'),
  },
  Dropout: {
    'leaves everything alone in inference': () =>
      checkBrick(() => new Dropout(0.5), [[4, 5]], { reference: (x) => x, symbolic: [['B', 5]] }),
  },
};
