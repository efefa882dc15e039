// lm attention: what the tokens of a text look at, as numbers or as a picture.
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { table } from '../lib/table.ts';
import { writeDrawing } from '../lib/write-drawing.ts';

interface Args extends EngineArgs, ModelArgs {
  readonly text: string;
  readonly layer: number;
  readonly head: string;
  readonly output?: string;
  readonly title?: string;
  readonly json: boolean;
}

/** `lm attention`. */
export const attention: Command<Args> = {
  positionals: { text: { type: 'string', describe: 'a text in quotes', demandOption: true } },
  flags: {
    ...modelFlags('models/encoder'),
    ...flags('Attention', {
      layer: { type: 'number', whole: true, default: -1, describe: 'from 0, or from the end: -1 is the last' },
      head: { type: 'text', default: 'mean', describe: 'a number from 0, the mean of all, or all of them' },
    }),
    ...flags('Output', {
      output: {
        type: 'text',
        alias: 'o',
        describe: 'draws a heat map to this file: .svg or .png; numbers unless given',
      },
      title: { type: 'text', describe: 'above the picture' },
      json: { type: 'switch', default: false, describe: 'one line of JSON with the weights' },
    }),
    ...engineFlags,
  },
  examples: [
    ['attention "I can buy a can of fish" --layer 2 --head 3 -o map.svg', 'one head'],
    ['attention "I can buy a can of fish" --head all -o heads.png', 'all heads of the last layer'],
    ['attention "The cat sat" -m gpt2 --json', 'the weights as numbers'],
  ],
  async run(a, io) {
    const { output } = a;
    if (output !== undefined && !/\.(?:svg|png)$/i.test(output))
      throw usage(`--output is '${output}'; needs a name that ends in .svg or .png`);
    if (!/^(\d+|mean|all)$/.test(a.head)) throw usage(`--head is '${a.head}'; needs a number from 0, mean or all`);
    if (!a.text.trim()) throw usage('the text is empty');
    const head = a.head === 'mean' || a.head === 'all' ? a.head : Number(a.head);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const [{ AutoModel }, { attentionMaps, attentionPicture, meanHead }] = await Promise.all([
      import('@brickwork/transformer'),
      import('@brickwork/embedding'),
    ]);
    const model = await AutoModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
    try {
      const maps = await attentionMaps(model, await model.tokenizer(), a.text, { layer: a.layer, signal });
      if (typeof head === 'number' && head >= maps.heads.length)
        throw usage(
          `--head is ${head}; layer ${maps.layer} has ${maps.heads.length} heads: 0 to ${maps.heads.length - 1}`,
        );
      if (output !== undefined) {
        await writeDrawing(output, attentionPicture(maps, { head, ...(a.title !== undefined && { title: a.title }) }));
        io.note(
          `layer ${maps.layer} of ${maps.layers}, ${maps.heads.length} heads, ${maps.tokens.length} tokens: ${output}`,
        );
      }
      const { tokens, layer } = maps;
      const T = tokens.length;
      const chosen: [string | number, Float32Array][] =
        head === 'all'
          ? maps.heads.map((one, h) => [h, one])
          : [[head, head === 'mean' ? meanHead(maps) : maps.heads[head]!]];
      const rowsOf = (weights: Float32Array): number[][] =>
        tokens.map((_, row) => Array.from(weights.subarray(row * T, (row + 1) * T)));
      if (a.json)
        await io.writeJson({
          text: a.text,
          layer,
          tokens,
          heads: chosen.map(([name, weights]) => ({ head: name, weights: rowsOf(weights) })),
        });
      else if (output === undefined)
        for (const [i, [name, weights]] of chosen.entries()) {
          if (chosen.length > 1) await io.write(`${i ? '\n' : ''}head ${name}:\n`);
          const shown = rowsOf(weights).map((row, t) => [tokens[t]!, ...row.map((w) => w.toFixed(2))]);
          await io.write(
            table(
              [['', ...tokens], ...shown],
              tokens.map((_, t) => t + 1),
            ),
          );
        }
    } finally {
      await model.dispose();
    }
  },
};
