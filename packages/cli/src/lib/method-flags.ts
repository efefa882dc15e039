// What fine-tuning trains: --method and the flags of adapters, with PEFT's names and defaults.
import type { Method } from '@brickwork/training';
import { usage } from './errors.ts';
import { flags } from './flags.ts';
import { peftTasks, type TaskName } from './task-names.ts';

/** What the flags hold. */
export interface MethodArgs {
  readonly method: string;
  readonly loraR: number;
  readonly loraAlpha?: number;
  readonly loraDropout: number;
  readonly loraBias: 'none' | 'all' | 'lora_only';
  readonly useRslora: boolean;
  readonly useDora: boolean;
  readonly targetModules?: string;
  readonly feedforwardModules?: string;
  readonly modulesToSave?: string;
  readonly numVirtualTokens: number;
  readonly adapterConfig: 'houlsby' | 'pfeiffer';
  readonly reductionFactor?: number;
  readonly nonLinearity?: string;
}

/** The flags. */
export const methodFlags: ReturnType<typeof flags> = flags('Method', {
  method: {
    type: 'text',
    default: 'full',
    describe:
      'what is trained: full, head, last:N (blocks), gradual (a block more every epoch) or gradual:STEPS, bitfit, lora, adapter, ia3, prefix, prompt',
  },
  'lora-r': { type: 'number', min: 1, whole: true, default: 8, describe: 'LoRA’s rank' },
  'lora-alpha': { type: 'number', above: 0, describe: 'LoRA’s scale is alpha / r; twice the rank unless given' },
  'lora-dropout': { type: 'number', min: 0, below: 1, default: 0, describe: 'share of a LoRA’s inputs dropped' },
  'lora-bias': { type: 'choice', choices: ['none', 'all', 'lora_only'], default: 'none', describe: 'biases trained' },
  'use-rslora': { type: 'switch', default: false, describe: 'scale alpha / √r (rsLoRA)' },
  'use-dora': { type: 'switch', default: false, describe: 'magnitude and direction apart (DoRA)' },
  'target-modules': {
    type: 'text',
    describe: 'layers with an adapter: ends of names, with commas, or all-linear; as PEFT has them unless given',
  },
  'feedforward-modules': { type: 'text', describe: '(IA)³: those whose input is scaled' },
  'modules-to-save': { type: 'text', describe: 'layers trained whole and saved with the adapter' },
  'num-virtual-tokens': {
    type: 'number',
    min: 1,
    whole: true,
    default: 20,
    describe: 'prefix, prompt: learned tokens',
  },
  'adapter-config': {
    type: 'choice',
    choices: ['houlsby', 'pfeiffer'],
    default: 'pfeiffer',
    describe: 'adapter: bottlenecks behind attention and feed-forward networks, or behind the latter alone',
  },
  'reduction-factor': { type: 'number', above: 0, describe: 'adapter: a block’s width by that in the middle; 16' },
  'non-linearity': {
    type: 'text',
    describe: 'adapter: activation in the middle; swish for houlsby, relu for pfeiffer',
  },
});

// The layers that PEFT takes where none are named, by model_type.
const lora: Readonly<Record<string, string>> = {
  gpt2: 'c_attn',
  bert: 'query,value',
  roberta: 'query,value',
  'xlm-roberta': 'query,value',
  camembert: 'query,value',
  distilbert: 'q_lin,v_lin',
  t5: 'q,v',
  mt5: 'q,v',
  gpt_neox: 'query_key_value',
  modernbert: 'Wqkv',
};
const ia3: Readonly<Record<string, readonly [string, string]>> = {
  gpt2: ['c_attn,mlp.c_proj', 'mlp.c_proj'],
  bert: ['key,value,output.dense', 'output.dense'],
  roberta: ['key,value,output.dense', 'output.dense'],
  distilbert: ['k_lin,v_lin,lin2', 'lin2'],
  t5: ['k,v,wi_1', 'wi_1'],
  gpt_neox: ['query_key_value,dense_4h_to_h', 'dense_4h_to_h'],
  bart: ['k_proj,v_proj,fc2', 'fc2'],
  marian: ['k_proj,v_proj,fc2', 'fc2'],
};
const list = (text: string): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);

/** The method that the flags name. @throws where there is none of that name. */
export async function methodOf(
  a: MethodArgs,
  { task, type, base }: { task: TaskName; type: string; base: string },
): Promise<Method> {
  const { method } = a;
  if (method === 'full' || method === 'head' || method === 'bitfit') return method;
  const last = /^last:(\d+)$/.exec(method)?.[1];
  if (last !== undefined && Number(last) > 0) return { last: Number(last) };
  const [isGradual, every] = /^gradual(?::(\d+))?$/.exec(method) ?? [];
  if (isGradual !== undefined && every === undefined) return { gradual: 'epoch' };
  if (Number(every) > 0) return { gradual: Number(every) };
  const { bottleneckPresets, readAdapterConfig } = await import('@brickwork/transformer');
  const common = { task_type: peftTasks[task], base_model_name_or_path: base };
  const saved = a.modulesToSave === undefined ? {} : { modules_to_save: list(a.modulesToSave) };
  const targets = (standard: string): string | string[] => {
    const given = a.targetModules ?? standard;
    return given === 'all-linear' ? given : list(given);
  };
  switch (method) {
    case 'lora':
      return readAdapterConfig({
        peft_type: 'LORA',
        ...common,
        ...saved,
        r: a.loraR,
        lora_alpha: a.loraAlpha ?? 2 * a.loraR,
        lora_dropout: a.loraDropout,
        bias: a.loraBias,
        use_rslora: a.useRslora,
        use_dora: a.useDora,
        target_modules: targets(lora[type] ?? 'q_proj,v_proj'),
      });
    case 'ia3': {
      const [usual, feed] = ia3[type] ?? ['k_proj,v_proj,down_proj', 'down_proj'];
      return readAdapterConfig({
        peft_type: 'IA3',
        ...common,
        ...saved,
        target_modules: targets(usual),
        feedforward_modules: list(a.feedforwardModules ?? (a.targetModules === undefined ? feed : '')),
      });
    }
    case 'adapter': {
      const { activationNames } = await import('@brickwork/nn');
      if (a.nonLinearity !== undefined && !activationNames.includes(a.nonLinearity))
        throw usage(`--non-linearity is '${a.nonLinearity}'; needs one of ${activationNames.join(', ')}`);
      return readAdapterConfig({
        peft_type: 'BOTTLENECK',
        ...common,
        ...saved,
        ...bottleneckPresets[a.adapterConfig],
        ...(a.reductionFactor !== undefined && { reduction_factor: a.reductionFactor }),
        ...(a.nonLinearity !== undefined && { non_linearity: a.nonLinearity }),
        ...(a.targetModules !== undefined && { target_modules: list(a.targetModules) }),
      });
    }
    case 'prefix':
    case 'prompt':
      return readAdapterConfig({
        peft_type: method === 'prefix' ? 'PREFIX_TUNING' : 'PROMPT_TUNING',
        ...common,
        num_virtual_tokens: a.numVirtualTokens,
      });
    default:
      throw usage(
        `--method is '${method}'; needs one of full, head, last:N, gradual, gradual:STEPS, bitfit, lora, adapter, ia3, prefix, prompt`,
        'lm finetune --help',
      );
  }
}

/** A method that also trains and saves what the checkpoint lacks: a new head, and what stands below it (BERT's pooler). */
export function withNewLayers(method: Method, initialized: readonly string[]): Method {
  if (typeof method === 'string' || !('peft_type' in method) || !('modules_to_save' in method)) return method;
  const { modules_to_save: saved } = method;
  const isSaved = (layer: string): boolean => saved.some((module) => `.${layer}.`.includes(`.${module}.`));
  // 'pooler.dense' of 'bert.pooler.dense.weight'.
  const layers = initialized.map((name) => name.split('.').slice(0, -1).slice(-2).join('.'));
  const added = [...new Set(layers)].filter((layer) => !isSaved(layer));
  return added.length ? { ...method, modules_to_save: [...saved, ...added] } : method;
}
