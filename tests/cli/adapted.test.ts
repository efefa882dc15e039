// lm classify, eval, adapter and runs, on what lm finetune leaves: what they print is what the library gives.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostTensor } from '../../packages/runtime/src/index.ts';
import { saveTokenizer, trainTokenizer } from '../../packages/tokenizer/src/index.ts';
import { AutoModel, loadModel } from '../../packages/transformer/src/index.ts';
import { jsonLines, lm, type Result } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-adapted-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const good = ['the cat sat on the mat', 'a happy dog ate the cake', 'the cat sleeps at night'];
const bad = ['rain in paris', 'where is the sad rain', 'rain and rain at night'];
const rows = Array.from({ length: 24 }, (_, i) => ({
  text: (i % 2 ? good : bad)[i % 3]!,
  label: i % 2 ? 'good' : 'bad',
}));
const jsonl = (name: string, values: readonly object[]): string => {
  writeFileSync(at(name), values.map((value) => `${JSON.stringify(value)}\n`).join(''));
  return at(name);
};
const data = jsonl('rows.jsonl', rows);
const texts = jsonl(
  'texts.jsonl',
  rows.map(({ text }) => ({ text })),
);

beforeAll(async () => {
  const corpus = [...good, ...bad].join('. ').repeat(20);
  const sizes = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
  const piece = await trainTokenizer([corpus], { type: 'wordpiece', vocabularySize: 90 });
  const bytes = await trainTokenizer([corpus], { type: 'bpe', vocabularySize: 290, specialTokens: ['<pad>', '</s>'] });
  const bert = { model_type: 'bert', vocab_size: 90, max_position_embeddings: 32, ...sizes };
  await AutoModel.fromConfig({ ...bert, architectures: ['BertForMaskedLM'] }, { seed: 2 }).save(at('bert'));
  await saveTokenizer(at('bert'), piece);
  const gpt = {
    model_type: 'gpt2',
    vocab_size: 290,
    n_positions: 32,
    n_embd: 16,
    n_layer: 1,
    n_head: 2,
    eos_token_id: 1,
  };
  await AutoModel.fromConfig(gpt, { seed: 2 }).save(at('gpt'));
  await saveTokenizer(at('gpt'), bytes);
  const train = async (out: string, ...more: string[]): Promise<Result> => {
    const flags = ['-o', at(out), '--threads', '1', '--no-picture', '-b', '4', '--lr', '0.02'];
    const result = await lm(['finetune', ...flags, ...more]);
    expect(result).toMatchObject({ code: 0 });
    return result;
  };
  await train('full', '-m', at('bert'), '-T', 'classification', '-d', data, '--max-steps', '6', '--eval-steps', '2');
  await train('lora', '-m', at('bert'), '-T', 'classification', '-d', data, '--max-steps', '20', '--method', 'lora');
  await train('ia3', '-m', at('gpt'), '-T', 'clm', '-d', texts, '--max-steps', '6', '--method', 'ia3');
  await train('prompt', '-m', at('gpt'), '-T', 'clm', '-d', texts, '--max-steps', '2', '--method', 'prompt');
  const narrow = ['--method', 'adapter', '--adapter-config', 'houlsby', '--reduction-factor', '4'];
  await train('narrow', '-m', at('bert'), '-T', 'classification', '-d', data, '--max-steps', '6', ...narrow);
}, 60_000);

interface Line {
  readonly text: string;
  readonly labels: { readonly label: string; readonly score: number }[];
}
const classes = async (...args: string[]): Promise<Line[]> => {
  const { code, stdout, stderr } = await lm(['classify', '--threads', '1', ...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return jsonLines(stdout) as unknown as Line[];
};

describe('classify', () => {
  test('gives the softmax of the logits; a text in a batch has what it has alone', async () => {
    const lines = await classes('-m', at('full'), '-k', '2', ...good, ...bad);
    expect(lines.map(({ text }) => text)).toEqual([...good, ...bad]);
    const model = await loadModel(at('full'));
    const tokenizer = await model.tokenizer();
    for (const { text, labels } of lines) {
      const { ids } = tokenizer.encode(text);
      const input_ids = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
      const { logits } = await model.run({ input_ids }, ['logits']);
      const powers = Array.from(logits!.data as Float32Array, Math.exp);
      const sum = powers[0]! + powers[1]!;
      for (const { label, score } of labels) expect(score).toBeCloseTo(powers[label === 'good' ? 1 : 0]! / sum, 5);
      expect(labels[0]!.score).toBeGreaterThanOrEqual(labels[1]!.score);
    }
    await model.dispose();
  });
  test('of files, stdin and pairs; a table for people', async () => {
    writeFileSync(at('lines.txt'), `${good[0]}\n\n${bad[0]}\n`);
    const fromFile = await lm(['classify', '-m', at('full'), '-f', at('lines.txt')]);
    expect(fromFile.stdout).toMatch(
      /^0\.\d{4} {2}(good|bad) +the cat sat on the mat\n0\.\d{4} {2}(good|bad) +rain in paris\n$/,
    );
    const fromStdin = await lm(['classify', '-m', at('full'), '-b', '1'], { stdin: `${good[0]}\n${bad[0]}\n` });
    expect(fromStdin.stdout).toBe(fromFile.stdout);
    const [pair] = await classes('-m', at('full'), '--pair-separator', '|', 'rain|the cat');
    const [other] = await classes('-m', at('full'), 'rain the cat');
    expect(pair!.labels[0]!.score).not.toBe(other!.labels[0]!.score);
    expect(await lm(['classify', '-m', at('full'), '--pair-separator', '|', 'rain'])).toMatchObject({ code: 2 });
  });
  test('models that are no classifiers, and folders that are none', async () => {
    expect(await lm(['classify', '-m', at('gone'), 'a'])).toMatchObject({ code: 2 });
    const mlm = await lm(['classify', '-m', at('bert'), 'a']);
    expect(mlm).toMatchObject({ code: 1, stderr: expect.stringContaining('classifier.weight') as string });
    const none = await lm(['classify', '-m', at('bert'), '--adapter', at('full'), 'a']);
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('no adapter in') as string });
  });
});

describe('adapter', () => {
  test('merge: the merged model classifies as the model with its adapter', async () => {
    const out = at('merged');
    const { code, stdout } = await lm(['adapter', 'merge', at('lora'), '-m', at('bert'), '-o', out]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(out, 'model.safetensors')}\n` });
    const adapted = await classes('-m', at('bert'), '--adapter', at('lora'), ...good, ...bad);
    const merged = await classes('-m', out, ...good, ...bad);
    merged.forEach(({ labels }, i) => {
      expect(labels[0]!.label).toBe(adapted[i]!.labels[0]!.label);
      expect(labels[0]!.score).toBeCloseTo(adapted[i]!.labels[0]!.score, 5);
    });
    // It isn't the base with its head alone.
    const [before, after] = [await loadModel(at('bert')), await loadModel(out)];
    const name = 'bert.encoder.layer.0.attention.self.query.weight';
    expect(after.weights.get(name)!.data).not.toEqual(before.weights.get(name)!.data);
  });
  test('merge: what can’t be merged, and where it can’t be written', async () => {
    const prompt = await lm(['adapter', 'merge', at('prompt'), '-m', at('gpt'), '-o', at('none')]);
    expect(prompt).toMatchObject({ code: 1, stderr: expect.stringContaining('no weight can stand for') as string });
    const none = await lm(['adapter', 'merge', at('full'), '-m', at('bert'), '-o', at('none')]);
    expect(none).toMatchObject({ code: 2 });
    mkdirSync(at('others'));
    writeFileSync(at('others/file'), '');
    const others = await lm(['adapter', 'merge', at('lora'), '-m', at('bert'), '-o', at('others')]);
    expect(others).toMatchObject({ code: 2, stderr: expect.stringContaining('something else') as string });
    expect(existsSync(at('none'))).toBe(false);
  });
  test('bottlenecks: their folder, what they classify, and that they can’t be merged', async () => {
    const [info] = jsonLines((await lm(['adapter', 'info', at('narrow'), '--json'])).stdout);
    // Down and up of width 4 behind attention and feed-forward, the head, and the pooler that the base lacks.
    const parameters = 2 * (16 * 4 + 4 + 4 * 16 + 16) + (2 * 16 + 2) + (16 * 16 + 16);
    expect(info).toMatchObject({ peft_type: 'BOTTLENECK', reduction_factor: 4, non_linearity: 'swish', parameters });
    const adapted = await classes('-m', at('bert'), '--adapter', at('narrow'), ...good, ...bad);
    const others = await classes('-m', at('bert'), '--adapter', at('lora'), ...good, ...bad);
    adapted.forEach(({ labels }, i) => {
      expect(labels[0]!.score).toBeGreaterThanOrEqual(0.5);
      expect(labels[0]!.score).not.toBe(others[i]!.labels[0]!.score);
    });
    const merged = await lm(['adapter', 'merge', at('narrow'), '-m', at('bert'), '-o', at('none')]);
    expect(merged).toMatchObject({ code: 1, stderr: expect.stringContaining('no weight can stand for') as string });
    const odd = ['finetune', '-m', at('bert'), '-d', data, '-o', at('odd'), '--method', 'adapter'];
    expect(await lm([...odd, '--non-linearity', 'sine'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--non-linearity is 'sine'") as string,
    });
  });
  test('generation with one: the text is its model’s, another than the base’s', async () => {
    const write = async (...more: string[]): Promise<{ ids: number[]; logprobs: number[] }> => {
      const result = await lm(['generate', 'the cat', '-n', '8', '--greedy', '--json', ...more]);
      expect(result).toMatchObject({ code: 0 });
      return jsonLines(result.stdout)[0] as unknown as { ids: number[]; logprobs: number[] };
    };
    await lm(['adapter', 'merge', at('ia3'), '-m', at('gpt'), '-o', at('merged-gpt')]);
    const base = ['-m', at('gpt')];
    const plain = await write(...base);
    const adapted = await write(...base, '--adapter', at('ia3'));
    const merged = await write('-m', at('merged-gpt'));
    expect(adapted.ids).toEqual(merged.ids);
    adapted.logprobs.forEach((v, i) => expect(v).toBeCloseTo(merged.logprobs[i]!, 4));
    for (const name of ['ia3', 'prompt']) {
      const { logprobs } = await write(...base, '--adapter', at(name));
      expect(Math.abs(logprobs[0]! - plain.logprobs[0]!), name).toBeGreaterThan(1e-4);
    }
    const other = await lm(['generate', '-m', at('gpt'), '--adapter', at('lora'), 'a']);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('no layer is called') as string });
  });
  test('info: what it is and how large', async () => {
    const { stdout } = await lm(['adapter', 'info', at('lora'), '--json']);
    const [info] = jsonLines(stdout);
    // A and B of rank 8 at query and value, the head, and the pooler that the base lacks.
    const parameters = 2 * (8 * 16 + 16 * 8) + (2 * 16 + 2) + (16 * 16 + 16);
    expect(info).toMatchObject({ peft_type: 'LORA', r: 8, parameters });
    const { stdout: shown } = await lm(['adapter', 'info', at('lora')]);
    expect(shown).toMatch(/^peft_type +LORA$/m);
    expect(shown).toMatch(/^parameters +818 \(3\.3 kB\)$/m);
    expect(await lm(['adapter', 'info', at('full')])).toMatchObject({ code: 2 });
  });
});

describe('eval', () => {
  const scores = async (...args: string[]): Promise<Record<string, number>> => {
    const { code, stdout, stderr } = await lm(['eval', '--threads', '1', ...args, '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return jsonLines(stdout)[0] as Record<string, number>;
  };
  test('accuracy is the share of texts that lm classify gets right; labels by name or number', async () => {
    const found = await scores('-m', at('full'), '-d', data);
    const lines = await classes('-m', at('full'), ...rows.map(({ text }) => text));
    const right = lines.filter(({ labels }, i) => labels[0]!.label === rows[i]!.label).length;
    expect(found).toMatchObject({ task: 'classification', examples: 24, accuracy: right / 24 });
    const numbered = jsonl(
      'numbered.jsonl',
      rows.map(({ text, label }) => ({ text, label: Number(label === 'good') })),
    );
    expect(await scores('-m', at('full'), '-d', numbered)).toEqual(found);
    expect(await scores('-m', at('full'), '-d', data, '-b', '5')).toMatchObject({ accuracy: right / 24 });
  });
  test('with an adapter, and for what it was merged into', async () => {
    const base = ['-m', at('bert'), '-T', 'classification', '-d', data];
    const adapted = await scores(...base, '--adapter', at('lora'));
    await lm(['adapter', 'merge', at('lora'), '-m', at('bert'), '-o', at('merged-again')]);
    const merged = await scores('-m', at('merged-again'), '-d', data);
    expect(merged['loss']).toBeCloseTo(adapted['loss']!, 5);
  });
  test.each(['ia3', 'prompt'])('perplexity of language models, and what an adapter changes: %s', async (name) => {
    const plain = await scores('-m', at('gpt'), '-T', 'clm', '-d', texts);
    expect(plain['perplexity']).toBeCloseTo(Math.exp(plain['loss']!), 6);
    const adapted = await scores('-m', at('gpt'), '-T', 'clm', '-d', texts, '--adapter', at(name));
    expect(adapted['loss']).not.toBe(plain['loss']);
    expect(adapted['loss']).toBeLessThan(7);
  });
  test('a table, rows that can’t be read, and classes that the model doesn’t have', async () => {
    const { stdout } = await lm(['eval', '-m', at('full'), '-d', data]);
    expect(stdout).toMatch(/^loss +\d\.\d{4}\naccuracy +[01]\.\d{4}\n/);
    const odd = jsonl('odd.jsonl', [...rows, { text: 'x', label: 'ugly' }]);
    const refused = await lm(['eval', '-m', at('full'), '-d', odd]);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/odd\.jsonl:25: .*no class is called "ugly"/) as string,
    });
    const skipped = await lm(['eval', '-m', at('full'), '-d', odd, '--skip-malformed', '--json']);
    expect(skipped.stderr).toContain('left out: ');
    expect(jsonLines(skipped.stdout)[0]).toMatchObject({ examples: 24, skipped: 1 });
    expect(await lm(['eval', '-m', at('full')])).toMatchObject({ code: 2 });
  });
});

describe('runs', () => {
  test('a table of runs, by model, by run, or by the folder that they are in', async () => {
    const { stdout } = await lm(['runs', at('full'), '--json']);
    const lines = readFileSync(at('full.run/metrics.jsonl'), 'utf8');
    const validation = (jsonLines(lines) as { step: number; validation?: number }[]).filter(
      (e) => e.validation !== undefined,
    );
    const best = validation.reduce((a, b) => (b.validation! < a.validation! ? b : a));
    expect(jsonLines(stdout)[0]).toMatchObject({
      run: at('full.run'),
      ...{ step: 6, steps: 6, best: best.validation, bestStep: best.step, rate: 0.02, optimizer: 'adamw' },
    });
    const all = await lm(['runs', root]);
    expect(all.stdout.split('\n').map((line) => line.split(/\s+/)[0])).toEqual([
      ...['run', at('full.run'), at('ia3.run'), at('lora.run'), at('narrow.run'), at('prompt.run'), ''],
    ]);
    expect(await lm(['runs', at('gone')])).toMatchObject({ code: 2 });
    expect(await lm(['runs', at('bert')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no run') as string,
    });
  });
  test('curves of several in one picture', async () => {
    const svg = at('losses.svg');
    expect((await lm(['runs', at('full'), at('lora'), '--picture', svg])).code).toBe(0);
    const drawn = readFileSync(svg, 'utf8');
    for (const name of ['full', 'lora']) expect(drawn).toContain(`>${name}<`);
    expect((await lm(['runs', at('full'), '-p', at('losses.png')])).code).toBe(0);
    expect(readFileSync(at('losses.png')).subarray(1, 4).toString()).toBe('PNG');
    expect(await lm(['runs', at('full'), '-p', at('losses.gif')])).toMatchObject({ code: 2 });
  });
});
