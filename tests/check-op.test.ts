// The check itself: that it notices every kind of mistake that it is there for.
import { expect, test } from 'vitest';
import { apply, constant, mul, scalar, type Op, type Tensor } from '../packages/graph/src/index.ts';
import { between, checkOp, type CheckOptions } from './check-op.ts';
import { elementwise, nd } from './nd.ts';

/** Tanh with parts of its definition replaced. */
const tanhWith = (changed: Partial<Op<object>>): ((x: Tensor) => Tensor) => {
  const op: Op<object> = {
    name: 'Tanh',
    infer: ([x]) => [x!.shape],
    grad: ([g], _x, [y]) => [mul(g!, mul(y!, y!).neg().add(1))],
    ...changed,
  };
  return (x) => apply(op, [x], {});
};
const check = (
  fn: (x: Tensor) => Tensor,
  o: Partial<CheckOptions> = {},
  shape: readonly number[] = [3, 4],
): Promise<void> => checkOp(fn, [between(shape, -2, 2)], { reference: elementwise(Math.tanh), ...o });

test('what is right passes', async () => {
  await expect(check(tanhWith({}), { symbolic: [['B', 'T']] })).resolves.toBeUndefined();
  await expect(check(tanhWith({}), {}, [40, 30])).resolves.toBeUndefined();
});

test('a value that is off by 1e-5 is noticed', async () => {
  await expect(check((x) => tanhWith({})(x).mul(1.00001))).rejects.toThrow('y0: value');
});

const off = (part: number): ((x: Tensor) => Tensor) =>
  tanhWith({ grad: ([g], _x, [y]) => [mul(g!, mul(y!, y!).neg().add(1)).mul(1 + part)] });
test('a gradient that is off by 1 in 10000 is noticed, also where only a direction is tried', async () => {
  await expect(check(off(1e-4))).rejects.toThrow('gradient of input 0');
  await expect(check(off(1e-3), {}, [40, 30])).rejects.toThrow('gradient of input 0');
});

test('one wrong element of a gradient is noticed', async () => {
  const mask = constant(
    Float32Array.from({ length: 12 }, (_, i) => (i === 7 ? 1.01 : 1)),
    [3, 4],
  );
  const wrong = tanhWith({ grad: ([g], _x, [y]) => [mul(mul(g!, mul(y!, y!).neg().add(1)), mask)] });
  await expect(check(wrong)).rejects.toThrow('gradient of input 0: value 7');
});

test('a gradient that agrees with a wrong reference still has to agree with the engine', async () => {
  // The reference's slope is twice as steep everywhere but at the values themselves, which it was handed.
  const given = new Map<number, number>();
  const reference = elementwise((x) => {
    const base = [...given.keys()].find((k) => Math.abs(k - x) < 1e-3) ?? x;
    given.set(base, base);
    return Math.tanh(base) + 2 * (Math.tanh(x) - Math.tanh(base));
  });
  await expect(check(off(1), { reference })).rejects.toThrow("the engine's own differences");
});

test('a gradient that is missing is noticed', async () => {
  await expect(check(tanhWith({ grad: () => [null] }))).rejects.toThrow('0 everywhere');
  const { grad: _, ...without } = { grad: null, name: 'Tanh', infer: ([x]: readonly Tensor[]) => [x!.shape] };
  await expect(check((x) => apply(without as Op<object>, [x], {}))).rejects.toThrow('Tanh has no gradient');
});

test('a shape or type that was promised wrongly is noticed', async () => {
  await expect(check(tanhWith({ infer: ([x]) => [[...x!.shape].toReversed()] }), { gradient: false })).rejects.toThrow(
    'promised (4, 3), came as (3, 4)',
  );
  await expect(
    check(tanhWith({ infer: ([x]) => [{ shape: x!.shape, dtype: 'int64' }] }), { gradient: false }),
  ).rejects.toThrow('int64');
  await expect(check(tanhWith({}), { reference: (x) => nd([4, 3], (i, j) => x.data[i! * 3 + j!]!) })).rejects.toThrow(
    'the reference gives (4, 3)',
  );
});

test('values that differ from run to run are noticed', async () => {
  const noise: Op<object> = { name: 'RandomUniformLike', infer: ([x]) => [x!.shape] };
  await expect(check((x) => apply(noise, [x], {}), { gradient: false })).rejects.toThrow('two identical runs differ');
});

test('a program that is not traced the same way twice is noticed', async () => {
  let n = 1;
  await expect(check((x) => mul(x, scalar(n++)), { gradient: false })).rejects.toThrow('ONNX bytes');
});

test('a graph that is right at the traced size only is noticed', async () => {
  const fn = (x: Tensor): Tensor => mul(tanhWith({})(x), typeof x.shape[0] === 'string' ? 1.001 : 1);
  await expect(check(fn, { symbolic: [['B', 4]] })).rejects.toThrow('with symbolic axes');
});
