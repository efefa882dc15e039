// Bottleneck adapters' part of adapter_config.json. PEFT has no such method, so the type is this library's own
// (`peft_type: BOTTLENECK`), and the fields are AdapterHub's (Pfeiffer et al., 2020).
import { activationNames } from '@brickwork/nn';
import type { Config } from '../architecture.ts';

/** Narrow networks behind frozen layers (Houlsby et al., 2019; Pfeiffer et al., 2020). */
export interface BottleneckConfig {
  readonly peft_type: 'BOTTLENECK';
  readonly task_type: string | null;
  readonly base_model_name_or_path: string | null;
  /** Whether one stands behind each attention (its output's projection). */
  readonly mh_adapter: boolean;
  /** Whether one stands behind each feed-forward network. */
  readonly output_adapter: boolean;
  /** The block's width is so many times that of the middle. */
  readonly reduction_factor: number;
  /** The middle's activation, by Hugging Face's name. */
  readonly non_linearity: string;
  /** Blocks that have none. */
  readonly leave_out: readonly number[];
  /** Layers by name in place of those that `mh_adapter` and `output_adapter` find: ends, or a pattern of whole names. */
  readonly target_modules: string | readonly string[] | null;
  /** Modules trained as a whole and saved with the adapter: a new head. */
  readonly modules_to_save: readonly string[];
}

/** The two published configurations by their authors: behind attention and feed-forward, or behind feed-forward alone. */
export const bottleneckPresets: Readonly<Record<'houlsby' | 'pfeiffer', Config>> = {
  houlsby: { mh_adapter: true, output_adapter: true, reduction_factor: 16, non_linearity: 'swish' },
  pfeiffer: { mh_adapter: false, output_adapter: true, reduction_factor: 16, non_linearity: 'relu' },
};

/** The last layers of attention, as the architectures here call them. */
export const attentionOutputs: RegExp =
  /(^|\.)(attention\.output\.dense|(\w*attn|attention)\.(c_proj|out_proj|o_proj|out_lin|dense|Wo)|(Self|EncDec)Attention\.o)$/;
/** The last layers of feed-forward networks. */
export const feedForwardOutputs: RegExp =
  /(^|\.)(mlp\.(c_proj|down_proj|dense_4h_to_h|fc2|Wo)|\d+\.output\.dense|ffn\.lin2|fc2|DenseReluDense\.wo)$/;

/**
 * Checks the fields of bottleneck adapters; absent ones are Pfeiffer's.
 *
 * @param rest the fields that every adapter has, checked
 * @throws where a field has a wrong value.
 */
export function readBottleneck(
  json: Config,
  rest: Pick<BottleneckConfig, 'task_type' | 'base_model_name_or_path' | 'modules_to_save' | 'target_modules'>,
): BottleneckConfig {
  const field = <T>(name: string, standard: T, isFine: (value: unknown) => boolean, needed: string): T => {
    const value = json[name] ?? standard;
    if (!isFine(value)) throw new Error(`adapter_config.json: ${name} is ${JSON.stringify(value)}; needs ${needed}`);
    return value as T;
  };
  const isFlag = (value: unknown): boolean => typeof value === 'boolean';
  const { pfeiffer } = bottleneckPresets;
  const config: BottleneckConfig = {
    peft_type: 'BOTTLENECK',
    ...rest,
    mh_adapter: field('mh_adapter', pfeiffer['mh_adapter'] as boolean, isFlag, 'true or false'),
    output_adapter: field('output_adapter', pfeiffer['output_adapter'] as boolean, isFlag, 'true or false'),
    reduction_factor: field(
      'reduction_factor',
      pfeiffer['reduction_factor'] as number,
      (value) => typeof value === 'number' && value > 0 && Number.isFinite(value),
      'a number above 0',
    ),
    non_linearity: field(
      'non_linearity',
      pfeiffer['non_linearity'] as string,
      (value) => activationNames.includes(value as string),
      `one of ${activationNames.join(', ')}`,
    ),
    leave_out: field(
      'leave_out',
      [] as readonly number[],
      (value) => Array.isArray(value) && value.every((n) => Number.isInteger(n)),
      'numbers of blocks',
    ),
  };
  if (!config.mh_adapter && !config.output_adapter && config.target_modules === null)
    throw new Error('adapter_config.json: mh_adapter and output_adapter are both false; needs one of them');
  return config;
}
