// adapter_config.json, as PEFT writes it (Mangrulkar et al., 2022): the fields that change the computation, checked.
import type { LoRAOptions } from '@brickwork/nn';
import type { Config } from '../architecture.ts';
import { readBottleneck, type BottleneckConfig } from './bottleneck-config.ts';

/** What every adapter says. */
interface Common {
  /** CAUSAL_LM, SEQ_CLS, TOKEN_CLS, QUESTION_ANS, SEQ_2_SEQ_LM, FEATURE_EXTRACTION; null where it isn't said. */
  readonly task_type: string | null;
  /** What it was trained on: a folder or hub id. */
  readonly base_model_name_or_path: string | null;
}

/** Which layers an adapter is for. */
interface Targets {
  /** Ends of layers' names, or a regular expression for the whole name, or 'all-linear'. */
  readonly target_modules: string | readonly string[];
  /** Layers that `target_modules` names but that are left alone. */
  readonly exclude_modules: string | readonly string[] | null;
  /** Modules trained as a whole and saved with the adapter: a new head. */
  readonly modules_to_save: readonly string[];
}

/** LoRA (Hu et al., 2021), rsLoRA and DoRA. */
export interface LoRAConfig extends Common, Targets {
  readonly peft_type: 'LORA';
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  readonly bias: 'none' | 'all' | 'lora_only';
  readonly use_rslora: boolean;
  readonly use_dora: boolean;
  /** Ranks and alphas of layers whose name ends as the key says. */
  readonly rank_pattern: Readonly<Record<string, number>>;
  readonly alpha_pattern: Readonly<Record<string, number>>;
  /** Only these blocks; all where null. */
  readonly layers_to_transform: readonly number[] | null;
  /** What stands before a block's number in names; the usual ones where null. */
  readonly layers_pattern: readonly string[] | null;
}

/** (IA)³ (Liu et al., 2022). */
export interface IA3Config extends Common, Targets {
  readonly peft_type: 'IA3';
  /** Those of `target_modules` whose input is scaled, not their output. */
  readonly feedforward_modules: string | readonly string[];
}

/** Prefix tuning (Li and Liang, 2021): learned keys and values before every layer's. */
export interface PrefixConfig extends Common {
  readonly peft_type: 'PREFIX_TUNING';
  readonly num_virtual_tokens: number;
}

/** Prompt tuning (Lester et al., 2021): learned vectors before the tokens'. */
export interface PromptConfig extends Common {
  readonly peft_type: 'PROMPT_TUNING';
  readonly num_virtual_tokens: number;
}

/** Any adapter that is implemented. */
export type AdapterConfig = LoRAConfig | IA3Config | PrefixConfig | PromptConfig | BottleneckConfig;

// Fields that change the computation in ways that aren't implemented, and the values that don't.
const mustBe: Readonly<Record<string, (value: unknown) => boolean>> = {
  lora_bias: (v) => v === false,
  layer_replication: (v) => Array.isArray(v) && v.length === 0,
  megatron_config: () => false,
  target_parameters: (v) => Array.isArray(v) && v.length === 0,
  trainable_token_indices: (v) => Array.isArray(v) && v.length === 0,
  alora_invocation_tokens: () => false,
  num_transformer_submodules: (v) => v === 1,
  // These change the base weights at first; the others only how the adapter begins.
  init_lora_weights: (v) => typeof v === 'boolean' || v === 'gaussian' || v === 'eva' || v === 'orthogonal',
};

/**
 * Checks an adapter_config.json; absent fields take PEFT's defaults.
 *
 * @throws where the method isn't known, a field has a wrong type, or asks for what isn't implemented.
 */
export function readAdapterConfig(json: Config): AdapterConfig {
  const fail = (field: string, needed: string): never => {
    throw new Error(`adapter_config.json: ${field} is ${JSON.stringify(json[field])}; needs ${needed}`);
  };
  for (const [field, allowed] of Object.entries(mustBe))
    if (json[field] !== undefined && json[field] !== null && !allowed(json[field]))
      fail(field, 'another value: this one is not implemented');
  const number = (field: string, standard: number, whole = true): number => {
    const value = json[field] ?? standard;
    if (typeof value !== 'number' || !(whole ? Number.isInteger(value) && value > 0 : value >= 0))
      return fail(field, whole ? 'a whole number above 0' : 'a number from 0');
    return value;
  };
  const flag = (field: string): boolean => {
    const value = json[field] ?? false;
    return typeof value === 'boolean' ? value : fail(field, 'true or false');
  };
  const text = (field: string): string | null => {
    const value = json[field] ?? null;
    return value === null || typeof value === 'string' ? value : fail(field, 'a text');
  };
  const isNames = (value: unknown): value is readonly string[] =>
    Array.isArray(value) && value.every((one) => typeof one === 'string');
  const names = (field: string): readonly string[] => {
    const value = json[field] ?? [];
    return isNames(value) ? value : fail(field, 'a list of names');
  };
  const pattern = (field: string): string | readonly string[] | null => {
    const value = json[field] ?? null;
    return value === null || typeof value === 'string' || isNames(value) ? value : fail(field, 'names or a pattern');
  };
  const numbers = (field: string): Readonly<Record<string, number>> => {
    const value = json[field] ?? {};
    const fine = typeof value === 'object' && Object.values(value as object).every((n) => typeof n === 'number');
    return fine ? (value as Record<string, number>) : fail(field, 'numbers by name');
  };
  const task = text('task_type');
  const common: Common = { task_type: task, base_model_name_or_path: text('base_model_name_or_path') || null };
  const modules_to_save = [...new Set([...names('modules_to_save'), ...headsOf(task)])];
  const targets = (): Targets => ({
    target_modules: pattern('target_modules') ?? fail('target_modules', 'names or a pattern'),
    exclude_modules: pattern('exclude_modules'),
    modules_to_save,
  });
  switch (json['peft_type']) {
    case 'LORA': {
      const bias = json['bias'] ?? 'none';
      if (bias !== 'none' && bias !== 'all' && bias !== 'lora_only') return fail('bias', 'none, all or lora_only');
      const blocks = json['layers_to_transform'] ?? null;
      const list = typeof blocks === 'number' ? [blocks] : blocks;
      if (list !== null && !(Array.isArray(list) && list.every((n) => Number.isInteger(n))))
        return fail('layers_to_transform', 'numbers of layers');
      const before = pattern('layers_pattern');
      return {
        peft_type: 'LORA',
        ...common,
        ...targets(),
        r: number('r', 8),
        lora_alpha: number('lora_alpha', 8, false),
        lora_dropout: number('lora_dropout', 0, false),
        bias,
        use_rslora: flag('use_rslora'),
        use_dora: flag('use_dora'),
        rank_pattern: numbers('rank_pattern'),
        alpha_pattern: numbers('alpha_pattern'),
        layers_to_transform: list as readonly number[] | null,
        layers_pattern: before === null || before.length === 0 ? null : [before].flat(),
      };
    }
    case 'IA3':
      return { peft_type: 'IA3', ...common, ...targets(), feedforward_modules: pattern('feedforward_modules') ?? [] };
    case 'PREFIX_TUNING':
    case 'PROMPT_TUNING':
      return { peft_type: json['peft_type'], ...common, num_virtual_tokens: number('num_virtual_tokens', 0) };
    case 'BOTTLENECK':
      return readBottleneck(json, { ...common, modules_to_save, target_modules: pattern('target_modules') });
    default:
      return fail('peft_type', 'LORA, IA3, PREFIX_TUNING, PROMPT_TUNING or BOTTLENECK');
  }
}

// PEFT saves the head with the adapter, as a new one begins at random.
function headsOf(task: string | null): readonly string[] {
  if (task === 'SEQ_CLS' || task === 'TOKEN_CLS') return ['classifier', 'score'];
  return task === 'QUESTION_ANS' ? ['qa_outputs'] : [];
}

/** A layer's rank, alpha and the rest, by its name. */
export function loraOptions(config: LoRAConfig, layer: string): LoRAOptions {
  const own = (patterns: Readonly<Record<string, number>>): number | undefined =>
    Object.entries(patterns).find(([end]) => new RegExp(`^(.*\\.)?(${end})$`).test(layer))?.[1];
  return {
    rank: own(config.rank_pattern) ?? config.r,
    alpha: own(config.alpha_pattern) ?? config.lora_alpha,
    rankStabilized: config.use_rslora,
    dropout: config.lora_dropout,
    dora: config.use_dora,
  };
}

/** Whether a list of names' ends, or a pattern of whole names, is for a layer. */
export function matchesLayer(names: string | readonly string[] | null, layer: string): boolean {
  if (names === null) return false;
  if (typeof names === 'string') return new RegExp(`^(?:${names})$`).test(layer);
  return names.some((name) => layer === name || layer.endsWith(`.${name}`));
}
