// Writes a model as ONNX in the folder that Hugging Face's Optimum and transformers.js use: config.json, tokenizer, and
// onnx/model.onnx with the weights inside. What is written is run and compared with the model before it is kept.
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { inHalf, portable, topologicalOrder, writeOnnx, type Tensor } from '@brickwork/graph';
import { parameters } from '@brickwork/nn';
import {
  ConstantWeights,
  tokenizerFileNames,
  writeFileAtomic,
  type InputSpec,
  type WeightFormat,
} from '@brickwork/runtime';
import type { Model } from '../model.ts';
import { isCausalLM } from '../causal-lm.ts';
import { isSeq2Seq } from '../seq2seq.ts';
import { checkExport, type ExportCheck } from './check-export.ts';
import { traceWithCache } from './decoder-graph.ts';
import { traceNetwork } from './network-graph.ts';
import { traceDecoderFile, traceEncoderFile } from './seq2seq-graph.ts';

/** Element types that a model is exported in. */
export const exportTypes = ['fp32', 'fp16', 'int8', 'int4'] as const;
/** How weights are held in the file. */
export type ExportType = (typeof exportTypes)[number];

/** How to export. */
export interface ExportOptions {
  /**
   * `fp32`, unless given; `fp16` computes in float16; `int8` and `int4` hold the weights of products, and tables, in blocks
   * with a scale each, for decoders; `int8` of other models has int8 weights, and activations that are rounded as they come.
   */
  readonly dtype?: ExportType;
  /** Version of the standard operators, 17 to 23; 20 unless given. */
  readonly opset?: number;
  /** Values that share a scale in blocks: 16, 32, 64 or 128; 32 unless given. */
  readonly blockSize?: 16 | 32 | 64 | 128;
  /** Weights for which this is true stay in float32, whatever the type. */
  readonly keep?: (name: string) => boolean;
  /** Weights for which this is true become inputs of the file instead: an adapter's, to be given with each call. */
  readonly weightInputs?: (name: string) => boolean;
  /** For an error if what was written differs from the model by more than its tolerance; true unless given. */
  readonly check?: boolean;
  readonly signal?: AbortSignal;
}

/** One of the files that were written. */
export interface ExportedFile {
  /** The ONNX file. */
  readonly file: string;
  /** Of the file, with its data. */
  readonly bytes: number;
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly InputSpec[];
}

/** What was written. */
export interface Exported {
  /** One; of an encoder-decoder two, the encoder first. */
  readonly files: readonly ExportedFile[];
  /** The comparison with the model; null where none was asked for. */
  readonly check: ExportCheck | null;
}

/** What transformers.js adds to the name of a file of each type. */
const suffixes: Readonly<Record<ExportType, string>> = { fp32: '', fp16: '_fp16', int8: '_int8', int4: '_q4' };

/**
 * Writes `onnx/model….onnx` and what belongs beside it into a folder, which may hold exports of other types already.
 *
 * Decoders have a cache of keys and values as inputs and outputs (`past_key_values.0.key`, `present.0.key`), as transformers.js
 * and Optimum expect them; encoder-decoders are two files, `encoder_model` and `decoder_model_merged`; other models are one
 * pass. Batch and length are dynamic. All but blocks of few bits are standard operators. Weights of more than 1 GiB go to a file
 * beside the model.
 *
 * @throws where the model can't be exported, or the file's results differ from the model's; then nothing new is left.
 */
export async function exportModel(model: Model, folder: string, o: ExportOptions = {}): Promise<Exported> {
  const { dtype = 'fp32', opset = 20, check = true, weightInputs = () => false, signal } = o;
  if (!exportTypes.includes(dtype))
    throw new Error(`exportModel: dtype is ${JSON.stringify(dtype)}; there are ${exportTypes.join(', ')}`);
  if (!(Number.isInteger(opset) && opset >= 17 && opset <= 23))
    throw new Error(`exportModel: opset is ${opset}; needs 17 to 23`);
  signal?.throwIfAborted();
  const { network } = model;
  const traced = isSeq2Seq(network)
    ? [traceEncoderFile(network), traceDecoderFile(network)]
    : [isCausalLM(network) ? traceWithCache(network) : traceNetwork(network, { who: 'exportModel' })];
  const weights = heldWeights(model, { ...o, dtype });
  const target = join(folder, 'onnx');
  const made = await mkdir(target, { recursive: true });
  const temporary = join(target, `.${traced[0]!.name}${suffixes[dtype]}.${process.pid}.tmp`);
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    const files: ExportedFile[] = [];
    for (const { name, inputs: own, outputs } of traced) {
      const given = [...parameters(network)].filter(([key]) => weightInputs(key)).map(([, parameter]) => parameter);
      const inputs = [...own, ...usedBy(outputs, given)];
      const standard = portable(weights.apply(outputs), { opset });
      const file = `${name}${suffixes[dtype]}.onnx`;
      const written = dtype === 'fp16' ? inHalf(standard, { keep: (key) => !isCache(key) }) : standard;
      await writeOnnx(join(temporary, file), written, {
        opset,
        inputs: dtype === 'fp16' ? inputs.filter((x) => !isCache(x.name!)) : inputs,
        name: model.className,
        externalData: { suffix: '_data' },
        ...(signal && { signal }),
      });
      files.push({
        file: join(target, file),
        bytes: 0,
        inputs: inputs.map((x) => spec(x.name!, x, dtype === 'fp16' && isCache(x.name!))),
        outputs: Object.entries(written).map(([key, x]) => spec(key, x)),
      });
    }
    const compared = check
      ? await checkExport(
          model,
          files.map(({ file }) => join(temporary, basename(file))),
          dtype,
          signal,
        )
      : null;
    const written = await readdir(temporary);
    const sizes = new Map<string, number>();
    for (const name of written) sizes.set(name, (await stat(join(temporary, name))).size);
    await besides(model, folder, dtype, written);
    // A model never stands without its data, nor beside another's.
    for (const { file } of files) await rm(file, { force: true });
    for (const name of written.toSorted((a, b) => b.length - a.length))
      await rename(join(temporary, name), join(target, name));
    return {
      files: files.map((one) => {
        const name = basename(one.file);
        return { ...one, bytes: sizes.get(name)! + (sizes.get(`${name}_data`) ?? 0) };
      }),
      check: compared,
    };
  } catch (error) {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const spec = (name: string, { shape, dtype }: Tensor, isHalf = false): InputSpec => ({
  name,
  shape,
  dtype: isHalf ? 'float16' : dtype,
});

// Those of some inputs that a graph reads.
function usedBy(outputs: Readonly<Record<string, Tensor>>, some: readonly Tensor[]): Tensor[] {
  const read = new Set(topologicalOrder(Object.values(outputs)).flatMap(({ inputs }) => inputs.map((x) => x.name)));
  return some.filter((x) => read.has(x.name));
}

const isCache = (name: string): boolean => /^(past_key_values|present)\./.test(name);

// The weights in the type that was asked for. Those of encoders and vision models are multiplied in whole numbers.
function heldWeights(
  { network, weights }: Model,
  { dtype, blockSize = 32, keep = () => false, weightInputs = () => false }: ExportOptions,
): ConstantWeights {
  const writes = isCausalLM(network) || isSeq2Seq(network);
  const format: WeightFormat | null =
    dtype === 'int4' ? 'int4' : dtype === 'int8' ? (writes ? 'int8' : 'dynamic') : null;
  const inside = new Map([...weights].filter(([name]) => !weightInputs(name)));
  return new ConstantWeights(inside, { format, blockSize, formatOf: (name) => (keep(name) ? null : format) });
}

// config.json, generation_config.json and the files of tokenizer and images.
async function besides(model: Model, folder: string, dtype: ExportType, written: readonly string[]): Promise<void> {
  const json = async (name: string, content: object): Promise<void> =>
    writeFileAtomic(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  const before = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}');
  const theirs = (JSON.parse(before) as Record<string, unknown>)['transformers.js_config'] as object | undefined;
  const own: Record<string, unknown> = { ...theirs };
  if (dtype === 'fp16' && (isCausalLM(model.network) || isSeq2Seq(model.network)))
    own['kv_cache_dtype'] = { ...(own['kv_cache_dtype'] as object), fp16: 'float16' };
  for (const data of written.filter((file) => file.endsWith('_data')))
    own['use_external_data_format'] = {
      ...(own['use_external_data_format'] as object),
      [data.replace('_data', '')]: 1,
    };
  await json('config.json', {
    ...model.config,
    architectures: [model.className],
    ...(Object.keys(own).length && { 'transformers.js_config': own }),
  });
  if (Object.keys(model.generationConfig).length) await json('generation_config.json', model.generationConfig);
  if (model.folder === null) return;
  for (const name of [...tokenizerFileNames, 'preprocessor_config.json']) {
    const content = await readFile(join(model.folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (content) await writeFileAtomic(join(folder, name), content);
  }
}
