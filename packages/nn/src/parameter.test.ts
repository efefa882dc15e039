import { input } from '@brickwork/graph';
import { expect, test } from 'vitest';
import { normal, ones, zeros } from './initializers.ts';
import { buffer, initialize, parameter, parameters, Parameter, trainable } from './parameter.ts';

const model = () => ({
  embed: { weight: parameter([5, 3], normal()) },
  layers: [0, 1].map(() => ({ w: parameter([3, 3], normal(0.02)), norm: { weight: parameter([3], ones) } })),
  bias: parameter([5], zeros),
  size: 3,
  nothing: null,
  table: new Float32Array(4),
  mask: input('mask', [3]),
});

test('a parameter is named by its path, in the order of construction', () => {
  const found = parameters(model());
  expect([...found.keys()]).toEqual([
    'embed.weight',
    'layers.0.w',
    'layers.0.norm.weight',
    'layers.1.w',
    'layers.1.norm.weight',
    'bias',
  ]);
  for (const [name, p] of found) expect(p.name).toBe(name);
});

test('walking twice finds the same; tied weights are listed once, by their first path', () => {
  const m = model();
  const tied = { ...m, head: { weight: m.embed.weight } };
  expect([...parameters(tied).keys()]).toEqual([...parameters(tied).keys()]);
  expect(parameters(tied).has('head.weight')).toBe(false);
  expect(parameters(tied).get('embed.weight')).toBe(m.embed.weight);
});

test('a brick that refers to its owner does not loop', () => {
  const a: Record<string, unknown> = { w: parameter([1], ones) };
  a['self'] = a;
  expect([...parameters(a).keys()]).toEqual(['w']);
});

test('a parameter that belongs to another model is refused', () => {
  const m = model();
  parameters(m);
  expect(() => parameters({ other: m.bias })).toThrow('other is already called bias');
});

test('first values have the shapes and initialisers of the parameters', () => {
  const values = initialize(model(), 1);
  expect(values.get('bias')).toEqual({ data: new Float32Array(5), shape: [5], dtype: 'float32' });
  expect(values.get('layers.1.norm.weight')!.data).toEqual(new Float32Array(3).fill(1));
  expect(values.get('embed.weight')!.data).toHaveLength(15);
  expect(new Set(values.get('embed.weight')!.data).size).toBe(15);
});

test('first values depend on the seed and the name alone', () => {
  const [a, b, c] = [initialize(model(), 1), initialize(model(), 1), initialize(model(), 2)];
  expect(a).toEqual(b);
  expect(a.get('embed.weight')!.data).not.toEqual(c.get('embed.weight')!.data);
  expect(a.get('layers.0.w')!.data).not.toEqual(a.get('layers.1.w')!.data);
  // Another brick before them changes nothing.
  const more = initialize({ first: { weight: parameter([9], normal()) }, ...model() }, 1);
  expect(more.get('embed.weight')).toEqual(a.get('embed.weight'));
});

test('a parameter is a float32 tensor without a name until it is found', () => {
  const p = parameter([2, 3], zeros);
  expect(p).toBeInstanceOf(Parameter);
  expect([p.shape, p.dtype, p.name, p.node]).toEqual([[2, 3], 'float32', null, null]);
});

test('a buffer is stored with the parameters and has first values, but is not trained', () => {
  const m = { weight: parameter([2], ones), norm: { running_mean: buffer([2], zeros) } };
  expect([...parameters(m).keys()]).toEqual(['weight', 'norm.running_mean']);
  expect([...trainable(m).keys()]).toEqual(['weight']);
  expect(initialize(m).get('norm.running_mean')!.data).toEqual(new Float32Array(2));
});
