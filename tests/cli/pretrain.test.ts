// lm pretrain, from a text file to a model's folder that lm generate and lm inspect read.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readSafetensors } from '../../packages/runtime/src/index.ts';
import { jsonLines, lm, tiny } from './lm.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-pretrain-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const text = Array.from({ length: 60 }, (_, i) => `line ${i} counts ${(i * 7919) % 997} things.\n`).join('');
const corpus = write('corpus.txt', text);

test('a text becomes a model, and every event a line of JSON', async () => {
  const { code, stdout } = await lm(['pretrain', corpus, '-o', at('a'), ...tiny, '--json']);
  expect(code).toBe(0);
  const events = jsonLines(stdout);
  const half = ['step', 'step', 'evaluation', 'saved', 'checkpoint'];
  expect(events.map(({ type }) => type)).toEqual(['start', ...half, ...half, 'end']);
  const characters = new Set(text).size;
  expect(events[0]).toMatchObject({ trainTokens: Math.floor(text.length * 0.9) });
  expect(JSON.parse(readFileSync(at('a/config.json'), 'utf8'))).toMatchObject({
    model_type: 'gpt2',
    vocab_size: characters,
    n_positions: 16,
    n_layer: 1,
  });
  expect(readdirSync(at('a')).sort()).toEqual([
    ...['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'],
  ]);
  const { stdout: generated } = await lm(['generate', '-m', at('a'), 'line', '-n', '4', '--json']);
  expect(jsonLines(generated)[0]).toMatchObject({ prompt_tokens: 4, finish_reason: 'length' });
});

test('the model has the best weights, or with --no-keep-best the last', async () => {
  // What is held out is not like what is trained on, so that more steps make it worse.
  const unlike = write('unlike.txt', `${'ab'.repeat(900)}${'dcc'.repeat(66)}`);
  const flags = [...tiny, '--learning-rate', '0.003', '--min-lr', '1', '--json'];
  const weights = async (name: string): Promise<Float32Array> =>
    (await readSafetensors(at(`${name}/model.safetensors`))).tensors.get('transformer.wte.weight')!
      .data as Float32Array;
  const best = await lm(['pretrain', unlike, '-o', at('best'), ...flags]);
  const losses = jsonLines(best.stdout).filter(({ type }) => type === 'evaluation');
  await lm(['pretrain', unlike, '-o', at('last'), ...flags, '--no-keep-best']);
  const { tensors } = await readSafetensors(at('last.run/state.safetensors'));
  const last = tensors.get('weights/transformer.wte.weight')!.data;
  expect(await weights('last')).toEqual(last);
  expect(losses.map((evaluation) => evaluation['best'])).toEqual([true, false]);
  expect(losses[1]!['loss']).toBeGreaterThan(losses[0]!['loss'] as number);
  expect(await weights('best')).not.toEqual(last);
});

test('Ctrl-C leaves a checkpoint, exit code 130 and the way on, which ends where the whole run does', async () => {
  const flags = [...tiny, '--dropout', '0.1'];
  expect((await lm(['pretrain', corpus, '-o', at('whole'), ...flags])).code).toBe(0);
  const cut = await lm(['pretrain', corpus, '-o', at('cut'), ...flags, '--json'], {
    onWrite: (stdout, interrupt) => void (/"type":"step","step":3,[^\n]*\n$/.test(stdout) && interrupt()),
  });
  expect(cut.code).toBe(130);
  expect(cut.stderr).toContain(`Stopped after step 3; the checkpoint is in ${at('cut')}.run`);
  const refused = await lm(['pretrain', corpus, '-o', at('cut'), ...flags]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--resume') as string });
  const other = await lm(['pretrain', corpus, '-o', at('cut'), ...flags, '--resume', '--seed', '2']);
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('seed was 1337, is 2') as string });
  const rest = await lm(['pretrain', corpus, '-o', at('cut'), ...flags, '--resume']);
  expect(rest).toMatchObject({ code: 0, stdout: `${at('cut/model.safetensors')}\n` });
  expect(rest.stderr).toContain('going on from step 3');
  expect(readFileSync(at('cut/model.safetensors')).equals(readFileSync(at('whole/model.safetensors')))).toBe(true);
});

test('vocabularies of words, trained on the text or from a folder', async () => {
  const train = ['tokenizer', 'train', corpus, '-o', at('words'), '--vocab-size', '300'];
  expect((await lm(train)).code).toBe(0);
  const flags = [...tiny, '--validation', '0.3'];
  const one = await lm(['pretrain', corpus, '-o', at('bpe'), ...flags, '--tokenizer', 'bpe', '--vocab-size', '300']);
  const two = await lm(['pretrain', corpus, '-o', at('folder'), ...flags, '--tokenizer', at('words')]);
  expect([one.code, two.code]).toEqual([0, 0]);
  const model = readFileSync(at('bpe/model.safetensors'));
  expect(readFileSync(at('folder/model.safetensors')).equals(model)).toBe(true);
  const config = JSON.parse(readFileSync(at('bpe/config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({ vocab_size: 300, eos_token_id: 0 });
});

test('without a part held out the model has the last weights', async () => {
  const { code, stderr } = await lm(['pretrain', corpus, '-o', at('all'), ...tiny, '--validation', '0']);
  expect(code).toBe(0);
  expect(stderr).toContain(`${text.length.toLocaleString('en')} tokens to train on, 0 held out`);
  expect(existsSync(at('all/model.safetensors'))).toBe(true);
});

test.each([
  ['an empty text', ['empty.txt'], 1, 'the text is empty'],
  ['a file that is not UTF-8', ['latin.txt'], 1, 'latin.txt is not text in UTF-8'],
  ['a text shorter than the context', ['short.txt', '--validation', '0'], 1, 'a context of 16 needs 17'],
  ['a validation part shorter than a window', ['short.txt'], 1, 'held out for validation, but a window'],
  ['a file that there is not', ['nothing.txt'], 2, 'there is no file'],
  ['a folder', ['.'], 2, 'is a folder'],
  ['a width that heads do not divide', ['corpus.txt', '--heads', '3'], 2, 'doesn’t divide into --heads 3'],
  ['no tokenizer', ['corpus.txt', '--tokenizer', 'nothing'], 2, 'no tokenizer in nothing'],
  ['a size for a vocabulary that is there', ['corpus.txt', '--tokenizer', 'x', '--vocab-size', '9'], 2, '--vocab-size'],
  ['a provider that can not be used', ['corpus.txt', '--provider', 'dml'], 1, 'dml'],
])('%s is an error, and nothing is written', async (_, [file, ...flags], code, message) => {
  write('empty.txt', '');
  write('latin.txt', new Uint8Array([0x66, 0xfc, 0x72, 0x20]));
  write('short.txt', 'short text');
  const used = tiny.filter((flag, i) => !flags.includes(flag) && !flags.includes(tiny[i - 1]!));
  const before = readdirSync(folder);
  const result = await lm(['pretrain', join(folder, file!), '-o', at('none'), ...used, ...flags]);
  expect(result.stderr).toContain(message);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  expect(readdirSync(folder)).toEqual(before);
});

test('a folder of something else is left alone', async () => {
  mkdirSync(at('photos'));
  write('photos/cat.txt', 'meow');
  const { code, stderr } = await lm(['pretrain', corpus, '-o', at('photos'), ...tiny]);
  expect({ code, files: readdirSync(at('photos')) }).toEqual({ code: 2, files: ['cat.txt'] });
  expect(stderr).toContain('the folder holds something else than a model');
  expect(existsSync(at('photos.run'))).toBe(false);
});
