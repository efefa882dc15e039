// Objectives: values against plain float64 arithmetic, gradients through a network, and that they teach.
import { describe, expect, test } from 'vitest';
import { gradients, input, type Tensor } from '../../packages/graph/src/index.ts';
import { evaluating, initialize, parameters, random } from '../../packages/nn/src/index.ts';
import { compile, hostTensor, type HostTensor } from '../../packages/runtime/src/index.ts';
import {
  contrastive,
  cosineLoss,
  distillation,
  FineTuning,
  infoNCE,
  labelSmoothing,
  memoryStore,
  pairs,
  pool,
  similarity,
  teacher,
  tripletLoss,
  type EncodedExample,
  type Objective,
  type Task,
  type TaskTokenizer,
} from '../../packages/training/src/index.ts';
import { architectures, buildNetwork, Model } from '../../packages/transformer/src/index.ts';

const draw = random(7);
const noise = (n: number): Float32Array => Float32Array.from({ length: n }, () => draw.normal());
const rowsOf = (data: Float32Array, C: number): number[][] =>
  Array.from({ length: data.length / C }, (_, i) => [...data.subarray(i * C, (i + 1) * C)]);
const dot = (a: number[], b: number[]): number => a.reduce((n, v, i) => n + v * b[i]!, 0);
const cosine = (a: number[], b: number[]): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
const logSoftmax = (row: number[]): number[] => {
  const top = Math.max(...row);
  const total = Math.log(row.reduce((n, v) => n + Math.exp(v - top), 0)) + top;
  return row.map((v) => v - total);
};
async function valueOf(trace: (...xs: Tensor[]) => Tensor, ...given: HostTensor[]): Promise<number> {
  const inputs = given.map(({ shape, dtype }, i) => input(`x${i}`, shape, dtype));
  const program = await compile({ y: trace(...inputs) });
  const needed = new Set(program.inputs.map((i) => i.name));
  const feeds = given.map((t, i) => [`x${i}`, t] as const).filter(([name]) => needed.has(name));
  const { y } = await program.run(Object.fromEntries(feeds));
  await program.dispose();
  return Number(y!.data[0]);
}

describe('InfoNCE', () => {
  const [B, C] = [5, 6];
  const given = [0, 1, 2].map(() => hostTensor(noise(B * C), [B, C]));
  const [a, p, n] = given.map((t) => rowsOf(t.data as Float32Array, C)) as [number[][], number[][], number[][]];
  const oneWay = (from: number[][], to: number[][], t: number): number =>
    mean(from.map((x, i) => -logSoftmax(to.map((y) => cosine(x, y) / t))[i]!));
  test('finds the positives among all of the batch, both ways, among given negatives as well', async () => {
    expect(
      await valueOf((x, y) => infoNCE(x, y, null, { temperature: 0.1, bothDirections: false }), given[0]!, given[1]!),
    ).toBeCloseTo(oneWay(a, p, 0.1), 4);
    expect(await valueOf((x, y) => infoNCE(x, y, null), given[0]!, given[1]!)).toBeCloseTo(
      (oneWay(a, p, 0.05) + oneWay(p, a, 0.05)) / 2,
      4,
    );
    expect(await valueOf((x, y, z) => infoNCE(x, y, z, { bothDirections: false }), ...given)).toBeCloseTo(
      oneWay(a, [...p, ...n], 0.05),
      4,
    );
    expect(() => infoNCE(input('a', [2, 3]), input('b', [2, 3]), null, { temperature: 0 })).toThrow('temperature is 0');
  });
});

test('pooling leaves padding out', async () => {
  const [B, T, C] = [2, 3, 4];
  const hidden = hostTensor(noise(B * T * C), [B, T, C]);
  const mask = hostTensor(BigInt64Array.from([1, 1, 1, 1, 1, 0], BigInt), [B, T]);
  const rows = rowsOf(hidden.data as Float32Array, C);
  const kinds = {
    mean: (own: number[][], c: number) => mean(own.map((row) => row[c]!)),
    max: (own: number[][], c: number) => Math.max(...own.map((row) => row[c]!)),
    cls: (own: number[][], c: number) => own[0]![c]!,
  };
  for (const [kind, expected] of Object.entries(kinds))
    for (let c = 0; c < C; c++)
      expect(
        await valueOf(
          (x, m) =>
            pool(x, m, kind as 'mean')
              .reshape([B * C])
              .reshape([B, C])
              .sum([1])
              .sum(),
          hidden,
          mask,
        ),
      ).toBeCloseTo(
        [rows.slice(0, 3), rows.slice(3, 5)]
          .flatMap((own) => [0, 1, 2, 3].map((k) => expected(own, k)))
          .reduce((x, y) => x + y),
        4,
      );
});

const V = 19;
const config = {
  model_type: 'bert',
  vocab_size: V,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 16,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
};
function modelOf(className: string, more: object = {}, seed = 3): Model {
  const built = buildNetwork({ ...config, ...more }, architectures, className);
  const weights = [...initialize(built.network, seed)].map(([n, t]) => [n, hostTensor(t.data, t.shape)] as const);
  return new Model({ ...built, config: { ...config, ...more }, weights: new Map(weights) });
}
const letters: TaskTokenizer = {
  encode(text) {
    const ids = Array.from(text, (ch) => ch.charCodeAt(0) - 97);
    return {
      ids,
      typeIds: ids.map(() => 0),
      offsets: ids.map((_, i) => [i, i + 1] as const),
      specialTokensMask: ids.map(() => 0),
    };
  },
};
const o = { padId: 18, limit: 16, multiple: 1 };
async function lossesOf(
  model: Model,
  task: Task,
  objective: Objective,
  examples: readonly EncodedExample[],
  more: object = {},
) {
  const tuning = new FineTuning(model);
  const losses: number[] = [];
  const options = {
    task,
    objective,
    steps: 25,
    batchSize: examples.length,
    rate: 5e-3,
    picture: false,
    compile: { threads: 1 },
  };
  for await (const event of tuning.train({ train: memoryStore(examples) }, { ...options, ...more }))
    if (event.type === 'step') losses.push(event.loss);
  return losses;
}

describe('embeddings learn', () => {
  const words = ['abc', 'fgh', 'klm', 'pqr'];
  test('that pairs belong together, with negatives or without', async () => {
    const task = pairs(letters, o);
    const examples = (negative: boolean): EncodedExample[] =>
      words.flatMap((word, i) => [
        ...task.encode({
          kind: 'pair',
          anchor: word,
          positive: ['dea', 'ijf', 'noc', 'oqb'][i]!,
          negative: negative ? words[(i + 1) % 4]! : null,
        }),
      ]);
    for (const negative of [false, true]) {
      const objective = contrastive({ temperature: 0.1 });
      const losses = await lossesOf(modelOf('BertModel'), task, objective, examples(negative));
      expect(losses[0]).toBeGreaterThan(0.5);
      expect(losses.at(-1)!).toBeLessThan(0.2 * losses[0]!);
    }
    const triplets = await lossesOf(modelOf('BertModel'), task, tripletLoss({ margin: 2 }), examples(true));
    expect(triplets.at(-1)!).toBeLessThan(0.5 * triplets[0]!);
    await expect(lossesOf(modelOf('BertModel'), task, tripletLoss(), examples(false))).rejects.toThrow('no negatives');
    expect(() => task.encode({ kind: 'text', text: 'a' })).toThrow('needs texts that belong together');
  });
  test('how similar pairs are', async () => {
    const task = similarity(letters, { ...o, scale: 1 / 5 });
    const examples = [
      ['abc', 'abd', 5],
      ['abc', 'pqr', 0],
      ['klm', 'mlk', 2.5],
    ].flatMap(([text, pair, label]) => [
      ...task.encode({ kind: 'labelled', text: String(text), pair: String(pair), label: label! }),
    ]);
    const { batch } = task.collate(examples, random(0));
    expect(batch['scores']).toMatchObject({ shape: [3], data: Float32Array.of(1, 0, 0.5) });
    expect(batch['input_ids']!.shape).toEqual([6, 3]);
    const losses = await lossesOf(modelOf('BertModel'), task, cosineLoss(), examples);
    expect(losses.at(-1)!).toBeLessThan(0.1 * losses[0]!);
  });
});

describe('labels', () => {
  test('smoothed: (1 - s) of the cross-entropy and s of the mean over all classes', async () => {
    const logits = hostTensor(noise(2 * 3 * V), [2, 3, V]);
    const labels = hostTensor(BigInt64Array.from([1, 4, -100, 7, 0, 2], BigInt), [2, 3]);
    const rows = rowsOf(logits.data as Float32Array, V).map(logSoftmax);
    const loss = (pick: number[][]): number =>
      mean(pick.map(([row, label]) => -0.8 * rows[row!]![label!]! - 0.2 * mean(rows[row!]!)));
    const value = (shift: boolean): Promise<number> =>
      valueOf(
        (x, y) => labelSmoothing({ share: 0.2, shift })({ logits: () => x }, { labels: y }, evaluating()),
        logits,
        labels,
      );
    expect(await value(false)).toBeCloseTo(
      loss([
        [0, 1],
        [1, 4],
        [3, 7],
        [4, 0],
        [5, 2],
      ]),
      4,
    );
    expect(await value(true)).toBeCloseTo(
      loss([
        [0, 4],
        [3, 0],
        [4, 2],
      ]),
      4,
    );
  });

  test('distilled: the divergence from the teacher at its temperature, and the student’s own loss', async () => {
    const student = modelOf('BertForMaskedLM');
    const large = modelOf('BertForMaskedLM', { num_hidden_layers: 2, hidden_size: 24 }, 5);
    const fresh = buildNetwork({ ...config, num_hidden_layers: 2, hidden_size: 24 }, architectures, 'BertForMaskedLM');
    const from = teacher(fresh.network, large.weights);
    const ids = BigInt64Array.from({ length: 12 }, (_, i) => BigInt((i * 5) % V));
    const feeds = { input_ids: hostTensor(ids, [2, 6]), labels: hostTensor(ids, [2, 6]) };
    const { network } = student;
    const known = parameters(network);
    const given = Object.fromEntries(Object.entries(feeds).map(([n, t]) => [n, input(n, t.shape, t.dtype)]));
    const loss = distillation(from, { temperature: 3, share: 0.7 })(
      network.trace(given, evaluating()),
      given,
      evaluating(),
    );
    const [slope] = gradients(loss, [known.get('cls.predictions.bias')!]);
    const program = await compile({ loss, slope: slope! });
    const needed = new Set(program.inputs.map((i) => i.name));
    const all = new Map<string, HostTensor>([...student.weights, ...from.weights, ...Object.entries(feeds)]);
    const out = await program.run(new Map([...all].filter(([name]) => needed.has(name))));
    await program.dispose();

    const logitsOf = async (model: Model): Promise<number[][]> =>
      rowsOf((await model.run({ input_ids: feeds.input_ids }, ['logits']))['logits']!.data as Float32Array, V);
    const [own, taught] = [await logitsOf(student), await logitsOf(large)];
    const at = (row: number[]): number[] => logSoftmax(row.map((v) => v / 3));
    const divergence = mean(
      own.map((row, i) =>
        dot(
          at(taught[i]!).map(Math.exp),
          at(taught[i]!).map((q, k) => q - at(row)[k]!),
        ),
      ),
    );
    const ownLoss = mean(own.map((row, i) => -logSoftmax(row)[Number(ids[i])]!));
    expect(Number(out['loss']!.data[0])).toBeCloseTo(0.7 * 9 * divergence + 0.3 * ownLoss, 4);
    // Of the head's bias: share · τ · (p - q) + (1 - share) · (softmax - label), mean over rows.
    const expected = Array.from({ length: V }, (_, k) =>
      mean(
        own.map((row, i) => {
          const soft = 0.7 * 3 * (Math.exp(at(row)[k]!) - Math.exp(at(taught[i]!)[k]!));
          return soft + 0.3 * (Math.exp(logSoftmax(row)[k]!) - (Number(ids[i]) === k ? 1 : 0));
        }),
      ),
    );
    (out['slope']!.data as Float32Array).forEach((g, k) => expect(g).toBeCloseTo(expected[k]!, 5));
  });
});
