import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { loadCheckpoint, saveCheckpoint, type Checkpoint } from './checkpoint.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';
import { moduleUrl } from './module-url.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true }));
let serial = 0;
let parent = '';
let dir = '';
beforeEach(() => {
  parent = join(root, String(serial++));
  mkdirSync(parent);
  dir = join(parent, 'model');
});

const weights = (value: number, n = 4): Map<string, HostTensor> =>
  new Map([
    ['b', hostTensor(new Float32Array(n).fill(value), [n])],
    ['a', hostTensor(new Float32Array(n).fill(-value), [1, n])],
  ]);
const save = (value: number, more: Partial<Parameters<typeof saveCheckpoint>[1]> = {}): Promise<void> =>
  saveCheckpoint(dir, { config: { value }, tensors: weights(value), ...more });
const valueOf = ({ config, tensors }: Checkpoint): number => {
  expect(tensors.get('b')!.data[0]).toBe(config['value']);
  expect(tensors.get('a')!.data[0]).toBe(-(config['value'] as number));
  return config['value'] as number;
};
const hidden = (): string[] => readdirSync(parent).filter((name) => name.startsWith('.'));

describe('a crash between any two steps leaves a whole checkpoint', () => {
  test('before the first rename: the old one', async () => {
    await save(1);
    await saveCheckpoint(join(parent, '.model.new'), { config: { value: 2 }, tensors: weights(2) });
    expect(valueOf(await loadCheckpoint(dir))).toBe(1);
    await save(3);
    expect(valueOf(await loadCheckpoint(dir))).toBe(3);
    expect(hidden()).toEqual([]);
  });

  test('between the renames: the new one', async () => {
    await save(2);
    renameSync(dir, join(parent, 'two'));
    await save(1);
    renameSync(dir, join(parent, '.model.old'));
    renameSync(join(parent, 'two'), join(parent, '.model.new'));
    expect(valueOf(await loadCheckpoint(dir))).toBe(2);
    await save(3);
    expect(valueOf(await loadCheckpoint(dir))).toBe(3);
    expect(hidden()).toEqual([]);
  });

  test('only the old one left: it comes back', async () => {
    await save(1);
    renameSync(dir, join(parent, '.model.old'));
    expect(valueOf(await loadCheckpoint(dir))).toBe(1);
  });

  test('killed with SIGKILL at any moment while it saves again and again', async () => {
    const script = join(parent, 'save.mjs');
    writeFileSync(
      script,
      `const { saveCheckpoint } = await import(${JSON.stringify(moduleUrl('checkpoint').href)});
      const tensors = (v) => new Map([['b', { data: new Float32Array(20000).fill(v), shape: [20000], dtype: 'float32' }], ['a', { data: new Float32Array(20000).fill(-v), shape: [1, 20000], dtype: 'float32' }]]);
      for (let value = Number(process.argv[2]); ; value++) {
        await saveCheckpoint(${JSON.stringify(dir)}, { config: { value }, tensors: tensors(value), files: { 'README.md': String(value) } });
        process.stdout.write(value + '\\n');
      }`,
    );
    let last = 0;
    for (let round = 0; round < 12; round++) {
      const child = spawn(process.execPath, [script, String(last + 1)], { stdio: ['ignore', 'pipe', 'inherit'] });
      let saved = last;
      await new Promise<void>((resolve, reject) => {
        child.stdout.on('data', (text: Buffer) => {
          saved = Number(text.toString().trim().split('\n').at(-1));
          // After the first save, somewhere within the following ones.
          setTimeout(resolve, (round * 7) % 40);
        });
        child.on('exit', () => reject(new Error('the child ended by itself')));
      });
      child.removeAllListeners('exit');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const checkpoint = await loadCheckpoint(dir);
      last = valueOf(checkpoint);
      expect(last).toBeGreaterThanOrEqual(saved);
      expect(checkpoint.tensors.get('b')!.data.every((v) => v === last)).toBe(true);
      expect(readFileSync(join(dir, 'README.md'), 'utf8')).toBe(String(last));
    }
    await save(last + 1);
    expect(hidden()).toEqual([]); // what the killed ones left is gone
  });

  test('read again and again while it is replaced: each reading is one checkpoint', async () => {
    await save(0);
    let done = false;
    const writer = (async () => {
      for (let i = 1; i <= 60; i++) await save(i);
      done = true;
    })();
    let last = 0;
    while (!done) {
      const value = valueOf(await loadCheckpoint(dir));
      expect(value).toBeGreaterThanOrEqual(last);
      last = value;
    }
    await writer;
    expect(valueOf(await loadCheckpoint(dir))).toBe(60);
  });
});
