// lm tokenizer encode: text to ids.
import type { Command } from '../lib/command.ts';
import { flags } from '../lib/flags.ts';
import { readTexts, type TextArgs } from '../lib/read-texts.ts';
import { tokenizerAt, tokenizerFlag } from '../lib/tokenizer-flag.ts';

interface Args extends TextArgs {
  readonly model: string;
  readonly specialTokens: boolean;
  readonly json: boolean;
}

/** `lm tokenizer encode`. */
export const tokenizerEncode: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; stdin unless given' },
  },
  flags: flags('Flags', {
    model: tokenizerFlag,
    file: { type: 'texts', alias: 'f', describe: 'a file with a text; several times for several' },
    'special-tokens': {
      type: 'switch',
      default: true,
      describe: 'add the special tokens that the model expects around a text',
    },
    json: { type: 'switch', default: false, describe: 'a line of JSON for each text: ids, tokens and offsets' },
  }),
  examples: [
    ['tokenizer encode "O Romeo"', 'with the vocabulary of the model that ships'],
    ['tokenizer encode -m my-model --json < text.txt', 'with the tokens and their places in the text'],
  ],
  async run(a, io) {
    const tokenizer = await tokenizerAt(a.model);
    for (const text of await readTexts(a, io)) {
      const encoding = tokenizer.encode(text, { addSpecialTokens: a.specialTokens });
      const { ids } = encoding;
      if (!a.json) await io.write(`${ids.join(' ')}\n`);
      else {
        const { tokens, offsets, specialTokensMask } = encoding;
        await io.writeJson({ ids, tokens, offsets, special_tokens_mask: specialTokensMask });
      }
    }
  },
};
