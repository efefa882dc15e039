// Runs that are stopped anywhere and resumed, or refused.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '@brickwork/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { train } from './loop.ts';
import type { Trainee, TrainEvent, TrainOptions } from './train-options.ts';
import { readMetrics } from './metrics.ts';
import type { OptimizerName } from './optimizers/make-optimizer.ts';
import { events, toy, type Points } from './toy.fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-loop-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(root, `run${folders++}`);
const bytes = (folder: string, name: string): Buffer => readFileSync(join(folder, name));

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
  async function whole(more: Partial<TrainOptions> = {}, optimizer: OptimizerName = 'adamw'): Promise<string> {
    const folder = newFolder();
    await events(toy({ optimizer }).trainee, { ...options, ...more, folder });
    return folder;
  }

  test('two runs of one seed write equal bytes, another seed others', async () => {
    const [a, b, c] = [await whole(), await whole(), await whole({ seed: 1 })];
    for (const file of files) expect(bytes(a, file).equals(bytes(b, file)), file).toBe(true);
    expect(bytes(a, 'metrics.jsonl').equals(bytes(c, 'metrics.jsonl'))).toBe(false);
  });

  test.each<[OptimizerName, Partial<TrainOptions>]>([
    ['adamw', { schedule: 'cosine' }],
    ['adamw', { schedule: 'plateau' }],
    ['sgd', { schedule: 'step', layerDecay: 0.5 }],
    ['lion', { schedule: 'warmup_stable_decay', ema: 0.9 }],
    ['adafactor', { schedule: 'one_cycle', warmup: 0, noDecay: ['h.0'] }],
    ['muon', { schedule: 'cosine_with_restarts', cycles: 2, ema: 0.5 }],
  ])('stopped after any event and resumed, all files are bit for bit the same (%s, %j)', async (optimizer, more) => {
    const expected = await whole(more, optimizer);
    const total = (await events(toy({ optimizer }).trainee, { ...options, ...more })).length;
    let aborted = 0;
    for (let at = 0; at < total; at++) {
      const folder = newFolder();
      const stop = new AbortController();
      let n = 0;
      const first = await events(
        toy({ optimizer }).trainee,
        { ...options, ...more, folder, signal: stop.signal },
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
      await events(toy({ optimizer }).trainee, { ...options, ...more, folder, resume: true });
      for (const file of files)
        expect(bytes(folder, file).equals(bytes(expected, file)), `${file}, stopped after event ${at}`).toBe(true);
      const steps = (await readMetrics(join(folder, 'metrics.jsonl'))).filter((e) => 'loss' in e).map((e) => e.step);
      expect(steps).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    }
    expect(aborted).toBeGreaterThan(10);
  });

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
