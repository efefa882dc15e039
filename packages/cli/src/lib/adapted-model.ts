// A model with an adapter of PEFT's on it, as one network with all weights.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CompileOptions, HostTensor } from '@brickwork/runtime';
import type { Adapter, Config, Model } from '@brickwork/transformer';
import { CliError, usage } from './errors.ts';
import { flags } from './flags.ts';
import { readConfig } from './task-names.ts';

/** `--adapter`. */
export const adapterFlag: ReturnType<typeof flags> = flags('Model', {
  adapter: { type: 'text', describe: 'folder of an adapter for the model, as PEFT or lm finetune writes it' },
});

/** Which model to open. */
export interface OpenAdapted {
  /** The base model's folder. */
  readonly folder: string;
  /** The adapter's folder; none where undefined. */
  readonly adapter?: string | undefined;
  /** The class to open it as; the one that was saved unless given. */
  readonly className?: string | undefined;
  readonly signal: AbortSignal;
  readonly compile?: CompileOptions;
}

/** Reads an adapter's folder. @throws where there is none. */
export async function openAdapter(folder: string, signal: AbortSignal): Promise<Adapter> {
  if (!existsSync(join(folder, 'adapter_config.json')))
    throw usage(`no adapter in ${folder}: it has no adapter_config.json`, 'a folder that PEFT or lm finetune wrote');
  const { readAdapter } = await import('@brickwork/transformer');
  return readAdapter(folder, { signal });
}

/** What the adapter's folder says of the classes: its config.json, or else the size of its head. */
async function labelsOf(folder: string, adapter: Adapter): Promise<Config> {
  if (existsSync(join(folder, 'config.json'))) {
    const { id2label, label2id, problem_type, num_labels } = await readConfig(folder);
    return Object.fromEntries(
      Object.entries({ id2label, label2id, problem_type, num_labels }).filter(([, value]) => value !== undefined),
    );
  }
  const head = [...adapter.tensors].find(([name]) => /(^|\.)(classifier|score)(\.out_proj)?\.weight$/.test(name));
  return head ? { num_labels: head[1].shape[0] } : {};
}

/** Opens a model, with an adapter if one is given. @throws where they don't fit. */
export async function openAdapted({ folder, adapter: path, className, signal, compile }: OpenAdapted): Promise<Model> {
  const { adaptNetwork, AutoModel, checkAdapter, Model } = await import('@brickwork/transformer');
  const o = { signal, ...(compile && { compile }) };
  const named = className === undefined ? {} : { class: className };
  if (path === undefined) return AutoModel.fromPretrained(folder, { ...o, ...named });
  const adapter = await openAdapter(path, signal);
  const config = await labelsOf(path, adapter);
  const base = await AutoModel.fromPretrained(folder, { ...o, ...named, config, missing: 'initialize' });
  const lacking = base.initialized.filter((name) => !adapter.tensors.has(name));
  if (lacking.length)
    throw new CliError(`${folder} lacks ${lacking.join(', ')}, and the adapter in ${path} doesn't have it either`);
  const network = adaptNetwork(base.network, adapter.config);
  checkAdapter(network, adapter.tensors, path);
  const weights = new Map<string, HostTensor>([...base.weights, ...adapter.tensors]);
  const { architecture, className: own, generationConfig, config: full } = base;
  await base.dispose();
  return new Model({ network, architecture, className: own, weights, config: full, generationConfig, folder }, compile);
}
