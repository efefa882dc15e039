// Reads sentence encoders: folders of sentence-transformers, and those of a Transformer alone.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, resolveModel, type HostTensor } from '@brickwork/runtime';
import { loadTokenizer } from '@brickwork/tokenizer';
import { architectures, AutoModel, type FromPretrainedOptions, type Model } from '@brickwork/transformer';
import type { EncoderBody, EncoderParts } from './encoder-parts.ts';
import {
  readFields,
  readModule,
  readModules,
  readSettings,
  type ModuleEntry,
  type ModuleSpec,
} from './module-folder.ts';
import { Pooling } from './pooling.ts';
import { stateWidth } from './sentence-network.ts';
import { StaticEmbedding } from './static-embedding.ts';

/** Which encoder to open, and how. */
export type LoadEncoderOptions = Pick<
  FromPretrainedOptions,
  'class' | 'compile' | 'signal' | 'revision' | 'offline' | 'cacheDir' | 'token' | 'onProgress'
>;

/**
 * Reads the parts of an encoder.
 *
 * @throws where a file is missing or broken, a module or a setting isn't known, or a weight isn't a finite number.
 */
export async function loadEncoder(pathOrHubId: string, o: LoadEncoderOptions = {}): Promise<EncoderParts> {
  const { signal, onProgress, class: _, compile: __, ...hub } = o;
  const folder = await resolveModel(pathOrHubId, {
    ...hub,
    ...(signal && { signal }),
    ...(onProgress && { onProgress: (p) => onProgress({ stage: 'download', ...p }) }),
  });
  const entries = (await readModules(folder)) ?? [{ kind: 'Transformer', path: '' }];
  const [first, ...rest] = entries as [ModuleEntry, ...ModuleEntry[]];
  const own = join(folder, first.path);
  if (!(await stat(own).catch(() => null))?.isDirectory())
    throw new Error(`${folder} lacks the folder ${first.path}, which its modules.json needs for ${first.kind}`);
  const body: EncoderBody =
    first.kind === 'StaticEmbedding'
      ? { kind: 'static', weights: await readTable(own) }
      : { kind: 'transformer', model: await readTransformer(own, o) };
  const settings = await readSettings(folder, own);
  const network = body.kind === 'transformer' ? body.model.network : tableNetwork(body.weights);
  let width = stateWidth(network);
  const mean: ModuleSpec = { kind: 'Pooling', config: new Pooling(width).config, weights: new Map() };
  const modules: ModuleSpec[] = body.kind === 'static' || !rest.length ? [mean] : [];
  for (const entry of rest) {
    if (body.kind === 'static' && entry.kind === 'Pooling')
      throw new Error(`${folder}: modules.json has a Pooling after a StaticEmbedding, which pools by itself`);
    const read = await readModule(folder, entry, width);
    modules.push(read.spec);
    width = read.width;
  }
  if (modules[0]!.kind !== 'Pooling')
    throw new Error(`${folder}: modules.json has a ${modules[0]!.kind} behind the Transformer; needs a Pooling first`);
  const parts = { body, modules, tokenizer: await loadTokenizer(own), settings };
  checkFinite(folder, body.kind === 'transformer' ? body.model.weights : body.weights);
  for (const { kind, weights } of modules) checkFinite(`${folder}: ${kind}`, weights);
  return { ...parts, settings: { ...settings, maxLength: await longest(parts, own) } };
}

// Most tokens of a text: what is said, but no more than the body sees.
async function longest({ body, settings }: EncoderParts, folder: string): Promise<number | null> {
  if (body.kind === 'static') return settings.maxLength;
  const { longest: sees = {} } = body.model.network;
  const fits = sees['T'] ?? sees['S'] ?? Infinity;
  const { model_max_length: usual } = (await readFields(join(folder, 'tokenizer_config.json'))) ?? {};
  const most = settings.maxLength ?? (typeof usual === 'number' && usual > 0 ? usual : Infinity);
  const found = Math.min(most, fits);
  return found < 1e9 ? found : null;
}

const tableNetwork = (weights: ReadonlyMap<string, HostTensor>): StaticEmbedding => {
  const [count, width] = weights.get('embedding.weight')!.shape;
  return new StaticEmbedding(count!, width!);
};

async function readTable(folder: string): Promise<Map<string, HostTensor>> {
  const file = join(folder, 'model.safetensors');
  if (!(await stat(file).catch(() => null)))
    throw new Error(`${folder} lacks model.safetensors, which a StaticEmbedding needs`);
  const { tensors } = await readSafetensors(file, { widen: true });
  // model2vec calls it so.
  const table = tensors.get('embedding.weight') ?? tensors.get('embeddings');
  if (!table || table.dtype !== 'float32' || table.shape.length !== 2 || table.shape.includes(0))
    throw new Error(
      `${file}: ${table ? `embedding.weight is ${table.dtype} (${table.shape.join(', ')})` : `no embedding.weight, only ${[...tensors.keys()].slice(0, 3).join(', ')}`}; a StaticEmbedding needs a float32 vector for each token`,
    );
  const others = [...tensors.keys()].filter((name) => tensors.get(name) !== table);
  if (others.length)
    throw new Error(
      `${file}: ${others.join(', ')} ${others.length > 1 ? 'stand' : 'stands'} beside the table; tables with a mapping or weights of their own (newer model2vec) aren't implemented`,
    );
  return new Map([['embedding.weight', table]]);
}

async function readTransformer(folder: string, o: LoadEncoderOptions): Promise<Model> {
  const config = await readFields(join(folder, 'config.json'));
  const name = o.class ?? (config ? bodyClass(config) : undefined);
  const model = await AutoModel.fromPretrained(folder, {
    ...(name !== undefined && { class: name }),
    missing: 'initialize',
    ...(o.compile && { compile: o.compile }),
    ...(o.signal && { signal: o.signal }),
    ...(o.onProgress && { onProgress: o.onProgress }),
  });
  // BERT's pooler, which no vector depends on, is missing from checkpoints of its masked language models.
  const missing = model.initialized.filter((one) => !/(^|\.)pooler\./.test(one));
  if (missing.length)
    throw new Error(
      `${folder}: the checkpoint lacks ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''} of ${model.weights.size} weights`,
    );
  return model;
}

/** The class of a config's architecture that has no head; undefined where there is none. */
export function bodyClass(config: Readonly<Record<string, unknown>>): string | undefined {
  const type = config['model_type'];
  if (typeof type !== 'string' || !Object.hasOwn(architectures, type)) return undefined;
  const names = Object.keys(architectures[type]!.classes);
  const saved: unknown = Array.isArray(config['architectures']) ? config['architectures'][0] : undefined;
  const isBody = (name: unknown): boolean =>
    typeof name === 'string' && name.endsWith('Model') && !/(LMHead|MT)Model$/.test(name);
  if (isBody(saved)) return saved as string;
  return names.find((name) => name.endsWith('EncoderModel')) ?? names.find(isBody);
}

/** @throws naming the first tensor with a value that isn't a finite number. */
export function checkFinite(who: string, tensors: ReadonlyMap<string, HostTensor>): void {
  for (const [name, { data, dtype }] of tensors) {
    if (dtype !== 'float32') continue;
    const values = data as Float32Array;
    let at = 0;
    while (at < values.length && Number.isFinite(values[at]!)) at++;
    if (at === values.length) continue;
    throw new Error(
      `${who}: ${name} holds ${values[at]} (value ${at} of ${values.length}); the file is broken, or training diverged`,
    );
  }
}
