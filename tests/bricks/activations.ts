// Checks of the activation bricks and functions.
import assert from 'node:assert/strict';
import { input } from '../../packages/graph/src/index.ts';
import {
  activation,
  activationNames,
  GELU,
  gelu,
  geluTanh,
  LeakyReLU,
  leakyRelu,
  logSoftmax,
  quickGelu,
  Ramp,
  ramp,
  ReLU,
  relu,
  Sigmoid,
  sigmoid,
  SiLU,
  silu,
  Softmax,
  softmax,
  Tanh,
  tanh,
} from '../../packages/nn/src/index.ts';
import { checkBrick } from '../check-brick.ts';
import { between, checkOp, gradientsOf, values } from '../check-op.ts';
import { elementwise, lines, total, type Nd } from '../nd.ts';
import { throws, type Cases } from '../ops/cases.ts';
import { erfSeries } from '../ops/elementwise.ts';

type Brick = Parameters<typeof checkBrick>[0];
const each = (make: Brick, f: (x: number) => number): Cases[string] => ({
  'any shape': async () => {
    for (const shape of [[3, 4], [24], [2, 3, 4]])
      await checkBrick(make, [between(shape, -3, 3)], { reference: elementwise(f) });
    await checkBrick(make, [between([2, 4, 3], -3, 3)], { reference: elementwise(f), symbolic: [['B', 'T', 3]] });
  },
  'a scalar': () => checkBrick(make, [between([], 0.2, 0.9)], { reference: elementwise(f) }),
});
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const formulas: Record<string, (x: number) => number> = {
  gelu: (x) => (x / 2) * (1 + erfSeries(x / Math.SQRT2)),
  geluTanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x * logistic(x),
  quickGelu: (x) => x * logistic(1.702 * x),
  relu: (x) => Math.max(0, x),
};
const soft = (v: number[]): number[] => {
  const e = v.map((t) => Math.exp(t - Math.max(...v)));
  return e.map((t) => t / total(e));
};

export const activationCases: Cases = {
  Sigmoid: each(() => new Sigmoid(), logistic),
  Tanh: each(() => new Tanh(), Math.tanh),
  ReLU: each(() => new ReLU(), formulas['relu']!),
  Ramp: {
    ...each(
      () => new Ramp(),
      (x) => Math.min(1, Math.max(-1, x)),
    ),
    'other bounds': () =>
      checkBrick(() => new Ramp({ low: 0, high: 2 }), [[20]], {
        reference: elementwise((x) => Math.min(2, Math.max(0, x))),
      }),
    'no gradient on and outside the bounds': async () =>
      assert.deepEqual(await gradientsOf((x) => ramp(x), [values([-2, -1, -0.5, 0.5, 1, 2])]), [[0, 0, 1, 1, 0, 0]]),
    'bounds the wrong way round': () => throws(() => ramp(input('x', [2]), { low: 1, high: 0 }), '1', '0'),
  },
  LeakyReLU: {
    ...each(
      () => new LeakyReLU(),
      (x) => (x > 0 ? x : 0.01 * x),
    ),
    'another slope': () =>
      checkBrick(() => new LeakyReLU(0.3), [[20]], { reference: elementwise((x) => (x > 0 ? x : 0.3 * x)) }),
  },
  GELU: {
    ...each(() => new GELU(), formulas['gelu']!),
    'with tanh': () =>
      checkBrick(() => new GELU({ tanh: true }), [between([4, 10], -4, 4)], {
        reference: elementwise(formulas['geluTanh']!),
      }),
  },
  SiLU: each(() => new SiLU(), formulas['silu']!),
  Softmax: {
    'the last axis, and another': async () => {
      await checkBrick(() => new Softmax(), [[3, 5]], { reference: (x) => lines(x, -1, soft), symbolic: [['B', 5]] });
      await checkBrick(() => new Softmax(0), [[3, 5]], { reference: (x) => lines(x, 0, soft) });
    },
  },
  functions: {
    'are those of the bricks': async () => {
      const all = { gelu, geluTanh, silu, quickGelu, relu };
      for (const [name, f] of Object.entries(all))
        await checkOp(f, [between([30], -4, 4)], { reference: elementwise(formulas[name]!) });
      await checkOp(sigmoid, [[9]], { reference: elementwise(logistic) });
      await checkOp(tanh, [[9]], { reference: elementwise(Math.tanh) });
      await checkOp(leakyRelu, [[10]], { reference: elementwise((x) => (x > 0 ? x : 0.01 * x)) });
      await checkOp(softmax, [[2, 3]], { reference: (x: Nd) => lines(x, -1, soft) });
      await checkOp(logSoftmax, [[2, 3]], { reference: (x: Nd) => lines(x, -1, (v) => soft(v).map(Math.log)) });
    },
    'far from 0 stay finite': () =>
      checkOp((x) => [silu(x), quickGelu(x), geluTanh(x), gelu(x)], [values([-100, 100])], {
        reference: (x) => Array.from({ length: 4 }, () => elementwise((v) => Math.max(0, v))(x)),
        gradient: false,
      }),
  },
  activation: {
    'every Hugging Face name': async () => {
      const relu = formulas['relu']!;
      const byName: Record<string, (x: number) => number> = {
        gelu: formulas['gelu']!,
        gelu_10: (x) => Math.min(10, x > 5 ? x : formulas['gelu']!(x)), // from 5 on, x to 3e-7 of it
        gelu_accurate: formulas['geluTanh']!,
        gelu_fast: formulas['geluTanh']!,
        gelu_new: formulas['geluTanh']!,
        gelu_python: formulas['gelu']!,
        gelu_python_tanh: formulas['geluTanh']!,
        gelu_pytorch_tanh: formulas['geluTanh']!,
        laplace: (x) => (1 + erfSeries((x - 0.707107) / (0.282095 * Math.SQRT2))) / 2,
        leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
        linear: (x) => x,
        mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
        quick_gelu: formulas['quickGelu']!,
        relu,
        relu2: (x) => relu(x) ** 2,
        relu6: (x) => Math.min(6, relu(x)),
        sigmoid: logistic,
        silu: formulas['silu']!,
        swish: formulas['silu']!,
        tanh: Math.tanh,
      };
      // Where each has its kinks, and where the reference's series holds.
      const ranges: Record<string, [number, number]> = { gelu_10: [-3, 13], laplace: [-0.5, 2], relu6: [-7, 7] };
      assert.deepEqual(Object.keys(byName).sort(), [...activationNames].sort());
      for (const [name, f] of Object.entries(byName))
        await checkOp((x) => activation(name)(x).mul(1), [between([40], ...(ranges[name] ?? [-4, 4]))], {
          reference: elementwise(f),
        });
    },
    'a name that is not known': () => {
      throws(() => activation('gellu'), "'gellu'", 'gelu_new', 'silu', 'quick_gelu');
      throws(() => activation('constructor'), 'constructor');
    },
  },
};
