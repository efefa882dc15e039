// Losses of heads against plain loops in float64.
import { describe, expect, test } from 'vitest';
import { gradients, input, topologicalOrder, type Shape, type Tensor } from '@brickwork/graph';
import { compile, hostTensor, type HostTensor } from '@brickwork/runtime';
import { classificationLoss } from './classification-loss.ts';
import { classLabels } from './encoder-inputs.ts';
import { labelLogProbs } from './label-log-probs.ts';
import { maskedLMLoss } from './masked-lm-loss.ts';
import { bothEnds, problemTypeOf, readLabels, type ProblemType } from './problem-type.ts';
import { spanLoss } from './span-loss.ts';
import { tokenLoss } from './token-loss.ts';

const real = (values: readonly number[], shape: readonly number[]): HostTensor =>
  hostTensor(Float32Array.from(values), shape);
const int = (values: readonly number[], shape: readonly number[] = [values.length]): HostTensor =>
  hostTensor(BigInt64Array.from(values, BigInt), shape);

/** The values of a graph, traced with named sizes and with numbers, which must agree. */
async function both(
  make: (inputs: Readonly<Record<string, Tensor>>) => Tensor,
  given: Readonly<Record<string, HostTensor>>,
  shapes: Readonly<Record<string, Shape>>,
): Promise<number[]> {
  const results = [];
  for (const named of [false, true]) {
    const inputs = Object.fromEntries(
      Object.entries(given).map(([name, t]) => [name, input(name, named ? shapes[name]! : t.shape, t.dtype)]),
    );
    const program = await compile({ y: make(inputs) });
    results.push([...((await program.run(given))['y']!.data as Float32Array)]);
    await program.dispose();
  }
  expect(results[1]).toEqual(results[0]);
  return results[0]!;
}
const near = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual.length).toBe(expected.length);
  actual.forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 5));
};

const scores = [1, -2, 0.5, 3, 0.25, -1];
const rows = [scores.slice(0, 3), scores.slice(3)];
const logP = (row: readonly number[], label: number): number =>
  row[label]! - Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b) / v.length;

describe('classificationLoss', () => {
  const loss = (labels: HostTensor, type: ProblemType | null, shape: Shape): Promise<number[]> =>
    both(
      ({ x, l }) => classificationLoss(x!, l!, type),
      { x: real(scores, [2, 3]), l: labels },
      { x: ['B', 3], l: shape },
    );
  const marks = [1, 0, 1, 0, 0, 1];
  const several = mean(scores.map((v, i) => -Math.log(marks[i] ? sigmoid(v) : 1 - sigmoid(v))));

  test('one label of many: said, or meant by whole numbers; -100 is left out', async () => {
    const expected = [(-logP(rows[0]!, 2) - logP(rows[1]!, 0)) / 2];
    near(await loss(int([2, 0]), 'single_label_classification', ['B']), expected);
    near(await loss(int([2, 0]), null, ['B']), expected);
    near(await loss(int([2, 0], [2, 1]), null, ['B', 1]), expected);
    near(await loss(int([2, -100]), null, ['B']), [-logP(rows[0]!, 2)]);
    near(await loss(int([-100, -100]), null, ['B']), [0]);
  });
  test('several labels: said, or meant by real numbers', async () => {
    near(await loss(real(marks, [2, 3]), 'multi_label_classification', ['B', 3]), [several]);
    near(await loss(real(marks, [2, 3]), null, ['B', 3]), [several]);
    near(await loss(int(marks, [2, 3]), 'multi_label_classification', ['B', 3]), [several]);
  });
  test('numbers: said, or meant by a single label', async () => {
    const expected = [mean(scores.map((v, i) => (v - marks[i]!) ** 2))];
    near(await loss(real(marks, [2, 3]), 'regression', ['B', 3]), expected);
    const one = (labels: HostTensor, shape: Shape): Promise<number[]> =>
      both(
        ({ x, l }) => classificationLoss(x!, l!, null),
        { x: real([1, -2], [2, 1]), l: labels },
        { x: ['B', 1], l: shape },
      );
    for (const labels of [real([0.5, 1], [2]), int([3, 1])])
      near(await one(labels, ['B']), [((1 - Number(labels.data[0])) ** 2 + 9) / 2]);
    near(await one(real([0.5, 1], [2, 1]), ['B', 1]), [(0.25 + 9) / 2]);
  });
  test('labels that do not fit are refused', () => {
    const x = input('x', [2, 3]);
    expect(() => classificationLoss(x, input('l', [2]), null)).toThrow(
      'labels (2) for logits (2, 3); multi_label_classification needs (B, 3)',
    );
    expect(() => classificationLoss(x, input('l', [2, 2]), 'regression')).toThrow('regression needs (B, 3)');
    expect(() => classificationLoss(input('x', [2, 'N']), input('l', [2], 'int64'), null)).toThrow('N known');
  });
});

test('what labels mean is read from the config', () => {
  const id2label = { 0: 'a', 1: 'b', 2: 'c' };
  expect(readLabels('bert', {})).toEqual({ count: 2, problemType: null });
  expect(readLabels('bert', { num_labels: 5 }).count).toBe(5);
  expect(readLabels('bert', { id2label, num_labels: 5 }).count).toBe(3);
  expect(() => readLabels('bert', { num_labels: 0 })).toThrow('0 labels');
  expect(() => readLabels('bert', { problem_type: 'ranking' })).toThrow(
    'problem_type is "ranking"; known are regression',
  );
  expect(problemTypeOf({ count: 1, problemType: null }, 'int64')).toBe('regression');
  expect(problemTypeOf({ count: 1, problemType: 'single_label_classification' }, 'int64')).toBe(
    'single_label_classification',
  );
  expect(classLabels(readLabels('bert', { id2label }))).toMatchObject({ dtype: 'int64', shape: ['B'] });
  expect(classLabels(readLabels('bert', { num_labels: 1 }))).toMatchObject({ dtype: 'float32', shape: ['B'] });
  expect(classLabels(readLabels('bert', { id2label })).or).toEqual({ dtype: 'float32', shape: ['B', 3] });
  expect(classLabels(readLabels('bert', { id2label, problem_type: 'single_label_classification' }))).not.toHaveProperty(
    'or',
  );
  for (const problem_type of ['regression', 'multi_label_classification'])
    expect(classLabels(readLabels('bert', { id2label, problem_type }))).toMatchObject({
      dtype: 'float32',
      shape: ['B', 3],
    });
  expect(() => bothEnds('bert', { count: 3, problemType: null })).toThrow('3 labels');
});

test('labelLogProbs and tokenLoss: every token, those of -100 left out', async () => {
  const labels = [2, -100, 1, 0];
  const x = [...scores, ...scores.toReversed()];
  const of = (i: number): number => (labels[i]! < 0 ? 0 : logP(x.slice(3 * i, 3 * i + 3), labels[i]!));
  const given = { x: real(x, [2, 2, 3]), l: int(labels, [2, 2]) };
  const shapes = { x: ['B', 'T', 3], l: ['B', 'T'] };
  near(await both(({ x: t, l }) => labelLogProbs(t!, l!), given, shapes), [of(0), 0, of(2), of(3)]);
  near(await both(({ x: t, l }) => tokenLoss(t!, l!), given, shapes), [-(of(0) + of(2) + of(3)) / 3]);
});

test('spanLoss: the mean of both ends; a position beyond the text is left out, one before it is the first', async () => {
  const loss = (starts: number[], ends: number[]): Promise<number[]> =>
    both(
      ({ s, e, p, q }) => spanLoss({ startLogits: s!, endLogits: e!, startPositions: p!, endPositions: q! }),
      { s: real(scores, [2, 3]), e: real(scores.toReversed(), [2, 3]), p: int(starts), q: int(ends) },
      { s: ['B', 'T'], e: ['B', 'T'], p: ['B'], q: ['B'] },
    );
  const back = [scores.toReversed().slice(0, 3), scores.toReversed().slice(3)];
  const start = -(logP(rows[0]!, 1) + logP(rows[1]!, 2)) / 2;
  near(await loss([1, 2], [0, 2]), [(start - (logP(back[0]!, 0) + logP(back[1]!, 2)) / 2) / 2]);
  near(await loss([1, 2], [3, 7]), [start / 2]);
  near(await loss([1, 3], [-5, 3]), [(-logP(rows[0]!, 1) - logP(back[0]!, 0)) / 2]);
});

describe('maskedLMLoss', () => {
  const [B, T, C, V] = [2, 4, 3, 5];
  const wave = (n: number, phase: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + phase));
  const [hidden, weight, bias] = [wave(B * T * C, 0), wave(V * C, 1), wave(V, 2)];
  const head = (inputs: Readonly<Record<string, Tensor>>): Tensor =>
    maskedLMLoss(inputs['h']!, inputs['l']!, { transform: (x) => x.mul(2), weight: inputs['w']!, bias: inputs['b']! });
  const given = (labels: number[]): Record<string, HostTensor> => ({
    h: real(hidden, [B, T, C]),
    l: int(labels, [B, T]),
    w: real(weight, [V, C]),
    b: real(bias, [V]),
  });
  const shapes = { h: ['B', 'T', C], l: ['B', 'T'], w: [V, C], b: [V] };
  const expected = (labels: readonly number[]): number => {
    const losses = labels.flatMap((label, i) => {
      if (label < 0) return [];
      const x = hidden.slice(i * C, (i + 1) * C);
      const row = bias.map((b, v) => b + x.reduce((sum, t, c) => sum + 2 * t * weight[v * C + c]!, 0));
      return [-logP(row, label)];
    });
    return losses.length ? mean(losses) : 0;
  };

  test.each([[[-100, 1, -100, 4, 0, -100, -100, 2]], [[0, 1, 2, 3, 4, 0, 1, 2]], [Array<number>(8).fill(-100)]])(
    'labels %j',
    async (labels) => {
      near(await both(head, given(labels), shapes), [expected(labels)]);
    },
  );

  test('with no label at all, the gradients are 0', async () => {
    const inputs = Object.fromEntries(
      Object.entries(given(Array<number>(8).fill(-100))).map(([name, t]) => [name, input(name, t.shape, t.dtype)]),
    );
    const [h, w, b] = gradients(head(inputs), [inputs['h']!, inputs['w']!, inputs['b']!]);
    const program = await compile({ dh: h!, dw: w!, db: b! });
    const out = await program.run(given(Array<number>(8).fill(-100)));
    for (const t of Object.values(out)) expect([...(t.data as Float32Array)].every((v) => v === 0)).toBe(true);
    await program.dispose();
  });

  test('neither loss nor gradients hold scores of all positions', () => {
    const [positions, vocabulary] = [64, 30522];
    const inputs = {
      h: input('h', [1, positions, C]),
      l: input('l', [1, positions], 'int64'),
      w: input('w', [vocabulary, C]),
      b: input('b', [vocabulary]),
    };
    const loss = head(inputs);
    const nodes = topologicalOrder([loss, ...gradients(loss, [inputs.h, inputs.w, inputs.b])]);
    const scored = nodes
      .flatMap((node) => node.outputs)
      .filter(({ shape }) => shape.includes(vocabulary) && shape.length > 1);
    expect(scored.filter(({ shape }) => shape.includes(positions))).toEqual([]);
    // The logits and their softmax: (labels, V), and no gradient of either.
    expect(scored.filter(({ shape }) => shape[0] === 'labels').length).toBe(2);
  });
});
