// A network with batch norm, trained: against plain loops, stopped and resumed, in part.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { add, batchNormTraining, batchNorm, constant, mean, mul, sub, type Tensor } from '@brickwork/graph';
import { buffer, Linear, ones, parameter, random, zeros, type Context, type Network } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import type { NamedBatch } from './data/example-batches.ts';
import type { TrainData } from './train-data.ts';
import { trainNetwork, type TrainNetworkOptions } from './train-network.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-network-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

// Vision's batch norm stands above this package; this is as much of it as is needed here.
class Norm {
  readonly weight = parameter([3], ones);
  readonly bias = parameter([3], zeros);
  readonly running_mean = buffer([3], zeros);
  readonly running_var = buffer([3], ones);
  readonly num_batches_tracked = buffer([], zeros, { dtype: 'int64' });
}

class Toy implements Network {
  readonly config = {};
  readonly inputs = {
    x: { dtype: 'float32', shape: ['B', 4] },
    y: { dtype: 'float32', shape: ['B', 2] },
  } as const;
  readonly first = new Linear(4, 3);
  readonly norm = new Norm();
  readonly last = new Linear(3, 2);
  trace({ x, y }: Readonly<Record<string, Tensor>>, ctx: Context): Record<string, () => Tensor> {
    const h = this.first.forward(x!);
    const { weight, bias, running_mean: m, running_var: v, num_batches_tracked: n } = this.norm;
    const isTraining = ctx.training && !ctx.keeps(m);
    const made = isTraining ? batchNormTraining(h, weight, bias, m, v) : null;
    const d = sub(this.last.forward(made?.y ?? batchNorm(h, weight, bias, m, v)), y!);
    return {
      loss: () => mean(mul(d, d)),
      ...(made && {
        'buffers.norm.running_mean': () => made.mean,
        'buffers.norm.running_var': () => made.variance,
        'buffers.norm.num_batches_tracked': () => add(n, constant(BigInt64Array.of(1n), [])),
      }),
    };
  }
}

function batchOf(number: number): NamedBatch {
  const draw = random(number);
  const x = Float32Array.from({ length: 24 }, () => draw.normal());
  const y = Float32Array.from({ length: 12 }, (_, i) => x[4 * (i >> 1)]! * (1 + (i % 2)) + 0.5);
  return { x: hostTensor(x, [6, 4]), y: hostTensor(y, [6, 2]) };
}
const data: TrainData<NamedBatch> = {
  batch: async (number) => ({ batch: batchOf(number), count: 6 }),
  async *validation() {
    yield { batch: batchOf(1000), count: 6 };
  },
};
const options = { steps: 12, rate: 0.05, evaluateEvery: 4, picture: false } as const;
const values = (weights: ReadonlyMap<string, HostTensor>): Record<string, number[]> =>
  Object.fromEntries([...weights].map(([name, { data: own }]) => [name, Array.from(own as Float32Array, Number)]));

async function run(
  o: Partial<TrainNetworkOptions> = {},
  stopAfter = Infinity,
): Promise<{ weights: ReadonlyMap<string, HostTensor>; trained: readonly string[]; losses: number[] }> {
  const stop = new AbortController();
  const { weights, trained, events } = trainNetwork(new Toy(), data, { ...options, ...o, signal: stop.signal });
  const losses: number[] = [];
  for await (const event of events) {
    if (event.type === 'step' && event.step >= stopAfter) stop.abort();
    if (event.type === 'evaluation') losses.push(event.loss);
  }
  return { weights, trained, losses };
}

describe('trainNetwork', () => {
  test('learns, counts, and moves the running statistics as their formula says', async () => {
    const { weights, losses } = await run({ optimizer: 'sgd', weightDecay: 0, steps: 60, evaluateEvery: 20 });
    expect(losses).toHaveLength(3);
    expect(losses[2]!).toBeLessThan(losses[0]! / 2);
    expect(weights.get('norm.num_batches_tracked')).toEqual(hostTensor(BigInt64Array.of(60n), []));
    // One step at a rate of hardly anything: 0.9 times the old statistics and 0.1 times those of the batch.
    const once = await run({ steps: 1, rate: 1e-12 });
    const own = values(once.weights);
    const batch = batchOf(0)['x']!.data;
    const column = (c: number): number[] =>
      Array.from({ length: 6 }, (_, r) =>
        [0, 1, 2, 3].reduce(
          (sum, i) => sum + Number(batch[4 * r + i]) * own['first.weight']![4 * c + i]!,
          own['first.bias']![c]!,
        ),
      );
    for (const c of [0, 1, 2]) {
      const all = column(c);
      const average = all.reduce((a, b) => a + b, 0) / 6;
      expect(own['norm.running_mean']![c]).toBeCloseTo(0.1 * average, 5);
      const spread = all.reduce((a, b) => a + (b - average) ** 2, 0) / 5;
      expect(own['norm.running_var']![c]).toBeCloseTo(0.9 + 0.1 * spread, 5);
    }
  });

  test.each([{ optimizer: 'adamw' }, { optimizer: 'sgd', ema: 0.8 }] as const)(
    'stopped and resumed, all values are the same, statistics and counter too: %j',
    async (o) => {
      const expected = values((await run(o)).weights);
      const folder = join(root, `resumed-${o.optimizer}`);
      await run({ ...o, folder }, 5);
      const after = await run({ ...o, folder, resume: true });
      expect(values(after.weights)).toEqual(expected);
    },
  );

  test('what isn’t trained stays bit for bit, and batch norm without training normalises by what it came with', async () => {
    const before = await run({ steps: 6 });
    const start = new Map(
      [...before.weights].map(([name, { data: own, shape, dtype }]) => [name, hostTensor(own.slice(), shape, dtype)]),
    );
    const { weights, trained } = await run({ weights: start, trains: (name) => name.startsWith('last.') });
    expect(trained).toEqual(['last.weight', 'last.bias']);
    const [old, now] = [values(start), values(weights)];
    for (const name of Object.keys(old))
      if (name.startsWith('last.')) expect(now[name]).not.toEqual(old[name]);
      else expect(now[name]).toEqual(old[name]);
    // Trained and evaluated on one batch, the loss is the same number: nothing is random, nothing is of the batch.
    const one: TrainData<NamedBatch> = {
      batch: () => ({ batch: batchOf(7), count: 6 }),
      validation: () => [{ batch: batchOf(7), count: 6 }],
    };
    const seen: number[] = [];
    const o = { ...options, steps: 1, rate: 1e-12, weights: start, trains: (n: string) => n.startsWith('last.') };
    for await (const event of trainNetwork(new Toy(), one, o).events)
      if (event.type === 'step' || event.type === 'evaluation') seen.push(event.loss);
    expect(seen[0]).toBeCloseTo(seen[1]!, 6);
  });

  test('weights that don’t fit, unknown ones and nothing to train are refused', () => {
    const bad = (weights: Map<string, HostTensor>): unknown => trainNetwork(new Toy(), data, { ...options, weights });
    expect(() => bad(new Map([['last.bias', hostTensor(new Float32Array(3))]]))).toThrow(
      'last.bias is float32 (3); the network needs float32 (2)',
    );
    expect(() => bad(new Map([['lost', hostTensor(new Float32Array(3))]]))).toThrow('no parameter lost');
    expect(() => trainNetwork(new Toy(), data, { ...options, trains: () => false })).toThrow(
      'nothing is left to train',
    );
  });
});
