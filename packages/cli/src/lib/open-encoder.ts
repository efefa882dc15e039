// The sentence encoder that texts become vectors with.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EncodeOptions, SentenceEncoder } from '@brickwork/embedding';
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import type { Io } from './io.ts';
import { modelPath, type ModelArgs } from './open-model.ts';

/** The model that is used where none is given. */
export const standardEncoder = 'models/sentences';

/** How the encoder multiplies: what its flag holds. */
export interface EncoderTypeArgs {
  readonly dtype?: 'fp32' | 'int8';
}

/** `--dtype`. */
export const encoderTypeFlag: ReturnType<typeof flags> = flags('Engine', {
  dtype: {
    type: 'choice',
    choices: ['fp32', 'int8'],
    default: 'fp32',
    describe: 'int8 multiplies in 8 bits, in about half the time',
  },
});

/** Opens the encoder that the flags name: a folder of sentence-transformers or of a Transformer, or one of the hub. */
export async function openEncoder(
  a: ModelArgs & EngineArgs & EncoderTypeArgs,
  io: Io,
  signal: AbortSignal,
): Promise<SentenceEncoder> {
  // The body may be in a folder of its own, and config.json with it.
  const folder = existsSync(join(a.model, 'modules.json')) ? a.model : await modelPath(a, io, signal);
  const { SentenceEncoder } = await import('@brickwork/embedding');
  return SentenceEncoder.load(folder, { signal, compile: { ...engineOptions(a), ...(a.dtype && { dtype: a.dtype }) } });
}

/** What the flags hold. */
export interface EncodeArgs {
  readonly dimension?: number;
  readonly normalize: boolean;
  readonly prompt?: string;
  readonly promptName?: string;
  readonly batchSize: number;
}

/** How texts are encoded. */
export const encodeFlags: ReturnType<typeof flags> = flags('Vectors', {
  dimension: { type: 'number', min: 1, whole: true, describe: 'keeps the first axes alone (Matryoshka)' },
  normalize: { type: 'switch', default: false, describe: 'vectors of length one' },
  prompt: { type: 'text', describe: 'put before each text' },
  'prompt-name': { type: 'text', describe: 'one of the model’s own prompts: query, passage, …' },
  'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 64, describe: 'texts of a run at most' },
});

/** The flags as options of `encode`, checked against the model. */
export function encodeOptions(a: EncodeArgs, encoder: SentenceEncoder, signal: AbortSignal): EncodeOptions {
  if (a.dimension !== undefined && a.dimension > encoder.dimension)
    throw usage(`--dimension ${a.dimension}, but the model's vectors have ${encoder.dimension} axes`);
  if (a.prompt !== undefined && a.promptName !== undefined)
    throw usage('--prompt and --prompt-name were both given', 'one of them');
  if (a.promptName !== undefined && !Object.hasOwn(encoder.prompts, a.promptName))
    throw usage(
      `--prompt-name is '${a.promptName}'; the model's prompts are ${Object.keys(encoder.prompts).join(', ') || 'none'}`,
    );
  return {
    batchSize: a.batchSize,
    normalize: a.normalize,
    signal,
    ...(a.dimension !== undefined && { dimension: a.dimension }),
    ...(a.prompt !== undefined && { prompt: a.prompt }),
    ...(a.promptName !== undefined && { promptName: a.promptName }),
  };
}
