// Opening models: the class that was saved or another, what is left out, what begins anew, and what is refused.
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostTensor, loadCheckpoint, readSafetensors, saveCheckpoint, type HostTensor } from '@brickwork/runtime';
import { AutoModel, AutoTokenizer, type LoadProgress } from './pretrained.ts';

const config = {
  ...{ model_type: 'bert', architectures: ['BertForMaskedLM'], vocab_size: 13, hidden_size: 8, num_hidden_layers: 2 },
  ...{
    num_attention_heads: 2,
    intermediate_size: 16,
    max_position_embeddings: 9,
    torch_dtype: 'bfloat16',
    note: 'kept',
  },
};
let scratch = '';
let folder = '';
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'brickwork-'));
  folder = join(scratch, 'model');
  await AutoModel.fromConfig(config, { seed: 1 }).save(folder);
});
afterEach(() => rm(scratch, { recursive: true }));

const classify = 'BertForSequenceClassification';
const input_ids = hostTensor(BigInt64Array.of(2n, 5n, 3n), [1, 3]);
const rewrite = async (change: (tensors: Map<string, HostTensor>) => Iterable<[string, HostTensor]>): Promise<void> => {
  const { config: own, tensors } = await loadCheckpoint(folder);
  await saveCheckpoint(folder, { config: own, tensors: new Map(change(tensors)) });
};

describe('a checkpoint as another class', () => {
  test('another head is left out and listed; a new one begins anew from the seed, where that is asked for', async () => {
    const model = await AutoModel.fromPretrained(folder, { class: classify, missing: 'initialize', seed: 5 });
    expect(model.unused.every((name) => name.startsWith('cls.predictions.')) && model.unused.length).toBeGreaterThan(3);
    expect(model.initialized.toSorted()).toEqual([
      'bert.pooler.dense.bias',
      'bert.pooler.dense.weight',
      'classifier.bias',
      'classifier.weight',
    ]);
    const original = (await loadCheckpoint(folder)).tensors;
    for (const [name, { data }] of model.weights)
      if (!model.initialized.includes(name)) expect(data).toEqual(original.get(name)!.data);
    const again = await AutoModel.fromPretrained(folder, { class: classify, missing: 'initialize', seed: 5 });
    const other = await AutoModel.fromPretrained(folder, { class: classify, missing: 'initialize', seed: 6 });
    const head = (m: typeof model): unknown => m.weights.get('classifier.weight')!.data;
    expect(head(again)).toEqual(head(model));
    expect(head(other)).not.toEqual(head(model));
    const scratchHead = AutoModel.fromConfig(config, { class: classify, seed: 5 });
    expect(head(scratchHead)).toEqual(head(model));
    const { logits } = await model.run({ input_ids }, ['logits']);
    expect(logits!.shape).toEqual([1, 2]);
    await model.dispose();
  });

  test('what is missing is an error that names the way on', async () => {
    await expect(AutoModel.fromPretrained(folder, { class: classify })).rejects.toThrow(
      /missing bert\.pooler.* The checkpoint is a BertForMaskedLM, which has no such head; pass \{ missing: 'initialize' \}/,
    );
    await rewrite((tensors) => [...tensors].filter(([name]) => name !== 'bert.embeddings.word_embeddings.weight'));
    await expect(AutoModel.fromPretrained(folder)).rejects.toThrow('missing bert.embeddings.word_embeddings.weight');
    await rewrite((tensors) => [...tensors].map(([name, t]) => [`x.${name}`, t]));
    await expect(AutoModel.fromPretrained(folder, { class: classify, missing: 'initialize' })).rejects.toThrow(
      /missing .* of .* found/,
    );
  });

  test('the body’s names may have the prefix or lack it, in both directions', async () => {
    const body = await AutoModel.fromPretrained(folder, { class: 'BertModel', missing: 'initialize' });
    expect([...body.weights.keys()].some((name) => name.startsWith('bert.'))).toBe(false);
    await body.save(join(scratch, 'body'));
    const back = await AutoModel.fromPretrained(join(scratch, 'body'), { class: classify, missing: 'initialize' });
    expect(back.initialized).toEqual(['classifier.weight', 'classifier.bias']);
    expect(back.unused).toEqual([]);
    const expected = await body.run({ input_ids }, ['pooler_output', 'last_hidden_state']);
    const masked = await AutoModel.fromPretrained(folder);
    const own = await masked.run({ input_ids }, ['hidden_states.2']);
    expect(own['hidden_states.2']!.data).toEqual(expected['last_hidden_state']!.data);
    for (const [name, { data }] of body.weights) expect(back.weights.get(`bert.${name}`)!.data).toEqual(data);
    for (const model of [body, masked]) await model.dispose();
  });

  test('another number of labels is another head', async () => {
    const two = await AutoModel.fromPretrained(folder, { class: classify, missing: 'initialize' });
    await two.save(join(scratch, 'two'));
    const three = { config: { num_labels: 3 }, class: classify };
    await expect(AutoModel.fromPretrained(join(scratch, 'two'), three)).rejects.toThrow(
      /classifier\.(weight|bias) is float32 \(2/,
    );
    const model = await AutoModel.fromPretrained(join(scratch, 'two'), { ...three, missing: 'initialize' });
    expect(model.initialized.toSorted()).toEqual(['classifier.bias', 'classifier.weight']);
    expect(model.weights.get('classifier.weight')!.shape).toEqual([3, 8]);
  });

  test('labels that had names get new ones where their number changes', async () => {
    const named = { ...config, id2label: { 0: 'bad', 1: 'good' }, label2id: { bad: 0, good: 1 } };
    await AutoModel.fromConfig(named, { class: classify }).save(folder);
    const options = { class: classify, config: { num_labels: 3 }, missing: 'initialize' } as const;
    const model = await AutoModel.fromPretrained(folder, options);
    expect(model.config['id2label']).toEqual({ 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' });
    expect((await AutoModel.fromPretrained(folder)).config['id2label']).toEqual({ 0: 'bad', 1: 'good' });
  });

  test('layers that the config doesn’t have are an error, not left out', async () => {
    await expect(AutoModel.fromPretrained(folder, { config: { num_hidden_layers: 1 } })).rejects.toThrow(
      /bert\.encoder\.layer\.1\..* belong to no parameter/,
    );
    await expect(AutoModel.fromPretrained(folder, { config: { num_hidden_layers: 3 } })).rejects.toThrow(
      /missing bert\.encoder\.layer\.2/,
    );
  });
});

test('of tied tables any one may be stored', async () => {
  const gpt = { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], vocab_size: 11, n_positions: 8, n_embd: 6 };
  await AutoModel.fromConfig({ ...gpt, n_layer: 1, n_head: 2 }, { seed: 1 }).save(folder);
  const whole = await AutoModel.fromPretrained(folder);
  await rewrite((tensors) => [...tensors].map(([name, t]) => [name.replace('transformer.wte.', 'lm_head.'), t]));
  const model = await AutoModel.fromPretrained(folder);
  expect([...model.weights.keys()]).toEqual([...whole.weights.keys()]);
  for (const [name, { data }] of whole.weights) expect(model.weights.get(name)!.data).toEqual(data);
  expect(model.unused).toEqual([]);
  // One of another size is not it.
  await rewrite((tensors) => [
    ...[...tensors].filter(([name]) => name !== 'lm_head.weight'),
    ['lm_head.weight', hostTensor(new Float32Array(60), [10, 6])],
  ]);
  await expect(AutoModel.fromPretrained(folder)).rejects.toThrow('missing transformer.wte.weight (15 of 16 found)');
});

describe('saving', () => {
  test('keeps every field, says what is so now, and copies the tokenizer', async () => {
    await writeFile(join(folder, 'vocab.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nyes\nno\n');
    await writeFile(join(folder, 'tokenizer_config.json'), '{"do_lower_case": true}');
    await writeFile(join(folder, 'README.md'), '# Not the model’s');
    const model = await AutoModel.fromPretrained(folder, { class: classify, missing: 'initialize' });
    const to = join(scratch, 'a', 'b');
    await model.save(to);
    expect((await readdir(to)).toSorted()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer_config.json',
      'vocab.txt',
    ]);
    const saved = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as unknown;
    expect(saved).toEqual({ ...config, architectures: [classify], torch_dtype: 'float32' });
    expect((await AutoTokenizer.fromPretrained(to)).encode('Yes no').ids).toEqual([2, 5, 6, 3]);
    const { tensors, metadata } = await readSafetensors(join(to, 'model.safetensors'));
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors.keys()].toSorted()).toEqual([...model.weights.keys()].toSorted());
    const back = await AutoModel.fromPretrained(to);
    expect(back.className).toBe(classify);
    for (const [name, { data }] of model.weights) expect(back.weights.get(name)!.data).toEqual(data);
  });

  test('in shards, and over itself', async () => {
    const model = await AutoModel.fromPretrained(folder);
    await model.save(folder, { maxShardSize: 2000 });
    expect((await readdir(folder)).filter((name) => name.startsWith('model-')).length).toBeGreaterThan(2);
    const heard: LoadProgress[] = [];
    const back = await AutoModel.fromPretrained(folder, { onProgress: (progress) => heard.push(progress) });
    for (const [name, { data }] of model.weights) expect(back.weights.get(name)!.data).toEqual(data);
    expect(heard.at(-1)!.loaded).toBe(heard.at(-1)!.total);
    expect(heard.every(({ stage, file }) => stage === 'read' && file === folder)).toBe(true);
    await expect(model.save(folder, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    expect((await AutoModel.fromPretrained(folder)).unused).toEqual([]);
  });

  test('one copy can be saved beside the other', async () => {
    const model = await AutoModel.fromPretrained(folder);
    await cp(folder, join(scratch, 'copy'), { recursive: true });
    await model.save(join(scratch, 'copy'));
    const bytes = (name: string): Promise<Buffer> => readFile(join(scratch, name, 'model.safetensors'));
    expect(Buffer.compare(await bytes('model'), await bytes('copy'))).toBe(0);
  });
});

describe('refused', () => {
  test.each<[string, object, string]>([
    [
      'a class of another architecture',
      { class: 'GPT2LMHeadModel' },
      'bert has no class "GPT2LMHeadModel" here; known',
    ],
    ['an option that isn’t there', { clas: 'BertModel' }, 'fromPretrained: no option clas; there are'],
    ['another word', { missing: 'ignore' }, `missing is "ignore"; needs 'error' or 'initialize'`],
    ['a type that isn’t known', { config: { model_type: 'gpt9' } }, 'model_type is "gpt9"'],
  ])('%s', async (_, options, message) => {
    await expect(AutoModel.fromPretrained(folder, options)).rejects.toThrow(message);
  });

  test('a folder that isn’t there, or is no name on the hub', async () => {
    await expect(AutoModel.fromPretrained('./none/such')).rejects.toThrow('there is no folder ./none/such');
    await expect(AutoTokenizer.fromPretrained('./none/such')).rejects.toThrow('there is no folder ./none/such');
  });

  test.each<[string, string, string]>([
    ['no JSON', '{"model_type": ', 'config.json is not JSON'],
    ['a list', '[]', 'config.json is not a JSON object'],
    ['nothing', '', 'config.json is not JSON'],
    ['sizes as text', JSON.stringify({ ...config, hidden_size: '8' }), 'hidden_size is "8"'],
    ['a size of nothing', JSON.stringify({ ...config, num_hidden_layers: -1 }), 'num_hidden_layers is -1'],
    ['classes that are no list', JSON.stringify({ ...config, architectures: { 0: 1 } }), ''],
    ['a class that is no text', JSON.stringify({ ...config, architectures: [7] }), 'bert has no class 7 here'],
  ])('a config.json with %s', async (_, text, message) => {
    await writeFile(join(folder, 'config.json'), text);
    await expect(AutoModel.fromPretrained(folder)).rejects.toThrow(message || /missing|known/);
  });
});
