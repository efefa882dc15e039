// lm finetune, from labelled rows to a folder that the library, and lm itself, open again.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveTokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import { AutoModel, loadModel, readAdapter } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-finetune-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const write = (name: string, content: string): string => {
  writeFileSync(at(name), content);
  return at(name);
};
const good = ['the cat sat on the mat', 'a happy dog ate the cake', 'the cat sleeps at night'];
const bad = ['rain in paris', 'where is the sad rain', 'rain and rain at night'];
const corpus = [...good, ...bad].join('. ').repeat(20);
const rows = Array.from({ length: 24 }, (_, i) => ({
  text: (i % 2 ? good : bad)[i % 3]!,
  label: i % 2 ? 'good' : 'bad',
}));
const csv = write('rows.csv', `sentence,class\n${rows.map(({ text, label }) => `${text},${label}\n`).join('')}`);
const jsonl = (name: string, values: readonly object[]): string =>
  write(name, values.map((value) => `${JSON.stringify(value)}\n`).join(''));
const flags = ['--threads', '1', '--no-picture', '--lr', '0.02', '-b', '4'];

beforeAll(async () => {
  const piece = await trainTokenizer([corpus], { type: 'wordpiece', vocabularySize: 90 });
  const bytes = await trainTokenizer([corpus], { type: 'bpe', vocabularySize: 290, specialTokens: ['<pad>', '</s>'] });
  const make = async (name: string, config: object, json: object): Promise<void> => {
    const model = AutoModel.fromConfig(config as Record<string, unknown>, { seed: 2 });
    await model.save(at(name));
    await saveTokenizer(at(name), json as Record<string, unknown>);
  };
  const sizes = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2 };
  const bert = { model_type: 'bert', vocab_size: 90, max_position_embeddings: 32, ...sizes };
  await make('bert', { ...bert, architectures: ['BertForMaskedLM'] }, piece);
  const gpt = { model_type: 'gpt2', vocab_size: 290, n_positions: 32, n_embd: 16, n_layer: 2, n_head: 2 };
  await make('gpt', { ...gpt, architectures: ['GPT2LMHeadModel'], eos_token_id: 1 }, bytes);
  const t5 = { model_type: 't5', vocab_size: 290, d_model: 16, d_kv: 8, d_ff: 32, num_layers: 1, num_heads: 2 };
  await make('t5', { ...t5, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1 }, bytes);
}, 30_000);

interface Evaluation {
  readonly type: string;
  readonly scores: Record<string, number>;
}
const evaluations = (stdout: string): Evaluation[] =>
  (jsonLines(stdout) as unknown as Evaluation[]).filter(({ type }) => type === 'evaluation');

describe('classification', () => {
  test('from a CSV file with columns of other names to a model that knows its classes', async () => {
    const { code, stdout, stderr } = await lm([
      ...['finetune', '-m', at('bert'), '--task', 'classification', '-d', csv, '-o', at('a'), ...flags, '--json'],
      ...['--columns', 'text=sentence,label=class', '--max-steps', '80', '--eval-steps', '40'],
    ]);
    expect({ code, stderr: stderr.includes('a new head: ') }).toEqual({ code: 0, stderr: true });
    const [first, last] = evaluations(stdout) as [Evaluation, Evaluation];
    expect(Object.keys(first.scores)).toEqual(['loss', 'accuracy', 'f1', 'precision', 'recall', 'matthews']);
    expect(last.scores['accuracy']).toBe(1);
    expect(JSON.parse(readFileSync(at('a/config.json'), 'utf8'))).toMatchObject({
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'bad', 1: 'good' },
      label2id: { bad: 0, good: 1 },
      problem_type: 'single_label_classification',
    });
    expect(existsSync(at('a/tokenizer.json'))).toBe(true);
    const model = await loadModel(at('a'));
    expect(model.initialized).toEqual([]);
    await model.dispose();
  });
  test('Ctrl-C leaves a checkpoint and the way on, which ends where the whole run does', async () => {
    const more = [
      '-T',
      'classification',
      '--columns',
      'text=sentence,label=class',
      '--max-steps',
      '6',
      '--eval-steps',
      '4',
    ];
    const run = (out: string, extra: string[] = [], around = {}): ReturnType<typeof lm> =>
      lm(['finetune', '-m', at('bert'), '-d', csv, '-o', at(out), ...flags, ...more, ...extra], around);
    expect((await run('whole')).code).toBe(0);
    const cut = await run('cut', ['--json'], {
      onWrite: (stdout: string, interrupt: () => void) =>
        void (/"type":"step","step":3,[^\n]*\n$/.test(stdout) && interrupt()),
    });
    expect(cut.code).toBe(130);
    expect(cut.stderr).toContain('Stopped after step 3');
    expect(await run('cut')).toMatchObject({ code: 1, stderr: expect.stringContaining('--resume') as string });
    const rest = await run('cut', ['--resume']);
    expect(rest).toMatchObject({ code: 0, stdout: `${at('cut')}\n` });
    expect(rest.stderr).toContain('going on from step 3');
    const bytes = (name: string): Buffer => readFileSync(at(`${name}/model.safetensors`));
    expect(bytes('cut').equals(bytes('whole'))).toBe(true);
  });
});

describe('other tasks, in a few steps', () => {
  const cases = {
    regression: ['bert', rows.map(({ text }, i) => ({ text, label: i / 10 })), 'pearson'],
    'multi-label': ['bert', rows.map(({ text }, i) => ({ text, label: i % 3 ? ['x', 'y'] : ['y'] })), 'f1_micro'],
    tokens: [
      'bert',
      rows.map(({ text }) => ({
        tokens: text.split(' '),
        ner_tags: text.split(' ').map((w) => (w === 'rain' ? 'R' : 'O')),
      })),
      'accuracy',
    ],
    qa: [
      'bert',
      rows.map(({ text }) => ({
        question: 'where',
        context: text,
        answers: { text: [text.split(' ')[0]], answer_start: [0] },
      })),
      'exact_match',
    ],
    clm: ['gpt', rows.map(({ text }) => ({ text })), 'perplexity'],
    mlm: ['bert', rows.map(({ text }) => ({ text })), 'perplexity'],
    seq2seq: ['t5', rows.map(({ text, label }) => ({ source: text, target: label })), 'perplexity'],
  } as const;
  test.each(Object.entries(cases))('%s', async (task, [model, values, score]) => {
    const data = jsonl(`${task}.jsonl`, values);
    const more = ['--max-steps', '2', '--validation-split', '0.2', '--json'];
    const { code, stdout, stderr } = await lm([
      'finetune',
      '-m',
      at(model),
      '-T',
      task,
      '-d',
      data,
      '-o',
      at(task),
      ...flags,
      ...more,
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(evaluations(stdout).at(-1)!.scores[score]).toEqual(expect.any(Number));
    const opened = await loadModel(at(task));
    await opened.dispose();
  });
});

describe('methods', () => {
  const train = (out: string, ...more: string[]): ReturnType<typeof lm> =>
    lm(['finetune', '-o', at(out), ...flags, '--max-steps', '2', ...more]);
  const onBert = ['-m', at('bert'), '-T', 'classification', '-d', csv, '--columns', 'text=sentence,label=class'];
  test.each(['head', 'last:1', 'bitfit'])('%s leaves the rest as it was', async (method) => {
    const out = method.replace(':', '-');
    expect((await train(out, ...onBert, '--method', method)).code).toBe(0);
    const [before, after] = [await loadModel(at('bert')), await loadModel(at(out))];
    const name = 'bert.encoder.layer.0.attention.self.query.weight';
    expect(after.weights.get(name)!.data).toEqual(before.weights.get(name)!.data);
  });
  test.each(['lora', 'ia3'])('%s writes an adapter in PEFT’s format, with its head', async (method) => {
    expect((await train(method, ...onBert, '--method', method, '--lora-r', '4')).code).toBe(0);
    const { config, tensors } = await readAdapter(at(method));
    expect(config).toMatchObject({
      peft_type: method.toUpperCase(),
      task_type: 'SEQ_CLS',
      base_model_name_or_path: at('bert'),
    });
    expect([...tensors.keys()].some((name) => name.startsWith('classifier'))).toBe(true);
    expect(existsSync(at(`${method}/model.safetensors`))).toBe(false);
  });
  test.each(['prefix', 'prompt'])('%s learns tokens', async (method) => {
    const data = jsonl(
      'texts.jsonl',
      rows.map(({ text }) => ({ text })),
    );
    const more = ['-m', at('gpt'), '-T', 'clm', '-d', data, '--method', method, '--num-virtual-tokens', '3'];
    expect(await train(method, ...more)).toMatchObject({ code: 0 });
    const { tensors } = await readAdapter(at(method));
    expect(tensors.get('prompt_embeddings')!.shape[0]).toBe(3);
  });
});

describe('training', () => {
  const base = (name: string): string[] => [
    ...['finetune', '-m', at('bert'), '-T', 'classification', '-d', csv, '-o', at(name), '--columns'],
    ...['text=sentence,label=class', '--threads', '1', '--no-picture', '-b', '4', '--json'],
  ];
  test.each([
    ['sgd', 'cosine_with_restarts', '0.5'],
    ['adafactor', 'inverse_sqrt', '0.02'],
    ['lion', 'warmup_stable_decay', '0.003'],
    ['muon', 'reduce_lr_on_plateau', '0.02'],
  ])('%s with %s learns, its weights averaged', async (optim, schedule, rate) => {
    const { code, stdout } = await lm([
      ...[...base(optim), '--optim', optim, '--lr-scheduler-type', schedule, '--lr', rate, '--max-steps', '60'],
      ...[
        '--eval-steps',
        '30',
        '--ema-decay',
        '0.8',
        '--layer-wise-lr-decay',
        '0.9',
        '--label-smoothing-factor',
        '0.1',
      ],
    ]);
    expect(code).toBe(0);
    const [first, last] = evaluations(stdout) as [Evaluation, Evaluation];
    expect(last.scores['loss']).toBeLessThan(first.scores['loss']!);
  });

  test('finds a step size, draws the losses, and trains nothing', async () => {
    const { code, stdout } = await lm([...base('rates'), '--find-learning-rate']);
    expect(code).toBe(0);
    const { suggestion, points } = jsonLines(stdout)[0] as unknown as { suggestion: number; points: object[] };
    expect(suggestion).toBeGreaterThan(1e-7);
    expect(suggestion).toBeLessThan(1);
    expect(points.length).toBeGreaterThan(10);
    expect(existsSync(at('rates.learning-rate.png'))).toBe(true);
    expect(existsSync(at('rates'))).toBe(false);
  });

  test('stops early, says so, and tells what memory it took beside the estimate', async () => {
    const { code, stdout, stderr } = await lm([
      ...[...base('early'), '--lr', '1e-9', '--max-steps', '50', '--eval-steps', '2', '--gradient-checkpointing'],
      ...['--early-stopping-patience', '2', '--early-stopping-threshold', '0.5', '--auto-find-batch-size'],
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain('stopped early, after step 6');
    const events = jsonLines(stdout) as unknown as Record<string, unknown>[];
    const start = events.find(({ type }) => type === 'start') as { memory: { total: number }; batchSize: number };
    const end = events.at(-1) as { type: string; stoppedEarly: boolean; peakMemory: number };
    expect(end).toMatchObject({ type: 'end', step: 6, stoppedEarly: true });
    expect(start.batchSize).toBe(4);
    expect(start.memory.total / end.peakMemory).toBeGreaterThan(0.5);
    expect(start.memory.total / end.peakMemory).toBeLessThan(2);
  });
});

describe('flags', () => {
  test('from a YAML file, in any spelling; those on the command line win', async () => {
    const yaml = write(
      'run.yaml',
      `model: ${at('bert')}\ntask: classification\ndata: ${csv}\ncolumns: {text: sentence, label: class}\nmax_steps: 1\nseed: 7\nlearningRate: 0.01\nout: ${at('yaml')}\npicture: false\n`,
    );
    expect((await lm(['finetune', '--config', yaml, '--seed', '8', '--threads', '1'])).code).toBe(0);
    expect(JSON.parse(readFileSync(at('yaml.run/run.json'), 'utf8'))).toMatchObject({
      seed: 8,
      rate: 0.01,
      batchSize: 8,
    });
    const wrong = async (content: string): Promise<string> => {
      const { code, stderr } = await lm(['finetune', '--config', write('wrong.yaml', content)]);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await wrong('learning_rat: 1')).toContain('no flag is called learning_rat; did you mean learning-rate?');
    expect(await wrong('learning-rate: much')).toContain("--learning-rate is 'much'; needs a number above 0");
    expect(await wrong('picture: 3')).toContain('picture is 3; needs true or false');
    expect(await wrong('[1]')).toContain('needs fields');
    expect(await wrong('a: [')).toContain('wrong.yaml');
    expect(await wrong('seed: 1')).toContain('--model is missing');
  });
  test('that make no sense are refused: 2 where it was asked wrongly, 1 where the data are broken', async () => {
    const out = ['-o', at('none')];
    const run = (...args: string[]): ReturnType<typeof lm> => lm(['finetune', ...out, ...args]);
    const bert = ['-m', at('bert'), '-d', csv];
    const cases: [string[], number, string][] = [
      [[...bert, '-T', 'classification', '--method', 'lorra'], 2, "--method is 'lorra'"],
      [[...bert, '-T', 'seq2seq'], 2, 'bert has no class for --task seq2seq'],
      [['-m', at('bert'), '-T', 'mlm'], 2, '--data is missing'],
      [[...bert, '-T', 'classification', '--columns', 'text'], 2, 'needs pairs'],
      [[...bert, '-T', 'classification', '--columns', 'text=nope'], 1, 'no column is called nope'],
      [['-m', at('bert'), '-d', at('no.csv'), '-T', 'classification'], 1, 'no.csv'],
      [
        ['-m', at('bert'), '-d', write('broken.jsonl', '{"text":"a","label":1}\n{\n'), '-T', 'classification'],
        1,
        'broken.jsonl:2',
      ],
      [[...bert, '-T', 'mlm', '--columns', 'text=sentence', '--max-length', '99'], 2, 'the model sees 32 tokens'],
    ];
    for (const [args, code, message] of cases) {
      const result = await run(...args);
      expect({ code: result.code, stderr: result.stderr }).toEqual({
        code,
        stderr: expect.stringContaining(message) as string,
      });
    }
    expect(existsSync(at('none'))).toBe(false);
    expect(existsSync(at('none.run'))).toBe(false);
  });
});
