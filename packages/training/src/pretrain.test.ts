import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialize, parameters } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import { GPT2LMHeadModel } from '@brickwork/transformer';
import { afterAll, describe, expect, test } from 'vitest';
import { arena } from './arena.ts';
import { flatStore, layout } from './flat-store.ts';
import { train } from './loop.ts';
import type { TrainEvent } from './train-options.ts';
import { adamw } from './optimizers/adamw.ts';
import { pretrain, pretrainMemory, type PretrainOptions } from './pretrain.ts';
import { compileStep, type Batch } from './step.ts';
import type { TokenData } from './token-data.ts';
import { memoryTokens } from './token-source.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-pretrain-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(root, `run${folders++}`);

const config = { vocab_size: 17, n_positions: 16, n_embd: 32, n_layer: 2, n_head: 4 };
const still = { embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
const gpt = (more: object = {}): GPT2LMHeadModel => new GPT2LMHeadModel({ ...config, ...still, ...more });
/** Counts up, with jumps: easy to learn. */
const data = (n = 600, held = 100): TokenData => {
  const ids = Int32Array.from({ length: n + held }, (_, i) => (i + Math.floor(i / 29) * 3) % 17);
  return {
    train: memoryTokens(ids.subarray(0, n)),
    validation: memoryTokens(ids.subarray(n)),
    charactersPerToken: 1,
    fingerprint: `counting ${n} ${held}`,
  };
};
const options: PretrainOptions = {
  steps: 6,
  batchSize: 3,
  evaluateEvery: 3,
  rate: 1e-2,
  seed: 1,
  compile: { threads: 1 },
  picture: false,
  measurePeak: false,
};
async function events(o: Partial<PretrainOptions> = {}, model = gpt(), tokens = data()): Promise<TrainEvent[]> {
  const all: TrainEvent[] = [];
  for await (const e of pretrain(model, tokens, { ...options, ...o })) all.push(e);
  return all;
}
const losses = (all: readonly TrainEvent[]): number[] => all.flatMap((e) => (e.type === 'step' ? [e.loss] : []));
const final = (all: readonly TrainEvent[]): ReadonlyMap<string, HostTensor> =>
  all.flatMap((e) => (e.type === 'evaluation' ? [e.weights] : [])).at(-1)!;

describe('beside PyTorch', () => {
  // torch 1.13, float64: a GPT-2 of this config (tanh GELU, no dropout, tied head) trained for 50 steps with
  // clip_grad_norm_(1.0) and AdamW(betas=(0.9, 0.95)), weight_decay=0.1 for p.dim() >= 2 and 0 for others; the rate is
  // 1e-2 · (t/6 up to t=5, then 0.1 + 0.9·(1 + cos(π·(t-6)/44))/2). Weights and tokens are those of `noise` below, in
  // the order of `parameters`. In float32 PyTorch's own losses differ from these by up to 2e-7.
  const expected: Readonly<Record<number, number>> = {
    1: 2.8206272,
    2: 2.7575061,
    3: 2.8318976,
    5: 2.6496062,
    10: 2.266646,
    20: 2.221608,
    30: 2.2445374,
    40: 2.1742452,
    50: 2.0908499,
  };
  const lastNorm = 0.90697814;
  const noise = (n: number): number => {
    let x = Math.imul(n, 0x9e3779b1) >>> 0;
    x = Math.imul(x ^ (x >>> 15), 0x85ebca6b) >>> 0;
    return (x ^ (x >>> 13)) >>> 0;
  };

  test('fifty steps of a small GPT have PyTorch’s losses to 1e-5', async () => {
    const model = gpt();
    const [B, T] = [4, 16];
    const found = parameters(model);
    const { parts, length } = layout(new Map([...found].map(([name, p]) => [name, p.shape as number[]])));
    const memory = arena(Array<number>(4).fill(length));
    const [weights, grads] = [flatStore(parts, memory.take(length)), flatStore(parts, memory.take(length))];
    const token = (i: number): bigint => BigInt(((noise(i) >>> 8) % 5) + (i % 13));
    const batch = (number: number): { batch: Batch; count: number } => {
      const at = (row: number, t: number): bigint => token(1000 * (number + 1) + 100 * row + t);
      const values = (shift: number): BigInt64Array =>
        BigInt64Array.from({ length: B * T }, (_, i) => at(Math.floor(i / T), (i % T) + shift));
      return { batch: { ids: values(0), labels: values(1) }, count: B * T };
    };
    const trainee = {
      parts,
      weights,
      grads,
      optimizer: adamw(length, { betas: [0.9, 0.95], weightDecay: 0.1, arena: memory }),
      data: { batch, validation: () => [] },
      initialize() {
        for (const [k, { name, begin, end }] of parts.entries())
          for (let i = 0; i < end - begin; i++) {
            const x = Math.fround((noise(k * 65536 + i) / 2 ** 32 - 0.5) * 0.2);
            weights.data[begin + i] = /ln_.*weight$/.test(name) ? 1 + x : x;
          }
      },
      compile: () => compileStep(model, { weights: weights.tensors, grads: grads.tensors, B, T }, { threads: 1 }),
    };
    let seen = 0;
    for await (const e of train<Batch>(trainee, { steps: 50, rate: 1e-2, warmup: 5, clip: 1 })) {
      if (e.type !== 'step') continue;
      const loss = expected[e.step];
      if (loss !== undefined) {
        seen++;
        expect(Math.abs(e.loss - loss), `step ${e.step}`).toBeLessThan(1e-5);
      }
      if (e.step === 50) expect(Math.abs(e.norm - lastNorm)).toBeLessThan(1e-4);
    }
    expect(seen).toBe(9);
  });
});

describe('pretrain', () => {
  test('learns, and reports validation losses with the weights they are of', async () => {
    const all = await events({ steps: 60, evaluateEvery: 20 });
    expect(losses(all).at(-1)).toBeLessThan(0.5 * losses(all)[0]!);
    const evaluations = all.filter((e) => e.type === 'evaluation');
    expect(evaluations).toHaveLength(3);
    expect(evaluations.at(-1)!.loss).toBeLessThan(evaluations[0]!.loss);
    expect([...final(all).keys()]).toEqual([...parameters(gpt()).keys()]);
  });

  test('begins with weights that are given, which it copies', async () => {
    const weights = new Map(
      [...initialize(gpt(), 9)].map(([name, { data: values, shape }]) => [name, hostTensor(values, shape)]),
    );
    const before = weights.get('transformer.wte.weight')!.data.slice();
    const all = await events({ weights });
    expect(weights.get('transformer.wte.weight')!.data).toEqual(before);
    expect(losses(all)).toEqual(losses(await events({ weights })));
    expect(losses(all)).not.toEqual(losses(await events()));
    weights.delete('transformer.wpe.weight');
    await expect(events({ weights })).rejects.toThrow('pretrain: missing transformer.wpe.weight');
  });

  test('accumulated batches have the gradient of one: both ways give the same weights to float precision', async () => {
    // Blocks in order: two batches of three are the windows of one of six.
    const one = await events({ steps: 4, batchSize: 6, sampling: 'shuffle', evaluateEvery: 4 });
    const two = await events({ steps: 4, batchSize: 3, accumulate: 2, sampling: 'shuffle', evaluateEvery: 4 });
    losses(one).forEach((loss, i) => expect(losses(two)[i]).toBeCloseTo(loss, 4));
    const norms = (all: readonly TrainEvent[]): number[] => all.flatMap((e) => (e.type === 'step' ? [e.norm] : []));
    norms(one).forEach((norm, i) => expect(norms(two)[i]).toBeCloseTo(norm, 3));
  });

  test('with dropout, stopped and resumed, the checkpoint and the metrics are bit for bit the same', async () => {
    const model = (): GPT2LMHeadModel => gpt({ embd_pdrop: 0.1, resid_pdrop: 0.1, attn_pdrop: 0.1 });
    const run = { accumulate: 2, optimizer: 'adamw', sampling: 'shuffle' } as const;
    const whole = newFolder();
    await events({ ...run, folder: whole }, model());
    for (const at of [1, 3, 5]) {
      const folder = newFolder();
      const stop = new AbortController();
      for await (const e of pretrain(model(), data(), { ...options, ...run, folder, signal: stop.signal }))
        if (e.type === 'step' && e.step === at) stop.abort();
      await events({ ...run, folder, resume: true }, model());
      for (const file of ['state.safetensors', 'metrics.jsonl', 'run.json'])
        expect(
          readFileSync(join(folder, file)).equals(readFileSync(join(whole, file))),
          `${file}, stopped at ${at}`,
        ).toBe(true);
    }
  });

  test('a resumed run needs the same data, model and settings', async () => {
    const folder = newFolder();
    await events({ folder, identity: { config } });
    const again = (o: Partial<PretrainOptions>, tokens = data()): Promise<unknown> =>
      events({ folder, identity: { config }, resume: true, ...o }, gpt(), tokens);
    await expect(again({ batchSize: 4 })).rejects.toThrow('batchSize was 3, is 4');
    await expect(again({ betas: [0.9, 0.99] })).rejects.toThrow('betas.1 was 0.95, is 0.99');
    await expect(again({ identity: { config: { ...config, n_layer: 3 } } })).rejects.toThrow(
      'config.n_layer was 2, is 3',
    );
    await expect(again({}, data(601))).rejects.toThrow('data was "counting 600 100", is "counting 601 100"');
    await again({});
  });

  test('steps tell their share of the measured peak', async () => {
    const all = await events({ measurePeak: true, steps: 2 });
    for (const e of all) if (e.type === 'step') expect(e.shareOfPeak).toBeGreaterThan(0);
    expect(all.some((e) => e.type === 'step')).toBe(true);
  });

  test('a run that is stopped before it begins ends at once', async () => {
    const all = await events({ signal: AbortSignal.abort(), measurePeak: true });
    expect(all.map((e) => e.type)).toEqual(['start', 'end']);
    expect(all.at(-1)).toMatchObject({ aborted: true, step: 0 });
  });

  test('what does not fit is refused before anything is written', async () => {
    const folder = newFolder();
    const refused = (o: Partial<PretrainOptions>, tokens = data(), model = gpt()): Promise<unknown> =>
      events({ folder, ...o }, model, tokens);
    await expect(refused({ batchSize: 0 })).rejects.toThrow('batchSize is 0');
    await expect(refused({ length: 17 })).rejects.toThrow('windows of 17 tokens, but the model sees 16');
    await expect(refused({}, data(16, 0))).rejects.toThrow('16 tokens to train on; a context of 16 needs 17 or more');
    await expect(refused({}, data(0, 0))).rejects.toThrow('0 tokens to train on');
    await expect(refused({}, data(), gpt({ vocab_size: 16 }))).rejects.toThrow('id 16 is outside the vocabulary of 16');
    await expect(refused({ optimizer: 'adam' as 'adamw' })).rejects.toThrow(
      'optimizer: there is no "adam"; there are adamw, sgd, adafactor, lion, muon',
    );
    await expect(refused({ sampling: 'sorted' as 'random' })).rejects.toThrow('no sampling "sorted"');
    await expect(refused({ learningRate: 1 } as object)).rejects.toThrow('no option learningRate; there are steps,');
    await expect(refused({ steps: 0 })).rejects.toThrow('steps is 0');
    expect(existsSync(folder)).toBe(false);
  });

  test('with a thread of its own, the engine gives the same losses', async () => {
    const all = await events({ compile: { threads: 1, worker: true } });
    expect(losses(all)).toEqual(losses(await events()));
    expect(final(all).get('transformer.wte.weight')!.data).toEqual(
      final(await events()).get('transformer.wte.weight')!.data,
    );
  });

  test('SGD trains too, with momentum', async () => {
    const all = await events({ optimizer: 'sgd', rate: 0.1, steps: 40, evaluateEvery: 40, nesterov: true });
    expect(losses(all).at(-1)).toBeLessThan(losses(all)[0]! - 0.3);
  });
});

test('activation checkpointing gives the same losses', async () => {
  const run = async (recompute: boolean): Promise<number[]> => {
    const losses: number[] = [];
    for await (const e of pretrain(gpt({ resid_pdrop: 0.1 }), data(), {
      ...{ steps: 6, batchSize: 2, rate: 1e-2, seed: 4, recompute, measurePeak: false, picture: false },
    }))
      if (e.type === 'step') losses.push(e.loss);
    return losses;
  };
  const [plain, again] = [await run(false), await run(true)];
  plain.forEach((loss, i) => expect(again[i]).toBeCloseTo(loss, 5));
});

test('memory is estimated: more for larger batches and more state, less with checkpointing', () => {
  const of = (more: object): number =>
    pretrainMemory(gpt({ n_layer: 4, n_embd: 64 }), { ...{ steps: 1, batchSize: 16 }, ...more }).activations;
  expect(of({ batchSize: 32 })).toBeGreaterThan(1.9 * of({}));
  expect(of({ recompute: true })).toBeLessThan(0.6 * of({}));
  const state = (more: object): number => pretrainMemory(gpt(), { ...{ steps: 1, batchSize: 2 }, ...more }).state;
  // Weights, gradients and two moments; sums of gradients and an average besides.
  expect(state({ accumulate: 2, ema: 0.9 }) / state({})).toBeCloseTo(6 / 4, 9);
  expect(state({ optimizer: 'lion' }) / state({})).toBeCloseTo(3 / 4, 9);
});
