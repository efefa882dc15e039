// How a model that writes text holds its weights: a flag of generate, chat and serve.
import type { DecoderOptions } from '@brickwork/transformer';
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import { flags } from './flags.ts';

/** What the flags hold. */
export interface DecoderArgs extends EngineArgs {
  readonly dtype?: NonNullable<DecoderOptions['dtype']>;
}

/** `--dtype`. */
export const decoderFlags: ReturnType<typeof flags> = flags('Engine', {
  dtype: {
    type: 'choice',
    choices: ['fp32', 'int8', 'int4'],
    describe:
      'how weights are held while writing, fewer bits being faster; as the model’s folder has them unless given',
  },
});

/** The flags as options of a decoder. */
export const decoderOptions = (a: DecoderArgs): DecoderOptions => ({
  ...engineOptions(a),
  ...(a.dtype && { dtype: a.dtype, ...(a.dtype !== 'fp32' && { dtypeOf: () => a.dtype! }) }),
});
