// lm tokenizer decode: ids to text.
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { tokenizerAt, tokenizerFlag } from '../lib/tokenizer-flag.ts';

interface Args {
  readonly ids: readonly string[];
  readonly model: string;
  readonly skipSpecialTokens: boolean;
  readonly json: boolean;
}

/** `lm tokenizer decode`. */
export const tokenizerDecode: Command<Args> = {
  positionals: {
    ids: {
      type: 'string',
      array: true,
      default: [],
      describe: 'ids with spaces or commas between; stdin unless given',
    },
  },
  flags: flags('Flags', {
    model: tokenizerFlag,
    'skip-special-tokens': { type: 'switch', default: true, describe: 'leave special tokens out of the text' },
    json: { type: 'switch', default: false, describe: 'a line of JSON: the text, the ids and their tokens' },
  }),
  examples: [
    ['tokenizer decode 27 1 30', 'with the vocabulary of the model that ships'],
    ['tokenizer encode "O Romeo" | lm tokenizer decode', 'there and back'],
  ],
  async run(a, io) {
    const words = [...a.ids, ...a.rest];
    const given = words.length ? words.join(' ') : await io.readStdin();
    const ids = given
      .split(/[\s,]+/)
      .filter(Boolean)
      .map((word) => {
        if (!/^\d{1,15}$/.test(word)) throw usage(`${JSON.stringify(word)} is not an id; needs whole numbers`);
        return Number(word);
      });
    const tokenizer = await tokenizerAt(a.model);
    const text = tokenizer.decode(ids, { skipSpecialTokens: a.skipSpecialTokens });
    if (a.json) await io.writeJson({ text, ids, tokens: ids.map((id) => tokenizer.idToToken(id)) });
    else await io.write(`${text}\n`);
  },
};
