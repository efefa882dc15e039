import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '@brickwork/nn';
import { readSafetensors } from '@brickwork/runtime';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { arena } from './arena.ts';
import { flatStore, layout } from './flat-store.ts';
import { evaluate, scheduleOf, train, type Trainee, type TrainEvent, type TrainOptions } from './loop.ts';
import { readMetrics } from './metrics.ts';
import { adamw } from './optimizers/adamw.ts';
import { sgd } from './optimizers/sgd.ts';
import type { TrainStep } from './train-step.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-loop-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(root, `run${folders++}`);

/** Points to fit: x in four dimensions, y in two. */
interface Points {
  readonly x: readonly number[][];
  readonly y: readonly number[][];
}
interface Toy {
  readonly trainee: Trainee<Points>;
  readonly calls: { runs: number; evaluations: number; disposed: number };
}

/** Linear regression with noise from the step's seed, as dropout would make it: y = x W + b. */
function toy(
  o: { batch?: number; held?: number; optimizer?: 'adamw' | 'sgd'; onRun?: (run: number) => void; noise?: number } = {},
): Toy {
  const { batch = 4, held = 3, noise = 0.1 } = o;
  const { parts, length } = layout(
    new Map([
      ['w', [4, 2]],
      ['b', [2]],
    ]),
  );
  const memory = arena(Array<number>(5).fill(length));
  const weights = flatStore(parts, memory.take(length));
  const grads = flatStore(parts, memory.take(length));
  const points = (seed: number, n: number): Points => {
    const draw = random(seed);
    const x = Array.from({ length: n }, () => Array.from({ length: 4 }, () => draw.normal()));
    return { x, y: x.map(([a, b, c, d]) => [a! - 2 * b! + 1, 0.5 * c! + d! - 1]) };
  };
  const calls = { runs: 0, evaluations: 0, disposed: 0 };
  const [w, b] = [weights.tensors.get('w')!.data, weights.tensors.get('b')!.data] as Float32Array[];
  const [dw, db] = [grads.tensors.get('w')!.data, grads.tensors.get('b')!.data] as Float32Array[];
  const pass = ({ x, y }: Points, draw: (() => number) | null): number => {
    let loss = 0;
    if (draw) grads.data.fill(0);
    for (const [i, row] of x.entries())
      for (let k = 0; k < 2; k++) {
        const guess = row.reduce((sum, v, j) => sum + v * w![2 * j + k]!, b![k]!);
        const error = guess - y[i]![k]! + (draw ? noise * draw() : 0);
        loss += error ** 2 / x.length;
        if (!draw) continue;
        row.forEach((v, j) => (dw![2 * j + k]! += (2 * error * v) / x.length));
        db![k]! += (2 * error) / x.length;
      }
    return Math.fround(loss);
  };
  const step: TrainStep<Points> = {
    run(p, seed) {
      calls.runs++;
      o.onRun?.(calls.runs);
      return Promise.resolve(pass(p, random(seed).normal));
    },
    evaluate(p) {
      calls.evaluations++;
      return Promise.resolve(pass(p, null));
    },
    dispose: () => Promise.resolve(void calls.disposed++),
  };
  const trainee: Trainee<Points> = {
    parts,
    weights,
    grads,
    arena: memory,
    optimizer: o.optimizer === 'sgd' ? sgd(length, { momentum: 0.9 }) : adamw(length, { arena: memory }),
    data: {
      batch: (number) => ({ batch: points(1000 + number, batch), count: batch }),
      *validation() {
        for (let i = 0; i < held; i++) yield { batch: points(i, 5 + i), count: 5 + i };
      },
      charactersPerToken: 2,
    },
    initialize: () => weights.data.forEach((_, i) => (weights.data[i] = Math.sin(i))),
    compile: () => Promise.resolve(step),
  };
  return { trainee, calls };
}

async function events(
  trainee: Trainee<Points>,
  o: TrainOptions,
  stopAt?: { on: (e: TrainEvent) => boolean; stop: AbortController },
): Promise<TrainEvent[]> {
  const all: TrainEvent[] = [];
  for await (const e of train(trainee, { picture: false, ...o })) {
    all.push(e);
    if (stopAt?.on(e)) stopAt.stop.abort();
  }
  return all;
}
const bytes = (folder: string, name: string): Buffer => readFileSync(join(folder, name));

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

describe('train: accumulation and clipping', () => {
  test('k batches of size b are one of size k·b', async () => {
    const weights = async (k: number): Promise<Float32Array> => {
      const { trainee } = toy({ noise: 0, batch: 12 / k });
      // The same twelve points a step, in k batches.
      const draw = (step: number, i: number): { x: number[]; y: number[] } => {
        const r = random(step * 100 + i);
        const x = [r.normal(), r.normal(), r.normal(), r.normal()];
        return { x, y: [x[0]! + 1, x[1]! - x[2]!] };
      };
      const data: Trainee<Points>['data'] = {
        ...trainee.data,
        batch(number) {
          const [step, part] = [Math.floor(number / k), number % k];
          const points = Array.from({ length: 12 / k }, (_, i) => draw(step, part * (12 / k) + i));
          return { batch: { x: points.map((p) => p.x), y: points.map((p) => p.y) }, count: 12 / k };
        },
      };
      await events({ ...trainee, data }, { steps: 10, accumulate: k, rate: 0.05, clip: 0.5 });
      return trainee.weights.data.slice();
    };
    const one = await weights(1);
    for (const k of [2, 3, 12]) (await weights(k)).forEach((x, i) => expect(x).toBeCloseTo(one[i]!, 5));
  });

  test('batches count by their predictions, not alike', async () => {
    const { trainee } = toy({ noise: 0 });
    const rows = {
      x: [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
      ],
      y: [
        [1, 0],
        [0, 1],
        [1, 1],
      ],
    };
    const cut = (from: number, to: number): { batch: Points; count: number } => ({
      batch: { x: rows.x.slice(from, to), y: rows.y.slice(from, to) },
      count: to - from,
    });
    const uneven = { ...trainee.data, batch: (number: number) => (number % 2 ? cut(2, 3) : cut(0, 2)) };
    const [a] = (await events({ ...trainee, data: uneven }, { steps: 1, accumulate: 2 })).filter(
      (e) => e.type === 'step',
    );
    const [b] = (
      await events({ ...toy({ noise: 0 }).trainee, data: { ...trainee.data, batch: () => cut(0, 3) } }, { steps: 1 })
    ).filter((e) => e.type === 'step');
    expect(a!.loss).toBeCloseTo(b!.loss, 6);
    expect(a!.norm).toBeCloseTo(b!.norm, 6);
  });

  test('a gradient longer than the limit moves plain SGD by rate·limit exactly, a shorter one by all of it', async () => {
    for (const [clip, moved] of [
      [0.25, (norm: number) => 0.1 * Math.min(0.25, norm)],
      [0, (norm: number) => 0.1 * norm],
    ] as const) {
      const { trainee } = toy();
      const plain = { ...trainee, optimizer: sgd(trainee.weights.data.length) };
      let before: Float32Array | null = null;
      for await (const e of train(plain, { steps: 4, rate: 0.1, schedule: 'constant', clip, picture: false })) {
        if (e.type === 'step') {
          const distance = Math.hypot(...plain.weights.data.map((x, i) => x - before![i]!));
          expect(distance).toBeCloseTo(moved(e.norm), 5);
        }
        before = plain.weights.data.slice();
      }
    }
  });
});

describe('train: resume', () => {
  const options = {
    steps: 12,
    rate: 0.05,
    evaluateEvery: 3,
    saveEvery: 4,
    accumulate: 2,
    warmup: 2,
    keepBest: true,
  } as const;
  const files = ['state.safetensors', 'metrics.jsonl', 'run.json', 'best.safetensors'];
  async function whole(more: Partial<TrainOptions> = {}): Promise<string> {
    const folder = newFolder();
    await events(toy().trainee, { ...options, ...more, folder });
    return folder;
  }

  test('two runs of one seed write equal bytes, another seed others', async () => {
    const [a, b, c] = [await whole(), await whole(), await whole({ seed: 1 })];
    for (const file of files) expect(bytes(a, file).equals(bytes(b, file)), file).toBe(true);
    expect(bytes(a, 'metrics.jsonl').equals(bytes(c, 'metrics.jsonl'))).toBe(false);
  });

  test.each(['cosine', 'plateau'] as const)(
    'stopped after any event and resumed, all files are bit for bit the same (%s)',
    async (schedule) => {
      const expected = await whole({ schedule });
      const total = (await events(toy().trainee, { ...options, schedule })).length;
      let aborted = 0;
      for (let at = 0; at < total; at++) {
        const folder = newFolder();
        const stop = new AbortController();
        let n = 0;
        const first = await events(
          toy().trainee,
          { ...options, schedule, folder, signal: stop.signal },
          { on: () => n++ === at, stop },
        );
        const end = first.at(-1) as Extract<TrainEvent, { type: 'end' }>;
        if (end.aborted) aborted++;
        if (end.step) expect(existsSync(join(folder, 'state.safetensors'))).toBe(true);
        // A checkpoint of where it ended, not of where the last regular one was.
        if (end.step)
          expect(
            JSON.parse((await readSafetensors(join(folder, 'state.safetensors'), { names: [] })).metadata['progress']!),
          ).toMatchObject({ step: end.step });
        await events(toy().trainee, { ...options, schedule, folder, resume: true });
        for (const file of files)
          expect(bytes(folder, file).equals(bytes(expected, file)), `${file}, stopped after event ${at}`).toBe(true);
        const steps = (await readMetrics(join(folder, 'metrics.jsonl'))).filter((e) => 'loss' in e).map((e) => e.step);
        expect(steps).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
      }
      expect(aborted).toBeGreaterThan(10);
    },
  );

  test('left at any moment without a word, as if killed, and resumed, all files are the same', async () => {
    const expected = await whole();
    for (let at = 1; at < 20; at++) {
      const folder = newFolder();
      let n = 0;
      for await (const _ of train(toy().trainee, { ...options, folder, picture: false })) if (n++ === at) break;
      await events(toy().trainee, { ...options, folder, resume: true });
      for (const file of files)
        expect(bytes(folder, file).equals(bytes(expected, file)), `${file}, left after event ${at}`).toBe(true);
    }
  });

  test('stopped between the batches of a step, that step is dropped and comes again', async () => {
    const expected = await whole();
    const stop = new AbortController();
    const { trainee, calls } = toy({ onRun: (run) => run === 7 && stop.abort() });
    const folder = newFolder();
    const all = await events(trainee, { ...options, folder, signal: stop.signal });
    expect(all.at(-1)).toEqual({ type: 'end', step: 3, aborted: true });
    expect(calls.runs).toBe(7);
    await events(toy().trainee, { ...options, folder, resume: true });
    for (const file of files) expect(bytes(folder, file).equals(bytes(expected, file)), file).toBe(true);
  });

  test('stopped within an evaluation, the evaluation is dropped and comes again, the last one too', async () => {
    const expected = await whole();
    for (const [evaluation, step] of [
      [2, 3],
      [11, 12],
    ] as const) {
      const stop = new AbortController();
      const { trainee, calls } = toy();
      const compile = trainee.compile.bind(trainee);
      const stopping: Trainee<Points> = {
        ...trainee,
        async compile() {
          const own = await compile();
          const inner = own.evaluate.bind(own);
          return { ...own, evaluate: (batch) => (calls.evaluations === evaluation - 1 && stop.abort(), inner(batch)) };
        },
      };
      const folder = newFolder();
      const all = await events(stopping, { ...options, folder, signal: stop.signal });
      expect(all.at(-1)).toEqual({ type: 'end', step, aborted: true });
      expect(calls.evaluations).toBe(evaluation);
      await events(toy().trainee, { ...options, folder, resume: true });
      for (const file of files) expect(bytes(folder, file).equals(bytes(expected, file)), file).toBe(true);
    }
  });

  test('a finished run that is resumed changes nothing', async () => {
    const folder = await whole();
    const before = files.map((file) => bytes(folder, file));
    const { trainee, calls } = toy();
    const all = await events(trainee, { ...options, folder, resume: true });
    expect(all.map((e) => e.type)).toEqual(['start', 'end']);
    expect(all.at(-1)).toMatchObject({ aborted: false });
    expect(calls.runs).toBe(0);
    files.forEach((file, i) => expect(bytes(folder, file).equals(before[i]!)).toBe(true));
  });

  test('other settings are refused, each by its name, and the run stays as it was', async () => {
    const folder = await whole();
    const before = files.map((file) => bytes(folder, file));
    const refused = (more: Partial<TrainOptions>): Promise<unknown> =>
      events(toy().trainee, { ...options, folder, resume: true, ...more });
    for (const [more, message] of [
      [{ rate: 0.01 }, 'rate was 0.05, is 0.01'],
      [{ accumulate: 3 }, 'accumulate was 2, is 3'],
      [{ steps: 20 }, 'steps was 12, is 20'],
      [{ seed: 9 }, 'seed was 0, is 9'],
      [{ schedule: 'linear' }, 'schedule was "cosine", is "linear"'],
      [{ clip: 2 }, 'clip was 1, is 2'],
      [{ evaluateEvery: 5 }, 'evaluateEvery was 3, is 5'],
      [{ identity: { data: 'x' } }, 'data was not set, is "x"'],
    ] as const)
      await expect(refused(more)).rejects.toThrow(
        `the run was started otherwise: ${message}. Use the same options, or another folder`,
      );
    await expect(events(toy({ optimizer: 'sgd' }).trainee, { ...options, folder, resume: true })).rejects.toThrow(
      'optimizer was "adamw", is "sgd"',
    );
    await expect(events(toy().trainee, { ...options, folder })).rejects.toThrow(
      'a run is there; resume it, or name another folder',
    );
    files.forEach((file, i) => expect(bytes(folder, file).equals(before[i]!)).toBe(true));
  });

  test('a run whose rate does not end with its steps may go on for longer', async () => {
    const folder = newFolder();
    const more = { ...options, schedule: 'constant' } as const;
    await events(toy().trainee, { ...more, folder, steps: 6 });
    await events(toy().trainee, { ...more, folder, resume: true });
    const expected = await whole({ schedule: 'constant' });
    expect(bytes(folder, 'state.safetensors').equals(bytes(expected, 'state.safetensors'))).toBe(true);
  });

  test('a damaged checkpoint is an error, not a new beginning', async () => {
    const folder = await whole();
    writeFileSync(join(folder, 'state.safetensors'), 'nonsense');
    await expect(events(toy().trainee, { ...options, folder, resume: true })).rejects.toThrow('state.safetensors');
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
      [{ schedule: 'step' as 'cosine' }, 'no schedule "step"; there are constant, cosine, linear, plateau'],
    ] as const)
      await expect(events(toy().trainee, { steps: 3, folder, ...more })).rejects.toThrow(message);
    expect(existsSync(folder)).toBe(false);
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
