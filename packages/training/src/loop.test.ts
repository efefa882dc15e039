import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '@brickwork/runtime';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { evaluate, scheduleOf, train } from './loop.ts';
import type { Trainee } from './train-options.ts';
import { events, toy, type Points } from './toy.fixture.ts';
import type { TrainStep } from './train-step.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-loop-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(root, `run${folders++}`);

describe('train: events', () => {
  test('start, steps, evaluations, checkpoints and the end come in order, with what they promise', async () => {
    const { trainee, calls } = toy();
    const folder = newFolder();
    const all = await events(trainee, {
      steps: 5,
      rate: 0.1,
      evaluateEvery: 2,
      saveEvery: 3,
      folder,
      warmup: 2,
      schedule: 'constant',
    });
    expect(
      all.map((e) =>
        e.type === 'step' || e.type === 'evaluation' || e.type === 'checkpoint' ? `${e.type} ${e.step}` : e.type,
      ),
    ).toEqual([
      'start',
      'step 1',
      'step 2',
      'evaluation 2',
      'step 3',
      'checkpoint 3',
      'step 4',
      'evaluation 4',
      'step 5',
      'evaluation 5',
      'checkpoint 5',
      'end',
    ]);
    expect(all[0]).toMatchObject({ step: 0, parameters: 10 });
    const steps = all.filter((e) => e.type === 'step');
    expect(steps.map((e) => e.rate)).toEqual([0.1 / 3, 0.1 * (2 / 3), 0.1, 0.1, 0.1]);
    for (const e of steps) {
      expect(e.loss).toBeGreaterThan(0);
      expect(e.norm).toBeGreaterThan(0);
      expect(e.tokensPerSecond).toBeGreaterThan(0);
      expect(e.shareOfPeak).toBeUndefined();
    }
    expect(steps.at(-1)!.secondsLeft).toBeGreaterThanOrEqual(0);
    const evaluations = all.filter((e) => e.type === 'evaluation');
    for (const e of evaluations) expect(e.lossPerCharacter).toBe(e.loss / 2);
    expect(evaluations.map((e) => e.best)).toEqual(
      evaluations.map((e, i) => evaluations.slice(0, i).every((x) => e.loss < x.loss)),
    );
    expect(all.at(-1)).toEqual({ type: 'end', step: 5, aborted: false });
    expect(calls).toEqual({ runs: 5, evaluations: 9, disposed: 1 });
  });

  test('the share of the peak is the work of a step by its time and the machine’s best', async () => {
    const { trainee } = toy();
    const compile = trainee.compile.bind(trainee);
    const measured: Trainee<Points> = {
      ...trainee,
      compile: async () => ({ ...(await compile()), work: { perRun: 50, peakPerSecond: 1000 } }),
    };
    for (const e of await events(measured, { steps: 3, accumulate: 2 }))
      // 2 runs of 50 in the time of 8 predictions.
      if (e.type === 'step') expect(e.shareOfPeak).toBeCloseTo((100 / 1000) * (e.tokensPerSecond / 8), 9);
  });

  test('learns: the loss falls to nearly nothing', async () => {
    for (const optimizer of ['adamw', 'sgd'] as const) {
      const { trainee } = toy({ optimizer, noise: 0 });
      const all = await events(trainee, { steps: 400, rate: optimizer === 'sgd' ? 0.02 : 0.05 });
      expect(all.filter((e) => e.type === 'evaluation').at(-1)!.loss).toBeLessThan(0.01);
    }
  });

  test('without a validation part there are no evaluations, without a folder no checkpoints', async () => {
    const all = await events(toy({ held: 0 }).trainee, { steps: 3, evaluateEvery: 1 });
    expect(all.map((e) => e.type)).toEqual(['start', 'step', 'step', 'step', 'end']);
    expect(all.at(-1)).toMatchObject({ aborted: false });
  });

  test('plateau halves the rate after evaluations that are no better', async () => {
    // A rate that is far too small to change float32 weights: every evaluation after the first is no better.
    const all = await events(toy().trainee, { steps: 4, rate: 1e-30, evaluateEvery: 1, schedule: 'plateau' });
    expect(all.filter((e) => e.type === 'step').map((e) => e.rate / 1e-30)).toEqual([1, 1, 0.5, 0.25]);
  });

  test('a caller that stops listening frees the engine', async () => {
    const { trainee, calls } = toy();
    for await (const e of train(trainee, { steps: 10, folder: newFolder() })) if (e.type === 'step') break;
    expect(calls).toMatchObject({ runs: 1, disposed: 1 });
  });
});

describe('train: what goes wrong', () => {
  test('a loss or gradient that is no longer finite ends the run, and leaves the last checkpoint', async () => {
    const folder = newFolder();
    const { trainee } = toy();
    const broken = {
      ...trainee,
      data: {
        ...trainee.data,
        batch: (n: number) =>
          n === 5 ? { batch: { x: [[1e38, 0, 0, 0]], y: [[0, 0]] }, count: 1 } : trainee.data.batch(n),
      },
    };
    await expect(events(broken, { steps: 9, folder, evaluateEvery: 2 })).rejects.toThrow(
      /at step 6 the loss is Infinity and .* use a smaller rate/,
    );
    expect(
      JSON.parse((await readSafetensors(join(folder, 'state.safetensors'), { names: [] })).metadata['progress']!),
    ).toMatchObject({ step: 4 });
  });

  test('a picture that can’t be drawn is a warning; the run is whole', async () => {
    vi.doMock('@resvg/resvg-js', () => {
      throw new Error('no drawing library for this machine');
    });
    const folder = newFolder();
    const all = await events(toy().trainee, { steps: 3, folder, picture: true });
    vi.doUnmock('@resvg/resvg-js');
    expect(all.map((e) => e.type).slice(-3)).toEqual(['checkpoint', 'warning', 'end']);
    expect(all.at(-2)).toMatchObject({ message: expect.stringContaining('no picture of the losses') as unknown });
    expect(existsSync(join(folder, 'loss.svg'))).toBe(true);
    expect(existsSync(join(folder, 'loss.png'))).toBe(false);
  });

  test('options that make no sense are refused before anything is written', async () => {
    const folder = newFolder();
    for (const [more, message] of [
      [{ steps: 0 }, 'steps is 0'],
      [{ steps: 1.5 }, 'steps is 1.5'],
      [{ accumulate: 0 }, 'accumulate is 0'],
      [{ evaluateEvery: -1 }, 'evaluateEvery is -1'],
      [{ rate: 0 }, 'rate is 0'],
      [{ clip: -1 }, 'clip is -1'],
      [{ seed: 0.5 }, 'seed is 0.5'],
      [{ warmup: 10 }, 'warmup is 10 of 3 steps'],
      [{ schedule: 'zigzag' as 'cosine' }, 'no schedule "zigzag"; there are constant, linear, cosine'],
      [{ schedule: 'polynomial', power: -1 }, 'power is -1'],
      [{ ema: 1 }, 'ema is 1'],
      [{ layerDecay: 2 }, 'decay is 2'],
      [{ earlyStopping: 0 }, 'earlyStopping is 0'],
      [{ earlyStoppingThreshold: -1 }, 'earlyStoppingThreshold is -1'],
    ] as const)
      await expect(events(toy().trainee, { steps: 3, folder, ...more })).rejects.toThrow(message);
    expect(existsSync(folder)).toBe(false);
  });
});

test('a step with nothing to predict has a loss and a gradient of 0', async () => {
  for (const accumulate of [1, 2]) {
    const { trainee } = toy();
    const { data } = trainee;
    const empty: typeof trainee = {
      ...trainee,
      data: {
        ...data,
        batch: (number) => (number < 2 ? { batch: { x: [], y: [] }, count: 0 } : data.batch(number)),
        validation: () => data.validation(),
      },
    };
    const losses = (await events(empty, { steps: 4, rate: 0.1, accumulate })).flatMap((e) =>
      e.type === 'step' ? [e.loss] : [],
    );
    expect(losses[0]).toBe(0);
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses.at(-1)).toBeGreaterThan(0);
  }
});

describe('train: averages and early stopping', () => {
  const options = { steps: 40, rate: 0.05, evaluateEvery: 5, schedule: 'constant' } as const;

  test('the moving average is what is evaluated and left at the end; training goes on with the weights', async () => {
    const plain = toy();
    const average = [...plain.trainee.weights.data];
    const seen: number[][] = [];
    const expected: number[][] = [];
    // The same updates without an average, which is taken by hand.
    for await (const e of train(plain.trainee, { ...options, evaluateEvery: 1, picture: false })) {
      const w = plain.trainee.weights.data;
      if (e.type === 'start') average.forEach((_, i) => (average[i] = w[i]!));
      if (e.type === 'step') {
        const d = Math.min(0.8, (1 + e.step) / (10 + e.step));
        average.forEach((x, i) => (average[i] = d * x + (1 - d) * w[i]!));
        if (e.step % 5 === 0) expected.push([...average]);
      }
    }
    const { trainee } = toy();
    for await (const e of train(trainee, { ...options, ema: 0.8, picture: false }))
      if (e.type === 'evaluation') seen.push([...trainee.weights.data]);
    expect(seen).toHaveLength(8);
    seen.push([...trainee.weights.data]);
    expected.push(expected.at(-1)!);
    seen.forEach((own, k) => own.forEach((x, i) => expect(x).toBeCloseTo(expected[k]![i]!, 5)));
  });

  test('early stopping ends the run once so many evaluations were no better, and a resumed run stays ended', async () => {
    const folder = newFolder();
    const early = { ...options, rate: 0.5, steps: 400, earlyStopping: 3, earlyStoppingThreshold: 0.05, folder };
    const all = await events(toy({ noise: 1 }).trainee, early);
    const losses = all.flatMap((e) => (e.type === 'evaluation' ? [e.loss] : []));
    let [best, waited, count] = [Infinity, 0, 0];
    for (const loss of losses) {
      if (waited === 3) break;
      waited = loss < best - 0.05 ? 0 : waited + 1;
      best = Math.min(best, loss);
      count++;
    }
    expect(waited).toBe(3);
    expect(losses).toHaveLength(count);
    expect(all.at(-1)).toEqual({ type: 'end', step: 5 * count, aborted: false, stoppedEarly: true });
    expect(all.at(-2)).toMatchObject({ type: 'checkpoint', step: 5 * count });
    const again = await events(toy({ noise: 1 }).trainee, { ...early, resume: true });
    expect(again.map(({ type }) => type)).toEqual(['start', 'end']);
    expect(again.at(-1)).toMatchObject({ stoppedEarly: true });
  });
});

test('evaluate weighs batches by their predictions', async () => {
  const step = { evaluate: (loss: number) => Promise.resolve(loss) } as unknown as TrainStep<number>;
  expect(
    await evaluate(step, [
      { batch: 1, count: 3 },
      { batch: 5, count: 1 },
    ]),
  ).toBe(2);
  expect(await evaluate(step, [])).toBeNull();
  expect(await evaluate(step, [{ batch: 1, count: 1 }], AbortSignal.abort())).toBeNull();
});

test('scheduleOf ends with the floor, a tenth unless given', () => {
  expect(scheduleOf({ steps: 10 })(10)).toBeCloseTo(0.1, 12);
  expect(scheduleOf({ steps: 10, floor: 0, schedule: 'linear' })(10)).toBe(0);
  expect(scheduleOf({ steps: 10, schedule: 'plateau' })(10)).toBe(1);
});
