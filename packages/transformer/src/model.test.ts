// Model folders: what is written comes back, and what doesn't fit is named.
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { initialize } from '@brickwork/nn';
import { hostTensor, saveCheckpoint, type HostTensor } from '@brickwork/runtime';
import { GPT2LMHeadModel } from './architectures/gpt2.ts';
import { loadModel } from './pretrained.ts';

const config = { model_type: 'gpt2', vocab_size: 11, n_positions: 8, n_embd: 6, n_layer: 1, n_head: 2 };
let scratch = '';
let folder = '';
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'brickwork-'));
  folder = join(scratch, 'model');
});
afterEach(() => rm(scratch, { recursive: true }));

function tensorsOf(o: Record<string, unknown> = {}): Map<string, HostTensor> {
  const initial = initialize(new GPT2LMHeadModel({ ...config, ...o }), 1);
  return new Map([...initial].map(([n, t]) => [n, hostTensor(t.data, t.shape as number[])]));
}
const firstLogits = async (): Promise<number[]> => {
  const lm = await loadModel(folder);
  const decoder = lm.decoder();
  const logits = [...(await decoder.prefill([[1, 2, 3]]))];
  await decoder.dispose();
  return logits;
};

test('the names that GPT-2’s own checkpoints use give the same model: no prefix, masks stored as weights', async () => {
  const tensors = tensorsOf();
  await saveCheckpoint(folder, { config, tensors });
  const expected = await firstLogits();
  const old = new Map([...tensors].map(([name, t]) => [name.replace('transformer.', ''), t]));
  old.set('h.0.attn.bias', hostTensor(new Float32Array(64), [1, 1, 8, 8]));
  old.set('h.0.attn.masked_bias', hostTensor(new Float32Array(1), []));
  await saveCheckpoint(folder, { config, tensors: old });
  expect(await firstLogits()).toEqual(expected);
});

test('a tied head that is stored as well is left out; an untied one is used', async () => {
  const tensors = tensorsOf();
  const head = hostTensor(new Float32Array(66), [11, 6]);
  await saveCheckpoint(folder, { config, tensors: new Map([...tensors, ['lm_head.weight', head]]) });
  expect((await firstLogits()).some((v) => v !== 0)).toBe(true);
  const untied = { ...config, tie_word_embeddings: false };
  await saveCheckpoint(folder, { config: untied, tensors: new Map([...tensors, ['lm_head.weight', head]]) });
  expect((await firstLogits()).every((v) => v === 0)).toBe(true);
});

test('bfloat16 weights are widened', async () => {
  const tensors = tensorsOf();
  const cut = (t: HostTensor): Uint16Array =>
    Uint16Array.from(new Uint32Array((t.data as Float32Array).slice().buffer), (bits) => bits >>> 16);
  const halves = new Map([...tensors].map(([n, t]) => [n, hostTensor(cut(t), t.shape, 'bfloat16')]));
  const back = new Map(
    [...halves].map(([n, t]) => {
      const bits = Uint32Array.from(t.data as Uint16Array, (half) => half << 16);
      return [n, hostTensor(new Float32Array(bits.buffer), t.shape)];
    }),
  );
  await saveCheckpoint(folder, { config, tensors: back });
  const expected = await firstLogits();
  await saveCheckpoint(folder, { config, tensors: halves });
  expect(await firstLogits()).toEqual(expected);
});

test('loading tells how far it is, and stops where it is asked to', async () => {
  await saveCheckpoint(folder, { config, tensors: tensorsOf() });
  const heard: [number, number][] = [];
  await loadModel(folder, { onProgress: (done, total) => heard.push([done, total]) });
  expect(heard.at(-1)![0]).toBe(heard.at(-1)![1]);
  await expect(loadModel(folder, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});

describe('refused', () => {
  const without = (name: string): Map<string, HostTensor> => {
    const tensors = tensorsOf();
    tensors.delete(name);
    return tensors;
  };
  test.each([
    [
      'a weight that is missing',
      { tensors: without('transformer.ln_f.bias') },
      /missing transformer\.ln_f\.bias \(15 of 16/,
    ],
    [
      'an untied head without weights',
      { config: { ...config, tie_word_embeddings: false }, tensors: tensorsOf() },
      /missing lm_head\.weight.*tie_word_embeddings: false; did you mean true\?/,
    ],
    [
      'weights of more layers than the config',
      { tensors: tensorsOf({ n_layer: 2 }) },
      /transformer\.h\.1.*and 9 more belong to no parameter/,
    ],
    [
      'weights of another width',
      { tensors: tensorsOf({ n_embd: 8 }) },
      /transformer\.wte\.weight is .*\(11, 8\).* needs .*\(11, 6\)/,
    ],
    [
      'integers for weights',
      {
        tensors: new Map([
          ...tensorsOf(),
          ['transformer.ln_f.bias', hostTensor(new Int32Array(6), [6])] as [string, HostTensor],
        ]),
      },
      /transformer\.ln_f\.bias is int32/,
    ],
    [
      'an architecture that is not known',
      { config: { ...config, model_type: 'gpt9' }, tensors: tensorsOf() },
      /model_type is "gpt9"; known are .*gpt2/,
    ],
    [
      'a config that says nothing of the model',
      { config: { hello: 1 }, tensors: tensorsOf() },
      /model_type is undefined/,
    ],
    [
      'a model_type that every object has',
      { config: { ...config, model_type: 'constructor' }, tensors: tensorsOf() },
      /model_type is "constructor"/,
    ],
  ] as const)('%s', async (_, parts, message) => {
    await saveCheckpoint(folder, { config, ...parts });
    await expect(loadModel(folder)).rejects.toThrow(message);
  });

  test('a folder that isn’t there, a file cut short, a config that isn’t JSON', async () => {
    await expect(loadModel(folder)).rejects.toThrow(/no folder.*model/);
    await saveCheckpoint(folder, { config, tensors: tensorsOf() });
    const weights = join(folder, 'model.safetensors');
    await truncate(weights, (await readFile(weights)).length - 5);
    await expect(loadModel(folder)).rejects.toThrow(/model\.safetensors/);
    await writeFile(join(folder, 'config.json'), '{"model_type": ');
    await expect(loadModel(folder)).rejects.toThrow(/config\.json is not JSON/);
  });
});
