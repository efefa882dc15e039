// The models that ship: each opens, fits in the space that it may take, and has the loss that its card says.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { compileStep, encodeText, evaluate, nextTokenData } from '../packages/training/src/index.ts';
import { loadModel } from '../packages/transformer/src/index.ts';
import { hasShared, sharedPath } from './fixtures.ts';

const models = fileURLToPath(new URL('../models/', import.meta.url));
const names = readdirSync(models);
const card = (name: string): string => readFileSync(join(models, name, 'README.md'), 'utf8');

describe.each(names)('%s', (name) => {
  const folder = join(models, name);

  test('is at most 25 MB, and its card names licence, data, command and figures', () => {
    const bytes = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    expect(bytes).toBeLessThan(25e6);
    expect(card(name)).toMatch(/^license: /m);
    for (const part of ['Data: ', 'Made by `', 'Validation']) expect(card(name)).toContain(part);
    const [, recipe] = /Made by `(\S+)/.exec(card(name))!;
    expect(existsSync(join(models, '..', recipe!))).toBe(true);
  });

  test('opens, with a tokenizer of its own vocabulary', async () => {
    const lm = await loadModel(folder);
    expect((await lm.tokenizer()).vocabularySize).toBe(lm.causalLM.config.vocab_size);
  });
});

// Measured as `lm pretrain` does it: the last 10% of the characters, all of them, in windows of the context's length.
test.skipIf(!hasShared)('shakespeare has the validation loss that its card says (needs ../shared)', async () => {
  const lm = await loadModel(join(models, 'shakespeare'));
  const text = readFileSync(sharedPath('data/tinyshakespeare/input.txt'), 'utf8');
  const data = encodeText(text, await lm.tokenizer());
  const [B, T] = [16, lm.causalLM.contextLength];
  const step = await compileStep(lm.causalLM, { weights: lm.weights, grads: new Map(), B, T });
  const { validation } = nextTokenData(data, { seed: 0, B, T, sampling: 'random' });
  const loss = (await evaluate(step, validation()))!;
  await step.dispose();
  const [, said] = /by `lm pretrain`: ([\d.]+) nats a character/.exec(card('shakespeare'))!;
  expect(Math.abs(loss - Number(said))).toBeLessThan(1e-3);
  expect(loss).toBeLessThan(1.55);
});
