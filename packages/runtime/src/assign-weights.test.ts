import { expect, test } from 'vitest';
import { assignWeights } from './assign-weights.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';

const matrix = hostTensor(new Float32Array(6), [2, 3]);
const vector = hostTensor(new Float32Array(3));
const expected = new Map([
  ['wte.weight', { shape: [2, 3] }],
  ['ln.bias', { shape: [3] }],
]);
const tensors = (entries: Record<string, HostTensor>): Map<string, HostTensor> => new Map(Object.entries(entries));
const message = (...args: Parameters<typeof assignWeights>): string => {
  try {
    assignWeights(...args);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('accepted');
};

test('the same tensors in the model’s order, not copied', () => {
  const assigned = assignWeights(expected, tensors({ 'ln.bias': vector, 'wte.weight': matrix }));
  expect([...assigned.keys()]).toEqual(['wte.weight', 'ln.bias']);
  expect(assigned.get('wte.weight')).toBe(matrix);
});

test('a missing weight is named, and the rest counted', () => {
  expect(message(expected, tensors({ 'wte.weight': matrix }), { who: 'gpt2' })).toBe(
    'gpt2: missing ln.bias (1 of 2 found). Does config.json belong to these weights?',
  );
  const five = new Map(Array.from('abcde', (name) => [name, { shape: [] }]));
  expect(message(five, tensors({ e: vector }))).toBe(
    'loadWeights: missing a, b, c and 1 more (1 of 5 found). Does config.json belong to these weights?',
  );
});

test('weights that are left over are named', () => {
  expect(message(expected, tensors({ 'wte.weight': matrix, 'ln.bias': vector, 'ln.weight': vector }))).toBe(
    'loadWeights: ln.weight belongs to no parameter (all 2 found). Does config.json belong to these weights?',
  );
  const more = tensors({ 'wte.weight': matrix, 'ln.bias': vector, mask: vector });
  expect([...assignWeights(expected, more, { ignore: (name) => name === 'mask' }).keys()]).toEqual([
    ...expected.keys(),
  ]);
});

test('both at once', () => {
  expect(message(expected, tensors({ 'wte.weight': matrix, 'norm.bias': vector }))).toBe(
    'loadWeights: missing ln.bias (1 of 2 found), and norm.bias belongs to no parameter. Does config.json belong to these weights?',
  );
});

test('what the architecture knows comes instead of the question', () => {
  const hint = (missing: readonly string[]): string | undefined =>
    missing.includes('ln.bias') ? 'Did you mean bias: false?' : undefined;
  expect(message(expected, tensors({ 'wte.weight': matrix }), { hint })).toMatch(/\. Did you mean bias: false\?$/);
});

test('a prefix too many or too few is found', () => {
  expect(message(expected, tensors({ 'model.wte.weight': matrix, 'model.ln.bias': vector }))).toMatch(
    /The checkpoint's names all start with model\.; take that off\.$/,
  );
  expect(
    message(
      new Map([...expected].map(([n, e]) => [`transformer.${n}`, e])),
      tensors({ 'wte.weight': matrix, 'ln.bias': vector }),
    ),
  ).toMatch(/The checkpoint's names lack transformer\. in front; put it there\.$/);
});

test('another shape or type is named with both', () => {
  expect(message(expected, tensors({ 'wte.weight': vector, 'ln.bias': vector }))).toBe(
    'loadWeights: wte.weight is float32 (3), but the model needs float32 (2, 3). Does config.json belong to these weights?',
  );
  const turned = hostTensor(new Float32Array(6), [3, 2]);
  expect(message(expected, tensors({ 'wte.weight': turned, 'ln.bias': matrix }))).toBe(
    "loadWeights: wte.weight is float32 (3, 2), but the model needs float32 (2, 3); 1 more of 2 don't fit. Does config.json belong to these weights?",
  );
  const half = hostTensor(new Uint16Array(3), [3], 'float16');
  expect(message(expected, tensors({ 'wte.weight': matrix, 'ln.bias': half }))).toMatch(
    'ln.bias is float16 (3), but the model needs float32 (3).',
  );
});

test('a size by name takes any', () => {
  expect(assignWeights(new Map([['x', { shape: ['V', 3] }]]), tensors({ x: matrix })).get('x')).toBe(matrix);
});
