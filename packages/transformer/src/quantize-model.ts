// A model's weights in few bits, and what that costs: how much each kind of brick changes the perplexity of a text.
import type { Tensor } from '@brickwork/graph';
import { input } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import {
  blocksConfig,
  compile,
  ConstantWeights,
  hostTensor,
  type CompileOptions,
  type HostTensor,
  type StoredBlocks,
} from '@brickwork/runtime';
import type { Config } from './architecture.ts';
import { isCausalLM } from './causal-lm.ts';
import { traceMore } from './decoder-graph.ts';
import type { DecoderProgramsOptions, DecoderType } from './decoder-programs.ts';
import { traceNetwork } from './export/network-graph.ts';
import { traceDecoderFile, traceEncoderFile } from './export/seq2seq-graph.ts';
import type { Model } from './model.ts';
import { isSeq2Seq } from './seq2seq.ts';

/** How weights are held. */
export interface QuantizeOptions {
  /** The type of most of them. */
  readonly dtype: Exclude<DecoderType, 'fp32'>;
  /** Another type for some; `dtype` for all unless given. */
  readonly dtypeOf?: (name: string) => DecoderType;
  /** Values that share a scale: 16, 32, 64 or 128; 32 unless given. */
  readonly blockSize?: 16 | 32 | 64 | 128;
}

const held = (model: Model, { dtype, dtypeOf = () => dtype, blockSize = 32 }: QuantizeOptions): ConstantWeights =>
  new ConstantWeights(model.weights, {
    blockSize,
    formatOf(name) {
      const own = dtypeOf(name);
      return own === 'fp32' ? null : own;
    },
  });

/**
 * The weights that products and tables read, in blocks of 4 or 8 bits with a scale each; nothing is needed to calibrate them.
 * `model.save(folder, { blocks })` writes them, and every reader of the folder gets float32 weights of the values that they
 * stand for.
 */
export function quantizeModel(model: Model, o: QuantizeOptions): ReadonlyMap<string, StoredBlocks> {
  const { network } = model;
  const weights = held(model, o);
  const graphs: Readonly<Record<string, Tensor>>[] = isCausalLM(network)
    ? [traceMore(network, { keepsStates: false })]
    : isSeq2Seq(network)
      ? [traceEncoderFile(network).outputs, traceDecoderFile(network).outputs]
      : [traceNetwork(network, { who: 'quantizeModel' }).outputs];
  for (const outputs of graphs) weights.apply(outputs);
  return weights.blocks;
}

/** How a decoder holds the weights of a model whose folder has them in few bits; nothing where it doesn't. */
export function storedTypes(config: Config): Pick<DecoderProgramsOptions, 'dtype' | 'dtypeOf' | 'blockSize'> {
  const found = Object.entries(blocksConfig(config)?.weights ?? {});
  if (!found.length) return {};
  const types = new Map(found.map(([name, { bits }]) => [name, bits === 4 ? 'int4' : 'int8'] as const));
  const blockSize = found[0]![1].block_size as NonNullable<DecoderProgramsOptions['blockSize']>;
  // Names in the file may lack the prefix of the class.
  const typeOf = (name: string): DecoderType =>
    types.get(name) ?? [...types].find(([own]) => name.endsWith(`.${own}`))?.[1] ?? 'fp32';
  return { dtype: [...types.values()].includes('int4') ? 'int4' : 'int8', dtypeOf: typeOf, blockSize };
}

/** Which bricks weights are of: layers' numbers become `*`. */
export const brickOf = (name: string): string => name.replace(/\.\d+\./g, '.*.').replace(/\.(weight|bias)$/, '');

/** What one kind of brick costs in few bits. */
export interface BrickSensitivity {
  /** `transformer.h.*.attn.c_attn`; null for all together. */
  readonly brick: string | null;
  readonly weights: number;
  readonly perplexity: number;
  /** How much larger the perplexity is than in float32, as a share of it. */
  readonly change: number;
}

/** How {@link sensitivity} measures. */
export interface SensitivityOptions extends QuantizeOptions {
  /** Texts as ids, each of at least two and at most the context's length. */
  readonly texts: readonly (readonly number[])[];
  readonly compile?: CompileOptions;
  readonly signal?: AbortSignal;
}

/**
 * The perplexity of texts with each kind of brick in few bits, all others in float32; first with all of them.
 *
 * @throws where the model doesn't predict next tokens, or a text has fewer than two.
 */
export async function* sensitivity(
  model: Model,
  { texts, signal, compile: options = {}, ...o }: SensitivityOptions,
): AsyncGenerator<BrickSensitivity, void, undefined> {
  const { network } = model;
  if (!isCausalLM(network)) throw new Error(`sensitivity: ${model.className} doesn't predict next tokens`);
  const { dtypeOf = () => o.dtype } = o;
  const blocks = quantizeModel(model, o);
  const bricks = [...new Set([...blocks.keys()].map(brickOf))];
  const perplexity = async (typeOf: (name: string) => DecoderType): Promise<number> => {
    signal?.throwIfAborted();
    return await measure(model, held(model, { ...o, dtypeOf: typeOf }), texts, options, signal);
  };
  const before = await perplexity(() => 'fp32');
  for (const brick of [null, ...bricks]) {
    const isOwn = (name: string): boolean => brick === null || brickOf(name) === brick;
    const found = await perplexity((name) => (isOwn(name) ? dtypeOf(name) : 'fp32'));
    const own = [...blocks].filter(([name]) => isOwn(name));
    yield {
      brick,
      weights: own.reduce((n, [, { N, K }]) => n + N * K, 0),
      perplexity: found,
      change: found / before - 1,
    };
  }
}

async function measure(
  { network }: Model,
  weights: ConstantWeights,
  texts: readonly (readonly number[])[],
  options: CompileOptions,
  signal: AbortSignal | undefined,
): Promise<number> {
  parameters(network);
  const given = Object.fromEntries(['input_ids', 'labels'].map((name) => [name, input(name, [1, 'T'], 'int64')]));
  const loss = network.trace(given, evaluating())['loss']!();
  const program = await compile(weights.apply({ loss }), options);
  try {
    let sum = 0;
    let tokens = 0;
    for (const [i, ids] of texts.entries()) {
      signal?.throwIfAborted();
      if (ids.length < 2) throw new Error(`sensitivity: text ${i} has ${ids.length} tokens; needs two or more`);
      const row: HostTensor = hostTensor(BigInt64Array.from(ids, BigInt), [1, ids.length]);
      const out = await program.run({ input_ids: row, labels: row });
      sum += Number(out['loss']!.data[0]) * (ids.length - 1);
      tokens += ids.length - 1;
    }
    return Math.exp(sum / tokens);
  } finally {
    await program.dispose();
  }
}
