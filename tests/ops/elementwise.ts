// Checks of arithmetic, comparisons and functions of one number, with broadcasting both ways.
import {
  abs,
  add,
  and,
  bitwiseXor,
  cast,
  clip,
  constant,
  cos,
  div,
  equal,
  erf,
  exp,
  floor,
  gelu,
  geluTanh,
  greater,
  leakyRelu,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  or,
  pow,
  reciprocal,
  relu,
  shiftRight,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  sub,
  tanh,
  where,
  type Tensor,
} from '../../packages/graph/src/index.ts';
import assert from 'node:assert/strict';
import { between, bools, checkOp, gradientsOf, indices, tied, values } from '../check-op.ts';
import { elementwise, type Nd } from '../nd.ts';
import { throws, type Cases } from './cases.ts';
import { input } from '../../packages/graph/src/index.ts';

type Binary = (a: Tensor, b: Tensor) => Tensor;
const binary = (op: Binary, f: (a: number, b: number) => number, low = -2, high = 2): Cases[string] => {
  const kinks = op === maximum || op === minimum; // many values would come too near each other
  const reference = elementwise(f);
  const pick = (shape: number[]): ReturnType<typeof between> => between(shape, low, high);
  return {
    'equal shapes': () =>
      checkOp(op, [pick([2, 3]), pick([2, 3])], {
        reference,
        symbolic: [
          ['B', 3],
          ['B', 3],
        ],
      }),
    'second broadcast along a missing axis': () =>
      checkOp(op, [pick([2, 3, 4]), pick([4])], { reference, symbolic: [['B', 'T', 4], [4]] }),
    'first broadcast along a missing axis': () =>
      checkOp(op, [pick([4]), pick([2, 3, 4])], { reference, symbolic: [[4], ['B', 'T', 4]] }),
    'both broadcast along axes of 1': () =>
      checkOp(op, [pick([2, 1, 4]), pick([3, 1])], {
        reference,
        symbolic: [
          ['B', 1, 4],
          ['T', 1],
        ],
      }),
    'a scalar tensor on either side': async () => {
      await checkOp(op, [pick([]), pick([2, 3])], { reference, symbolic: [[], ['B', 'T']] });
      await checkOp(op, [pick([2, 3]), pick([])], { reference, symbolic: [['B', 'T'], []] });
    },
    'rows large enough for the product with ones': () =>
      checkOp(op, [pick([kinks ? 6 : 64, 8]), pick([8])], { reference, symbolic: [['N', 8], [8]] }),
    'the same tensor twice': () =>
      checkOp((x) => op(x, x), [pick([5])], {
        reference: (x) => reference(x, x),
        flat: flatOnItself.has(op) ? [0] : [],
      }),
    'shapes that do not fit': () =>
      throws(() => op(input('a', [2, 3]), input('b', [2, 4])), '(2, 3)', '(2, 4)', 'axis -1 is 3 and 4'),
    'types that differ': () =>
      throws(() => op(input('a', [2]), input('b', [2], 'int64')), 'float32 (2)', 'int64 (2)', 'cast'),
  };
};
const flatOnItself = new Set<Binary>([sub, div]);

const compared = (op: Binary, f: (a: number, b: number) => boolean): Cases[string] => {
  const reference = elementwise((a, b) => +f(a, b));
  return {
    'with ties, broadcast both ways': () =>
      checkOp(op, [tied([4, 1, 5], 3), tied([3, 1], 3)], {
        reference,
        gradient: false,
        symbolic: [
          ['B', 1, 5],
          ['T', 1],
        ],
      }),
    'whole numbers': () => checkOp(op, [indices([20], 3), indices([20], 3)], { reference, gradient: false }),
    'has a gradient of 0': () =>
      checkOp((a, b) => cast(op(a, b), 'float32'), [[3, 4], [4]], { reference, flat: [0, 1] }),
    'shapes that do not fit': () => throws(() => op(input('a', [2]), input('b', [3])), '(2)', '(3)'),
  };
};
const logical = (op: Binary, f: (a: boolean, b: boolean) => boolean): Cases[string] => ({
  'all four combinations, broadcast': () =>
    checkOp(op, [bools([6, 1]), bools([5])], {
      reference: elementwise((a, b) => +f(!!a, !!b)),
      gradient: false,
      symbolic: [['B', 1], [5]],
    }),
});

const unary = (
  op: (x: Tensor) => Tensor,
  f: (x: number) => number,
  o: { low?: number; high?: number; flat?: boolean; tolerance?: number; gradientTolerance?: number } = {},
): Cases[string] => {
  const { low = -3, high = 3, flat = false, ...rest } = o;
  const options = { reference: elementwise(f), flat: flat ? [0] : [], ...rest };
  return {
    values: () => checkOp(op, [between([4, 6], low, high)], { ...options, symbolic: [['B', 'T']] }),
    scalar: () => checkOp(op, [between([], 0.3, high)], options),
    'many values': () => checkOp(op, [between([2, 60], low, high)], options),
  };
};
/** erf by its Maclaurin series in float64; exact to 1e-13 for |x| up to 4. */
export function erfSeries(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const fixed = (op: (x: Tensor) => Tensor, x: readonly number[], y: readonly number[]) => (): Promise<void> =>
  checkOp(op, [values(x)], { reference: (v: Nd) => ({ shape: v.shape, data: Float64Array.from(y) }), gradient: false });

const int32 = (x: number): number => x | 0;

export const elementwiseCases: Cases = {
  add: {
    ...binary(add, (a, b) => a + b),
    'a number on either side': async () => {
      await checkOp((x) => add(x, 3), [[2, 3]], { reference: elementwise((v) => v + 3) });
      await checkOp((x) => add(3, x), [[2, 3]], { reference: elementwise((v) => 3 + v) });
      await checkOp((x) => x.add(2).sub(1).mul(3).div(4).neg(), [[2, 3]], {
        reference: elementwise((v) => -((v + 1) * 3) / 4),
      });
    },
  },
  sub: {
    ...binary(sub, (a, b) => a - b),
    'a number first': () => checkOp((x) => sub(1, x), [[5]], { reference: elementwise((v) => 1 - v) }),
  },
  mul: binary(mul, (a, b) => a * b),
  div: {
    ...binary(div, (a, b) => a / b, 0.5, 2),
    'a number first': () => checkOp((x) => div(1, x), [between([5], 1, 2)], { reference: elementwise((v) => 1 / v) }),
  },
  pow: {
    ...binary(pow, Math.pow, 0.5, 2),
    'whole powers of negative numbers': async () => {
      for (const n of [2, 3]) await checkOp((x) => pow(x, n), [[6]], { reference: elementwise((v) => v ** n) });
    },
  },
  maximum: {
    ...binary(maximum, Math.max),
    'ties share the gradient': () =>
      checkOp((x) => maximum(x, 0).add(x), [values([0, 0, 1, -1])], {
        reference: elementwise((v) => Math.max(v, 0) + v),
      }),
  },
  minimum: {
    ...binary(minimum, Math.min),
    'ties share the gradient': () =>
      checkOp((x) => minimum(x, 0).add(x), [values([0, 0, 1, -1])], {
        reference: elementwise((v) => Math.min(v, 0) + v),
      }),
  },
  equal: compared(equal, (a, b) => a === b),
  greater: compared(greater, (a, b) => a > b),
  less: compared(less, (a, b) => a < b),
  and: logical(and, (a, b) => a && b),
  or: logical(or, (a, b) => a || b),
  not: {
    values: () =>
      checkOp(not, [bools([9])], { reference: elementwise((a) => +!a), gradient: false, symbolic: [['B']] }),
  },
  where: {
    'equal shapes': () =>
      checkOp(where, [bools([2, 6]), [2, 6], [2, 6]], {
        reference: elementwise((c, a, b) => (c ? a : b)),
        symbolic: [
          ['B', 6],
          ['B', 6],
          ['B', 6],
        ],
      }),
    'everything broadcast': () =>
      checkOp(where, [bools([5, 1, 1]), [3, 1], [4]], {
        reference: elementwise((c, a, b) => (c ? a : b)),
        symbolic: [['B', 1, 1], ['T', 1], [4]],
      }),
    'numbers as operands': () =>
      checkOp((c, a) => where(c, 1, where(c, a, 0)).add(where(c, a, 2)), [bools([12]), [12]], {
        reference: elementwise((c, a) => (c ? 1 + a : 2)),
      }),
    'NaN on the side that is not taken stays away': () =>
      checkOp((c, a) => where(c, a, Number.NaN), [values(Uint8Array.of(1, 1), [2], 'bool'), [2]], {
        reference: (_, a) => a!,
      }),
    'a condition that is not bool': () => throws(() => where(input('c', [2]), 1, 0), 'float32', 'bool'),
    'shapes that do not fit': () => throws(() => where(input('c', [2], 'bool'), input('a', [3]), 0), '(2)', '(3)'),
  },
  neg: unary(neg, (x) => -x),
  exp: unary(exp, Math.exp),
  log: unary(log, Math.log, { low: 0.2, high: 3 }),
  sqrt: unary(sqrt, Math.sqrt, { low: 0.2, high: 3 }),
  reciprocal: unary(reciprocal, (x) => 1 / x, { low: 0.5, high: 3 }),
  abs: {
    ...unary(abs, Math.abs),
    'no slope at 0': () => checkOp(abs, [values([0])], { reference: elementwise(Math.abs), flat: [0] }),
  },
  sign: { ...unary(sign, Math.sign, { flat: true }), zero: fixed(sign, [0, -0, 5, -5], [0, 0, 1, -1]) },
  floor: {
    ...unary(floor, Math.floor, { flat: true }),
    'whole numbers and halves': fixed(floor, [-1.5, -1, -0.5, 0.5, 2], [-2, -1, -1, 0, 2]),
  },
  sin: unary(sin, Math.sin),
  cos: unary(cos, Math.cos),
  tanh: { ...unary(tanh, Math.tanh), 'far from 0': fixed(tanh, [-100, 100], [-1, 1]) },
  sigmoid: {
    ...unary(sigmoid, (x) => 1 / (1 + Math.exp(-x))),
    'far from 0': fixed(sigmoid, [-200, 200, 0], [0, 1, 0.5]),
  },
  softplus: {
    ...unary(softplus, (x) => Math.log1p(Math.exp(x))),
    'without overflow': fixed(softplus, [200, -200], [200, 0]),
  },
  erf: unary(erf, erfSeries),
  relu: {
    ...unary(relu, (x) => Math.max(x, 0)),
    'no gradient at 0': async () => assert.deepEqual(await gradientsOf(relu, [values([-1, 0, 2])]), [[0, 0, 1]]),
  },
  leakyRelu: {
    ...unary(
      (x) => leakyRelu(x, 0.2),
      (x) => (x > 0 ? x : 0.2 * x),
    ),
    'slope 0.01 unless given': () =>
      checkOp((x) => leakyRelu(x), [[8]], { reference: elementwise((v) => (v > 0 ? v : 0.01 * v)) }),
  },
  clip: {
    ...unary(
      (x) => clip(x, -1, 1.5),
      (x) => Math.min(1.5, Math.max(-1, x)),
    ),
    'outside only': () => checkOp((x) => clip(x, 5, 6), [[4]], { reference: elementwise(() => 5), flat: [0] }),
  },
  gelu: unary(gelu, (x) => (x / 2) * (1 + erfSeries(x / Math.SQRT2))),
  geluTanh: unary(geluTanh, (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  cast: {
    'float to whole numbers and back': async () => {
      await checkOp((x) => cast(x, 'int64'), [[2, 6]], {
        reference: elementwise(Math.trunc),
        gradient: false,
        symbolic: [['B', 6]],
      });
      await checkOp((x) => cast(cast(x, 'int32'), 'float32'), [[12]], {
        reference: elementwise(Math.trunc),
        flat: [0],
      });
    },
    'float to bool': () =>
      checkOp((x) => cast(x, 'bool'), [tied([12], 3)], { reference: elementwise((v) => +(v !== 0)), gradient: false }),
    'through float64 the gradient passes': () =>
      checkOp((x) => cast(cast(x, 'float64'), 'float32').mul(x), [[7]], { reference: elementwise((v) => v * v) }),
    'to its own type is the same tensor': () => {
      const x = input('x', [2]);
      if (cast(x, 'float32') !== x) throw new Error('a cast was added');
    },
  },
  bitwiseXor: {
    'int32, broadcast': () =>
      checkOp(
        (a, b) => bitwiseXor(cast(a, 'int32'), cast(b, 'int32')),
        [indices([7, 1], 1e6, -1e6), indices([5], 1e6, -1e6)],
        {
          reference: elementwise((a, b) => int32(a) ^ int32(b)),
          gradient: false,
        },
      ),
  },
  shiftRight: {
    uint32: async () => {
      for (const bits of [0, 1, 13, 31])
        await checkOp((x) => shiftRight(x, bits), [values(Uint32Array.of(0, 1, 0x80000000, 0xffffffff, 123456789))], {
          reference: elementwise((v) => v >>> bits),
          gradient: false,
        });
    },
    'signed numbers': () => throws(() => shiftRight(constant(Int32Array.of(1)), 1), 'int32', 'uint32'),
  },
};
