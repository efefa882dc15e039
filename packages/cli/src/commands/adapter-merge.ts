// lm adapter merge: folds an adapter into the weights of its model.
import { join } from 'node:path';
import { openAdapted, openAdapter } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { CliError } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { checkOutFolder } from '../lib/out-folder.ts';
import { classFor, peftTasks, readConfig, taskNames } from '../lib/task-names.ts';

interface Args extends ModelArgs {
  readonly adapter: string;
  readonly out: string;
}

/** `lm adapter merge`. */
export const adapterMerge: Command<Args> = {
  positionals: { adapter: { type: 'string', describe: 'folder of an adapter in PEFT’s format' } },
  flags: {
    ...modelFlags(),
    ...flags('Flags', { out: { type: 'text', alias: 'o', required: true, describe: 'folder for the merged model' } }),
  },
  examples: [['adapter merge my-lora -m gpt2 -o merged', 'a model that needs no adapter any more']],
  async run(a, io) {
    const { out } = a;
    checkOutFolder(out);
    const signal = io.interruptible();
    const { config } = await openAdapter(a.adapter, signal);
    if (config.peft_type !== 'LORA' && config.peft_type !== 'IA3')
      throw new CliError(
        `${a.adapter} is a ${config.peft_type} adapter, whose ${config.peft_type === 'BOTTLENECK' ? 'layers' : 'learned tokens'} no weight can stand for`,
        { hint: 'use it as an adapter; LoRA and (IA)³ can be merged' },
      );
    const folder = await modelPath(a, io, signal);
    const base = await readConfig(folder);
    const task = taskNames.find((name) => config.task_type !== null && peftTasks[name] === config.task_type);
    const className = task === undefined ? undefined : await classFor(task, base);
    const adapted = await openAdapted({ folder, adapter: a.adapter, className, signal });
    const { buildNetwork, architectures, mergeAdapter, Model } = await import('@brickwork/transformer');
    const built = buildNetwork(adapted.config, architectures, adapted.className);
    const weights = mergeAdapter(adapted.network, adapted.weights);
    const merged = new Model({
      ...built,
      weights,
      config: adapted.config,
      generationConfig: adapted.generationConfig,
      folder,
    });
    await merged.save(out, { signal });
    await io.write(`${join(out, 'model.safetensors')}\n`);
  },
};
