// From a text file to a model folder, with the packages' own functions: what pretrain's documentation shows.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadCheckpoint, saveCheckpoint } from '../../packages/runtime/src/index.ts';
import { Tokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import { pretrain, progressLine, readMetrics, tokenDataset } from '../../packages/training/src/index.ts';
import { GPT2LMHeadModel } from '../../packages/transformer/src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a text file becomes a trained model folder, its run resumed as if it had not been stopped', async () => {
  const text = join(folder, 'text.txt');
  writeFileSync(text, Array.from({ length: 300 }, (_, i) => `line ${i % 10} counts.\n`).join(''));
  const tokenizer = new Tokenizer(await trainTokenizer([await readFile(text, 'utf8')], { type: 'char' }));
  const shape = { vocab_size: tokenizer.vocabularySize, n_positions: 16, n_embd: 32, n_layer: 1, n_head: 2 };
  const config = { model_type: 'gpt2', ...shape };
  const written: string[] = [];
  const line = progressLine({ steps: 40, stream: { write: (s: string) => written.push(s) }, interval: 0 });
  const curve: number[] = [];
  for (const stopAt of [13, Infinity]) {
    const data = await tokenDataset([text], tokenizer, { cache: join(folder, 'tokens') });
    const stop = new AbortController();
    for await (const event of pretrain(new GPT2LMHeadModel(config), data, {
      ...{ steps: 40, batchSize: 4, warmup: 5, rate: 1e-2, seed: 1, evaluateEvery: 10, compile: { threads: 1 } },
      ...{ folder: join(folder, 'run'), resume: true, signal: stop.signal },
    })) {
      if (event.type === 'step') {
        line.show(event);
        if (event.step === stopAt) stop.abort();
      }
      if (event.type === 'evaluation') curve.push(event.lossPerCharacter);
      if (event.type === 'evaluation' && event.best)
        await saveCheckpoint(join(folder, 'model'), {
          config,
          tensors: event.weights,
          files: { 'tokenizer.json': JSON.stringify(tokenizer.json) },
        });
    }
    data.close();
  }
  expect(curve).toHaveLength(4);
  expect(curve.at(-1)).toBeLessThan(0.7 * curve[0]!);
  expect(written).toHaveLength(40);
  expect(written.at(-1)).toMatch(/^step 40\/40 {2}loss .* tokens\/s {2}\d+% of peak {2}0:00 left\n$/);
  const metrics = await readMetrics(join(folder, 'run', 'metrics.jsonl'));
  expect(metrics.filter((e) => 'loss' in e).map((e) => e.step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect((await readFile(join(folder, 'run', 'loss.png'))).subarray(1, 4).toString()).toBe('PNG');
  const { tensors } = await loadCheckpoint(join(folder, 'model'));
  expect(tensors.get('transformer.wte.weight')!.shape).toEqual([tokenizer.vocabularySize, 32]);
}, 60_000);
