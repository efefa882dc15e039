// lm adapter info: what an adapter is, where it stands, and how large it is.
import { openAdapter } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { flags } from '../lib/flags.ts';
import { bytes, count } from '../lib/progress.ts';
import { table } from '../lib/table.ts';

interface Args {
  readonly adapter: string;
  readonly json: boolean;
}

/** `lm adapter info`. */
export const adapterInfo: Command<Args> = {
  positionals: { adapter: { type: 'string', describe: 'folder of an adapter in PEFT’s format' } },
  flags: flags('Flags', { json: { type: 'switch', default: false, describe: 'one line of JSON' } }),
  examples: [['adapter info my-lora', 'its method, rank, layers and size']],
  async run(a, io) {
    const { config, tensors } = await openAdapter(a.adapter, io.interruptible());
    const sizes = [...tensors.values()].map(({ data }) => data.length);
    const parameters = sizes.reduce((x, y) => x + y, 0);
    const layers = new Set(
      [...tensors.keys()].flatMap((name) => (name.includes('.adapter.') ? [name.split('.adapter.')[0]!] : [])),
    );
    const saved = [...tensors.keys()].filter((name) => !name.includes('.adapter.') && name !== 'prompt_embeddings');
    if (a.json) {
      const described = [...tensors].map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
      await io.writeJson({ ...config, parameters, layers: [...layers], tensors: described });
      return;
    }
    const shown = (value: unknown): string =>
      Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value);
    const isSaid = (value: unknown): boolean =>
      value !== null && !(typeof value === 'object' && Object.keys(value as object).length === 0);
    await io.write(
      table([
        ...Object.entries(config)
          .filter(([, value]) => isSaid(value))
          .map(([name, value]) => [name, shown(value)]),
        ['parameters', `${count(parameters)} (${bytes(4 * parameters)})`],
        ...(layers.size ? [['layers', count(layers.size)]] : []),
        ...(saved.length ? [['saved whole', saved.join(', ')]] : []),
      ]),
    );
  },
};
