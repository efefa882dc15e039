// lm inspect: what a model is made of.
import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';
import { write, writeJson } from '../lib/io.ts';
import { modelFolder } from '../lib/model-folder.ts';

interface Args {
  model: string;
  json: boolean;
  depth: number;
}

/** `lm inspect`. */
export const inspect: CommandModule<object, Args> = {
  command: 'inspect [model]',
  describe: 'Show a model’s configuration, parameters by brick, and memory',
  builder: (y: Argv) =>
    y
      .positional('model', { type: 'string', default: 'models/shakespeare', describe: 'model folder' })
      .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
      .example('$0 inspect models/shakespeare', '') as unknown as Argv<Args>,
  handler: async (a: ArgumentsCamelCase<Args>) => {
    const { loadModel } = await import('@brickwork/transformer');
    const { config, weights } = await loadModel(modelFolder(a.model));
    const bricks = [...weights].map(([name, { shape, data }]) => ({ name, shape, parameters: data.length }));
    const total = bricks.reduce((n, b) => n + b.parameters, 0);
    const memory = { weights: 4 * total, training: 16 * total };
    if (a.json) return writeJson({ config, bricks, parameters: total, memory });
    const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
    await write(
      `${Object.entries(config)
        .map(([k, v]) => `${k.padEnd(36)} ${JSON.stringify(v)}\n`)
        .join('')}\n`,
    );
    const width = Math.max(...bricks.map((b) => b.name.length));
    for (const b of bricks)
      await write(
        `${b.name.padEnd(width)}  ${`(${b.shape.join(', ')})`.padEnd(16)} ${b.parameters.toLocaleString('en').padStart(12)}\n`,
      );
    await write(`\n${'parameters'.padEnd(width)}  ${''.padEnd(16)} ${total.toLocaleString('en').padStart(12)}\n`);
    await write(
      `weights ${megabytes(memory.weights)}; weights, gradients and AdamW's two moments ${megabytes(memory.training)}\n`,
    );
    return undefined;
  },
};
