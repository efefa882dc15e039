// lm finetune --packing: fewer rows, the same losses of what is held out.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { saveTokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import { AutoModel } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-packing-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const texts = ['the cat sat', 'a happy dog ate the cake and slept', 'rain', 'the sad rain in paris at night'];

beforeAll(async () => {
  const json = await trainTokenizer([texts.join(' ').repeat(20)], {
    type: 'bpe',
    vocabularySize: 290,
    specialTokens: ['<pad>', '</s>'],
  });
  const gpt = {
    model_type: 'gpt2',
    vocab_size: 290,
    n_positions: 48,
    n_embd: 16,
    n_layer: 1,
    n_head: 2,
    eos_token_id: 1,
  };
  await AutoModel.fromConfig({ ...gpt, embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 }, { seed: 2 }).save(at('gpt'));
  await saveTokenizer(at('gpt'), json);
  writeFileSync(at('train.txt'), Array.from({ length: 24 }, (_, i) => `${texts[i % 4]}\n`).join(''));
  writeFileSync(at('held.txt'), `${texts.join('\n')}\n`);
}, 30_000);

interface Event {
  readonly type: string;
  readonly train: number;
  readonly validation: number;
  readonly loss: number;
}

test('trains on fewer rows; each text of a row is predicted as it is alone', async () => {
  const run = async (name: string, ...more: string[]): Promise<{ start: Event; evaluation: Event }> => {
    const { code, stdout, stderr } = await lm([
      ...['finetune', '-m', at('gpt'), '-T', 'clm', '-d', at('train.txt'), '--validation-data', at('held.txt')],
      ...['-o', at(name), '--threads', '1', '--no-picture', '--lr', '1e-9', '--max-steps', '2', '-b', '2', '--json'],
      ...more,
    ]);
    expect({ code, stderr: code ? stderr : '' }).toEqual({ code: 0, stderr: '' });
    const events = jsonLines(stdout) as unknown as Event[];
    return {
      start: events.find(({ type }) => type === 'start')!,
      evaluation: events.find(({ type }) => type === 'evaluation')!,
    };
  };
  const plain = await run('plain');
  const packed = await run('packed', '--packing');
  expect(plain.start).toMatchObject({ train: 24, validation: 4 });
  expect(packed.start.train).toBeLessThan(10);
  expect(packed.start.validation).toBeLessThan(4);
  expect(packed.evaluation.loss).toBeCloseTo(plain.evaluation.loss, 5);
  const identity = (name: string): { data: string } =>
    JSON.parse(readFileSync(join(at(`${name}.run`), 'run.json'), 'utf8')) as { data: string };
  expect(identity('packed').data).not.toBe(identity('plain').data);
});

test('is for language models whose texts can stand in a row', async () => {
  const out = ['-m', at('gpt'), '-d', at('train.txt'), '-o', at('none'), '--packing'];
  expect(await lm(['finetune', ...out, '-T', 'classification'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--packing is for --task clm') as string,
  });
  expect(await lm(['finetune', ...out, '-T', 'clm', '--method', 'prompt'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--packing doesn’t go with --method prompt') as string,
  });
});
