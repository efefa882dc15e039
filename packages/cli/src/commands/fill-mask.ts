// lm fill-mask: the most probable tokens in the place of [MASK].
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { readLines, type TextArgs } from '../lib/read-texts.ts';
import { table } from '../lib/table.ts';

interface Args extends EngineArgs, ModelArgs, TextArgs {
  readonly topK: number;
  readonly json: boolean;
}

/** `lm fill-mask`. */
export const fillMaskCommand: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; lines of stdin unless given' },
  },
  flags: {
    ...modelFlags('models/encoder'),
    ...flags('Flags', {
      file: { type: 'texts', alias: 'f', describe: 'a file with a text on each line' },
      'top-k': {
        type: 'number',
        alias: 'k',
        min: 1,
        whole: true,
        default: 5,
        describe: 'tokens for each masked place',
      },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each text' },
    }),
    ...engineFlags,
  },
  examples: [
    ['fill-mask "It was a [MASK] day."', 'the five most probable words, of the model that ships'],
    ['fill-mask -m bert-base-uncased -k 1 --json < texts.txt', 'a line of JSON for each line'],
  ],
  async run(a, io) {
    const texts = await readLines(a, io);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const { AutoModel, fillMask } = await import('@brickwork/transformer');
    const model = await AutoModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
    if (!('mask' in (await model.tokenizer()).specialTokens))
      throw usage(
        `${a.model} has no mask token; needs a model that was trained to fill masks`,
        '-m with a BERT-like model',
      );
    const tokenizer = await model.tokenizer();
    try {
      for (const [i, text] of texts.entries()) {
        const places = await fillMask(model, tokenizer, text, { topK: a.topK, signal });
        if (a.json) {
          const described = places.map((place) =>
            place.map(({ score, token, tokenText, sequence }) => ({ score, token, token_str: tokenText, sequence })),
          );
          await io.writeJson({ text, masks: described });
          continue;
        }
        if (i) await io.write('\n');
        for (const [p, place] of places.entries()) {
          if (places.length > 1) await io.write(`${p ? '\n' : ''}mask ${p + 1}:\n`);
          const rows = place.map(({ score, tokenText, sequence }) => [score.toFixed(4), tokenText, sequence]);
          await io.write(table(rows));
        }
      }
    } finally {
      await model.dispose();
    }
  },
};
