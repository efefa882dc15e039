import { expect, test } from 'vitest';
import { add, input, mul, topologicalOrder } from './index.ts';

test('every node comes after those that it reads, and once', () => {
  const x = input('x', [2]);
  const a = x.mul(x);
  const b = a.add(x);
  const c = a.mul(b);
  const order = topologicalOrder([c, a]);
  expect(order).toEqual([a.node, b.node, c.node]);
  expect(topologicalOrder([a, c])).toEqual(order);
});

test('nodes that no output needs are left out, and inputs have none', () => {
  const x = input('x', [2]);
  x.mul(x);
  expect(topologicalOrder([x])).toEqual([]);
});

test('the same program gives the same order', () => {
  const program = (): string[] => {
    const x = input('x', [3]);
    const parts = Array.from({ length: 20 }, (_, i) => mul(x, i));
    const y = parts.reduce((s, p) => add(p, s));
    return topologicalOrder([y]).map((n) => `${n.op.name} ${n.inputs.map((t) => t.data?.[0] ?? t.toString()).join()}`);
  };
  expect(program()).toEqual(program());
});

test('a graph of 200 000 nodes in a row is ordered without overflowing the stack', () => {
  let x = input('x', [1]);
  for (let i = 0; i < 200_000; i++) x = x.neg();
  const order = topologicalOrder([x]);
  expect(order.length).toBe(200_000);
  expect(order.at(-1)).toBe(x.node);
});
