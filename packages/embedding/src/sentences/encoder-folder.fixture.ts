// Small folders of sentence encoders, written where tests ask for them.
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostTensor, writeSafetensors, type HostTensor } from '@brickwork/runtime';

/** The encoder that ships. */
export const shippedEncoder: string = fileURLToPath(new URL('../../../../models/encoder', import.meta.url));
const shared = new URL('../../../../../shared/', import.meta.url);
/** The reference checkpoint of BERT's body. */
export const bertFolder: string = fileURLToPath(new URL('fixtures/checkpoints/bert_encoder/', shared));

/** A tokenizer of `count` words: `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `w4`, `w5`, …. */
export function wordTokenizer(count: number): object {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
  const words = Array.from({ length: count }, (_, i) => special[i] ?? `w${i}`);
  const piece = (id: string): object => ({ SpecialToken: { id, type_id: 0 } });
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [piece('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, piece('[SEP]')],
      pair: [piece('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [special.indexOf(id)], tokens: [id] }]),
      ),
    },
    decoder: null,
    model: {
      type: 'WordPiece',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
    },
  };
}

/** Files by their paths in a new folder: text, JSON, or tensors. */
export async function writeFolder(
  files: Readonly<Record<string, string | object | ReadonlyMap<string, HostTensor>>>,
  from?: string,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'brickwork-encoder-'));
  if (from !== undefined) cpSync(from, folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (content instanceof Map) await writeSafetensors(path, content);
    else writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

/** modules.json of a Transformer in the model's own folder and these modules, each in a folder of its own. */
export const modulesJson = (...kinds: readonly string[]): object[] =>
  ['Transformer', ...kinds].map((kind, idx) => ({
    idx,
    name: String(idx),
    path: idx ? `${idx}_${kind}` : '',
    type: `sentence_transformers.models.${kind}`,
  }));

/** 1_Pooling/config.json. */
export const poolingJson = (width: number, ...modes: readonly string[]): object => ({
  word_embedding_dimension: width,
  ...Object.fromEntries(
    ['cls_token', 'mean_tokens', 'max_tokens', 'mean_sqrt_len_tokens', 'weightedmean_tokens', 'lasttoken'].map(
      (mode) => [`pooling_mode_${mode}`, modes.includes(mode)],
    ),
  ),
});

/** Weights of a Dense whose value at (r, c) is sin(1 + 7r + c), and its bias r / 10. */
export function sineDense(inputs: number, outputs: number): Map<string, HostTensor> {
  const weight = Float32Array.from({ length: inputs * outputs }, (_, i) =>
    Math.sin(1 + 7 * Math.floor(i / inputs) + (i % inputs)),
  );
  const bias = Float32Array.from({ length: outputs }, (_, r) => r / 10);
  return new Map([
    ['linear.weight', hostTensor(weight, [outputs, inputs])],
    ['linear.bias', hostTensor(bias)],
  ]);
}

/** The largest difference of two vectors. */
export const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity);
