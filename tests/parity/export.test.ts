// What leaves as ONNX gives what the model gives, in every type and for every reference checkpoint, and the real
// transformers.js generates from an exported folder, unchanged, what PyTorch generated.
import {
  AutoModel as TheirModel,
  AutoModelForCausalLM,
  AutoModelForSeq2SeqLM,
  pipeline,
  Tensor,
} from '@huggingface/transformers';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { fromOnnx, topologicalOrder } from '../../packages/graph/src/index.ts';
import {
  AutoModel,
  collect,
  exportModel,
  exportTolerances,
  exportTypes,
  generateText,
  loadModel,
  type ExportType,
  type Model,
} from '../../packages/transformer/src/index.ts';
import { visionArchitectures } from '../../packages/vision/src/index.ts';
import { fixture, hasShared, sharedPath } from '../fixtures.ts';

const scratch = mkdtempSync(join(tmpdir(), 'brickwork-export-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const shipped = (name: string): string => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
const open = (name: string): Promise<Model> =>
  AutoModel.fromPretrained(sharedPath(`fixtures/checkpoints/${name}`), { architectures: visionArchitectures });

// What each type's name is to transformers.js.
const theirs = { fp32: 'fp32', fp16: 'fp16', int8: 'int8', int4: 'q4' } as const;
const local = (dtype: ExportType): object => ({ dtype: theirs[dtype], local_files_only: true });

describe.skipIf(!hasShared)('reference checkpoints (needs ../shared)', () => {
  const names = hasShared ? readdirSync(sharedPath('fixtures/checkpoints')) : [];

  test.each(names)('%s: every type runs and is as near as it may be', async (name) => {
    const model = await open(name);
    for (const dtype of exportTypes) {
      // Two rows of random ids; `exportTolerances` says why each is allowed as much.
      const { check, files } = await exportModel(model, join(scratch, name), { dtype });
      expect(check!.difference).toBeLessThanOrEqual(exportTolerances[dtype]);
      // Few bits change something, or they weren't used.
      if (dtype !== 'fp32') expect(check!.difference).toBeGreaterThan(1e-6);
      for (const { file, bytes } of files) expect(existsSync(file) && bytes > 0).toBe(true);
    }
    await model.dispose();
  });

  test.each([
    ...['gpt2', 'gpt_neox', 'llama', 'mistral', 'qwen2'].map((name) => [name, AutoModelForCausalLM] as const),
    ...['t5', 'bart', 'marian'].map((name) => [name, AutoModelForSeq2SeqLM] as const),
  ])('transformers.js generates PyTorch’s tokens from %s', async (name, theirClass) => {
    const { json } = await fixture(name);
    const model = await open(name);
    const folder = join(scratch, `${name}-generate`);
    await exportModel(model, folder);
    await model.dispose();
    const lm = await theirClass.from_pretrained(folder, local('fp32'));
    const { max_new_tokens, tokens, prompt } = json.generate;
    for (const [row, ids] of prompt.input_ids.entries()) {
      const found = (await lm.generate({
        inputs: int64([ids]),
        attention_mask: int64([ids.map(() => 1)]),
        max_new_tokens,
        do_sample: false,
        eos_token_id: -1, // PyTorch's went on to the last, too
        forced_eos_token_id: null,
      } as never)) as Tensor;
      expect((found.tolist() as bigint[][])[0]!.map(Number)).toEqual(tokens[row]);
    }
    await lm.dispose();
  });
});

const int64 = (rows: readonly (readonly number[])[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

describe('a shipped language model', () => {
  const folder = join(scratch, 'shakespeare');

  test.each(exportTypes)('%s: transformers.js continues a text from the folder unchanged', async (dtype) => {
    const model = await loadModel(shipped('shakespeare'));
    await exportModel(model, folder, { dtype });
    const files = readdirSync(folder);
    for (const name of ['config.json', 'generation_config.json', 'tokenizer.json']) expect(files).toContain(name);
    const write = await pipeline('text-generation', folder, local(dtype));
    const options = { max_new_tokens: 40, do_sample: false, return_full_text: false };
    const [{ generated_text: theirText }] = (await write('ROMEO:\n', options as never)) as unknown as [
      { generated_text: string },
    ];
    await write.dispose();
    const decoder = model.decoder();
    const tokenizer = await model.tokenizer();
    const [{ text }] = (await collect(
      generateText(decoder, tokenizer, ['ROMEO:\n'], { maxNewTokens: 40, temperature: 0 }),
    )) as unknown as [{ text: string }];
    await decoder.dispose();
    await model.dispose();
    if (dtype === 'fp32') expect(theirText).toBe(text);
    // Other types may leave the path of the likeliest letters, but not at once.
    else expect(theirText.slice(0, 4)).toBe(text.slice(0, 4));
    expect(theirText).toHaveLength(40);
  });

  test('versions of the operators, standard ones alone; a file is overwritten whole', async () => {
    const model = await loadModel(shipped('shakespeare'));
    for (const opset of [17, 23]) {
      const { files } = await exportModel(model, folder, { opset });
      const { outputs, opset: written } = fromOnnx(readFileSync(files[0]!.file));
      expect(written).toBe(opset);
      const domains = topologicalOrder(Object.values(outputs)).map(({ op }) => op.domain ?? '');
      expect(new Set(domains)).toEqual(new Set(['']));
    }
    expect(readdirSync(join(folder, 'onnx')).filter((name) => name.startsWith('.'))).toEqual([]);
    await model.dispose();
  });

  test('what isn’t there is said', async () => {
    const model = await loadModel(shipped('shakespeare'));
    await expect(exportModel(model, folder, { dtype: 'int3' as never })).rejects.toThrow(
      'exportModel: dtype is "int3"; there are fp32, fp16, int8, int4',
    );
    await expect(exportModel(model, folder, { opset: 12 })).rejects.toThrow('opset is 12; needs 17 to 23');
    await model.dispose();
  });

  test('an aborted export leaves nothing', async () => {
    const model = await loadModel(shipped('shakespeare'));
    const target = join(scratch, 'aborted');
    const signal = AbortSignal.timeout(1);
    await expect(exportModel(model, target, { signal })).rejects.toThrow(/abort|timeout/i);
    expect(existsSync(join(target, 'onnx'))).toBe(false);
    await model.dispose();
  });
});

test('an encoder gives transformers.js the states that it gives here', async () => {
  const folder = join(scratch, 'encoder');
  const model = await loadModel(shipped('spam'));
  await exportModel(model, folder);
  const classifier = await pipeline('text-classification', folder, local('fp32'));
  const [found] = (await classifier('WIN a free prize! Call now')) as [{ label: string; score: number }];
  expect(found.label).toBe('spam');
  await classifier.dispose();
  const bert = await TheirModel.from_pretrained(folder, local('fp32'));
  expect(bert).toBeDefined();
  await bert.dispose();
  await model.dispose();
});
