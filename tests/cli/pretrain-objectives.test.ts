// lm pretrain --objective: masked language models, encoder-decoders and language models, from configs and checkpoints.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../packages/tokenizer/src/index.ts';
import { AutoModel, loadModel } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm, type Result } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-objectives-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const write = (name: string, content: string): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const words = ['cat', 'dog', 'bird', 'tree', 'house', 'river', 'stone', 'cloud'];
const sentence = (i: number): string =>
  Array.from({ length: 6 + (i % 5) }, (_, t) => words[(i * 3 + t * (1 + (i % 3))) % 8]!).join(' ');
const paragraphs = Array.from({ length: 60 }, (_, i) => `the ${sentence(i)}.\nA ${sentence(i + 1)}.`);
const text = write('text.txt', `${paragraphs.join('\n\n')}\n`);
const pairs = write(
  'pairs.tsv',
  Array.from({ length: 80 }, (_, i) => `${sentence(i)}\t${sentence(i).split(' ').toReversed().join(' ')}\n`).join(''),
);
const rows = write(
  'rows.jsonl',
  paragraphs.map((one, i) => `${JSON.stringify({ text: one, label: i % 2 })}\n`).join(''),
);
const tiny = [
  ...['--layers', '1', '--heads', '2', '--width', '16', '--context', '32', '--batch-size', '8'],
  ...['--max-steps', '4', '--eval-steps', '2', '--warmup-steps', '1', '--no-picture', '--threads', '1', '--json'],
];
const run = async (name: string, ...args: string[]): Promise<Record<string, unknown>[]> => {
  const result = await lm(['pretrain', ...args, '-o', at(name), ...tiny.filter((_, i) => !clashes(args, i))]);
  expect({ code: result.code, stderr: result.code ? result.stderr : '' }).toEqual({ code: 0, stderr: '' });
  return jsonLines(result.stdout);
};
// Flags of `tiny` that the test gives itself.
const clashes = (args: readonly string[], i: number): boolean =>
  args.includes(tiny[i]!) || (!tiny[i]!.startsWith('--') && args.includes(tiny[i - 1]!));
const withoutSizes = ['--layers', '--heads', '--width', '--context'];
const config = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(at(`${name}/config.json`), 'utf8')) as Record<string, unknown>;
const losses = (events: readonly Record<string, unknown>[]): number[] =>
  events.filter(({ type }) => type === 'step').map(({ loss }) => loss as number);

describe('masked language models', () => {
  test.each([
    ['modernbert', 'ModernBertForMaskedLM', []],
    ['bert', 'BertForMaskedLM', ['--model-type', 'bert']],
    ['roberta', 'RobertaForMaskedLM', ['--model-type', 'roberta', '--whole-word-mask']],
    ['distilbert', 'DistilBertForMaskedLM', ['--model-type', 'distilbert', '--line-by-line']],
  ])('%s from nothing, with a vocabulary of its own', async (type, className, flags) => {
    const events = await run(type, text, '--objective', 'mlm', '--vocab-size', '120', ...flags);
    expect(events.filter(({ type: one }) => one === 'evaluation')).toHaveLength(2);
    const count = Number(events[0]!['train']) + Number(events[0]!['validation']);
    expect(count).toBe(flags.includes('--line-by-line') ? 120 : 60);
    expect(config(type)).toMatchObject({ model_type: type, architectures: [className], pad_token_id: 0 });
    expect(readdirSync(at(type)).toSorted()).toEqual(
      ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].toSorted(),
    );
    const { code, stdout } = await lm(['fill-mask', '-m', at(type), 'the [MASK] dog', '--json']);
    expect(code).toBe(0);
    expect(stdout).toContain('score');
  });
  test('learns; a checkpoint goes on where it was, with its own vocabulary', async () => {
    const flags = ['--objective', 'mlm', '--vocab-size', '120', '--max-steps', '60', '--learning-rate', '0.01'];
    const first = losses(await run('learns', text, ...flags, '--eval-steps', '60'));
    expect(first.slice(-5).reduce((a, b) => a + b) / 5).toBeLessThan(0.85 * first[0]!);
    const result = await lm([
      ...['pretrain', text, '-o', at('more'), '-m', at('learns'), '--objective', 'mlm', '--max-steps', '2'],
      ...['--eval-steps', '2', '--learning-rate', '1e-6', '--no-picture', '--threads', '1', '--json'],
    ]);
    expect(result.code).toBe(0);
    expect(losses(jsonLines(result.stdout))[0]!).toBeLessThan(0.9 * first[0]!);
    expect(config('more')).toMatchObject({ model_type: 'modernbert', hidden_size: 16 });
    expect(readFileSync(at('more/tokenizer.json'), 'utf8')).toEqual(readFileSync(at('learns/tokenizer.json'), 'utf8'));
  }, 30_000);
  test('goes on to the byte after Ctrl-C', async () => {
    const flags = ['--objective', 'mlm', '--vocab-size', '120', '--dropout', '0.1'];
    await run('whole', text, ...flags);
    const args = ['pretrain', text, ...flags, ...tiny, '-o', at('cut')];
    const cut: Result = await lm(args, {
      onWrite: (stdout, interrupt) => void (/"type":"step","step":3,[^\n]*\n$/.test(stdout) && interrupt()),
    });
    expect(cut.code).toBe(130);
    expect((await lm([...args, '--resume'])).code).toBe(0);
    expect(readFileSync(at('cut/model.safetensors')).equals(readFileSync(at('whole/model.safetensors')))).toBe(true);
  });
});

describe('encoder-decoders', () => {
  test('the Transformer of 2017 on pairs, which then translates', async () => {
    await run('translator', pairs, '--objective', 'seq2seq', '--header', 'source,target', '--vocab-size', '300');
    expect(config('translator')).toMatchObject({
      model_type: 'transformer',
      architectures: ['TransformerForConditionalGeneration'],
      pad_token_id: 0,
      eos_token_id: 1,
      decoder_start_token_id: 3,
    });
    const { code } = await lm(['translate', '-m', at('translator'), 'cat dog', '-n', '4']);
    expect(code).toBe(0);
  });
  test('T5 on plain text: spans that are left out', async () => {
    const events = await run('t5', text, '--objective', 'seq2seq', '--vocab-size', '400');
    expect(events.at(-1)).toMatchObject({ type: 'end', aborted: false });
    expect(config('t5')).toMatchObject({ model_type: 't5', decoder_start_token_id: 0, eos_token_id: 1 });
    const tokenizer = await loadTokenizer(at('t5'));
    expect(tokenizer.tokenToId('<extra_id_0>')).toBeDefined();
    const again = await lm([
      ...['pretrain', rows, '-m', at('t5'), '--objective', 'span-corruption', '-o', at('t5b'), '--max-steps', '1'],
      ...['--no-picture', '--threads', '1', '--json'],
    ]);
    expect(again.code).toBe(0);
    const other = await lm([
      'pretrain',
      rows,
      '-m',
      at('translator'),
      '--objective',
      'span-corruption',
      '-o',
      at('no'),
    ]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('no <extra_id_0>') as string });
  });
});

describe('language models', () => {
  test('of another family, on windows of text; a checkpoint goes on', async () => {
    const first = losses(await run('llama', text, '--model-type', 'llama', '--max-steps', '30', '--eval-steps', '30'));
    expect(config('llama')).toMatchObject({
      model_type: 'llama',
      architectures: ['LlamaForCausalLM'],
      hidden_size: 16,
    });
    const more = ['pretrain', text, '-m', at('llama'), '-o', at('llama2'), '--max-steps', '2', '--eval-steps', '2'];
    const result = await lm([...more, '--learning-rate', '1e-6', '--no-picture', '--threads', '1', '--json']);
    expect({ code: result.code, stderr: result.code ? result.stderr : '' }).toEqual({ code: 0, stderr: '' });
    expect(losses(jsonLines(result.stdout))[0]!).toBeLessThan(first[0]! - 0.2);
    const before = await loadModel(at('llama'));
    const after = await loadModel(at('llama2'));
    expect([...after.weights.keys()]).toEqual([...before.weights.keys()]);
  });
  test('on rows, packed or not', async () => {
    const flags = [rows, '--tokenizer', 'bpe', '--vocab-size', '320', '--num-train-epochs', '1', '--context', '96'];
    const dropped = ['--max-steps', '--context'];
    const withoutSteps = tiny.filter((_, i) => !dropped.includes(tiny[i]!) && !dropped.includes(tiny[i - 1]!));
    const go = async (name: string, ...more: string[]): Promise<Record<string, unknown>[]> => {
      const { code, stdout, stderr } = await lm(['pretrain', ...flags, ...withoutSteps, ...more, '-o', at(name)]);
      expect({ code, stderr: code ? stderr : '' }).toEqual({ code: 0, stderr: '' });
      return jsonLines(stdout);
    };
    const plain = await go('rows');
    const packed = await go('packed', '--packing');
    expect(losses(plain).length).toBe(Math.ceil(Number(plain[0]!['train']) / 8));
    expect(Number(packed[0]!['train'])).toBeLessThan(Number(plain[0]!['train']));
    expect(config('packed')).toMatchObject({ model_type: 'gpt2', n_positions: 96 });
  });
  test('from a config, whose fields may be changed', async () => {
    const file = write('config.json', JSON.stringify({ model_type: 'gpt2', n_embd: 8, n_layer: 3, n_head: 2 }));
    const flags = ['--config-file', file, '--config-overrides', 'n_layer=2,activation_function=relu,n_positions=32'];
    const { code, stderr } = await lm([
      ...['pretrain', text, '-o', at('config'), ...flags, ...tiny.filter((_, i) => !sizes(i)), '--context', '16'],
    ]);
    expect({ code, stderr: code ? stderr : '' }).toEqual({ code: 0, stderr: '' });
    expect(config('config')).toMatchObject({ n_layer: 2, n_embd: 8, activation_function: 'relu', n_positions: 32 });
    const model = await AutoModel.fromPretrained(at('config'));
    expect(model.weights.get('transformer.wpe.weight')!.shape).toEqual([32, 8]);
  });
  const sizes = (i: number): boolean =>
    withoutSizes.includes(tiny[i]!) || (i > 0 && withoutSizes.includes(tiny[i - 1]!));
});

test.each([
  [['--objective', 'mlm', '--model-type', 'gpt2'], 'gpt2 has no class for --task mlm'],
  [['--model-type', 'gpt5'], 'no class for --task clm'],
  [['--objective', 'translation'], "--objective is 'translation'"],
  [['--objective', 'mlm', '--packing'], '--packing is for --objective clm'],
  [['-m', 'x', '--layers', '3'], '--layers is for a new model'],
  [['--config-file', 'nowhere.json'], '--config-file nowhere.json'],
  [['--config-overrides', 'three'], "--config-overrides is 'three'"],
  [['--num-train-epochs', '2', '--max-steps', '3'], '--num-train-epochs and --max-steps'],
  [['--objective', 'mlm', '--config-overrides', 'vocab_size=3', '--vocab-size', '120'], 'the config has 3 tokens'],
])('%j is refused, and nothing is written', async (flags, message) => {
  const { code, stderr } = await lm(['pretrain', text, '-o', at('refused'), ...flags]);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
  expect(existsSync(at('refused'))).toBe(false);
  expect(existsSync(at('refused.run'))).toBe(false);
});
