import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { flatStore, layout } from './flat-store.ts';
import { openRun, type Progress, type State } from './run-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-run-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(root, `run${folders++}`);
const identity = { rate: 1, config: { layers: 2 } };
const progress: Progress = {
  step: 3,
  evaluated: 2,
  best: { step: 2, loss: 1.5 },
  plateau: { share: 0.5, best: 1.5, waited: 0 },
};

function state(fill: number, shape = [2, 3]): State {
  const { parts, length } = layout(
    new Map([
      ['w', shape],
      ['b', [3]],
    ]),
  );
  const store = (from: number): State[string] =>
    flatStore(
      parts,
      new Float32Array(length).map((_, i) => from + i),
    );
  return { weights: store(fill), m: store(fill + 1000) };
}

describe('openRun', () => {
  test('gives back the arrays and the progress that were saved', async () => {
    const folder = newFolder();
    const run = await openRun(folder, { resume: false, identity });
    expect(run.progress).toBeNull();
    expect(await run.save(progress, state(7))).toBe(join(folder, 'state.safetensors'));
    await run.close();
    const again = await openRun(folder, { resume: true, identity });
    expect(again.progress).toMatchObject(progress);
    const restored = state(0);
    await again.restore(restored);
    await again.close();
    for (const key of ['weights', 'm'])
      for (const [name, { data }] of state(7)[key]!.tensors)
        expect(restored[key]!.tensors.get(name)!.data).toEqual(data);
  });

  test('cuts metrics that came after the last checkpoint, a broken line too', async () => {
    const folder = newFolder();
    const path = join(folder, 'metrics.jsonl');
    const run = await openRun(folder, { resume: false, identity });
    for (const step of [1, 2, 3]) await run.log({ step });
    await run.save(progress, state(0));
    await run.log({ step: 4 });
    await run.close();
    appendFileSync(path, '{"step":5,"lo');
    const again = await openRun(folder, { resume: true, identity });
    await again.log({ step: 4, loss: 'é' });
    await again.close();
    expect(readFileSync(path, 'utf8')).toBe('{"step":1}\n{"step":2}\n{"step":3}\n{"step":4,"loss":"é"}\n');
  });

  test('a run killed before its first checkpoint begins again, with no old metrics', async () => {
    const folder = newFolder();
    const run = await openRun(folder, { resume: false, identity });
    await run.log({ step: 1 });
    await run.close();
    const again = await openRun(folder, { resume: true, identity });
    expect(again.progress).toBeNull();
    await again.close();
    expect(readFileSync(join(folder, 'metrics.jsonl'), 'utf8')).toBe('');
  });

  test('`resume` where no run is begins one', async () => {
    const run = await openRun(newFolder(), { resume: true, identity });
    expect(run.progress).toBeNull();
    await run.close();
  });

  test('leaves no temporary files', async () => {
    const folder = newFolder();
    const run = await openRun(folder, { resume: false, identity });
    await run.save(progress, state(1));
    await run.save(progress, state(2));
    await run.saveBest(state(3)['weights']!, 2);
    await run.close();
    expect(readdirSync(folder).toSorted()).toEqual([
      'best.safetensors',
      'metrics.jsonl',
      'run.json',
      'state.safetensors',
    ]);
  });

  test('removes what a killed run was writing, and nothing else', async () => {
    const folder = newFolder();
    await (await openRun(folder, { resume: false, identity })).close();
    for (const name of [
      ...['.state.safetensors.host-1-0.tmp', '.best.safetensors.host-1-7.tmp', '.settings.json.host-1-1.tmp'],
      ...['notes.tmp', '.other.tmp'],
    ])
      writeFileSync(join(folder, name), 'x');
    await (await openRun(folder, { resume: true, identity })).close();
    expect(readdirSync(folder).toSorted()).toEqual(['.other.tmp', 'metrics.jsonl', 'notes.tmp', 'run.json']);
  });

  test('refuses a run that is there, another identity, and files that are not a run’s', async () => {
    const folder = newFolder();
    await (await openRun(folder, { resume: false, identity })).close();
    await expect(openRun(folder, { resume: false, identity })).rejects.toThrow(
      'a run is there; resume it, or name another folder',
    );
    await expect(openRun(folder, { resume: true, identity: { ...identity, config: { layers: 3 } } })).rejects.toThrow(
      'the run was started otherwise: config.layers was 2, is 3. Use the same options, or another folder',
    );
    writeFileSync(join(folder, 'run.json'), '{"rate":');
    await expect(openRun(folder, { resume: true, identity })).rejects.toThrow('run.json:');
  });

  test('refuses arrays of another shape, and names the tensor', async () => {
    const folder = newFolder();
    const run = await openRun(folder, { resume: false, identity });
    await run.save(progress, state(1));
    await expect(run.restore(state(1, [3, 2]))).rejects.toThrow(
      "weights/w is float32 [2, 3], this model's is float32 [3, 2]",
    );
    await run.close();
    expect(existsSync(join(folder, 'state.safetensors'))).toBe(true);
  });
});
