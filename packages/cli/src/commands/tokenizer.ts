// lm tokenizer: train a vocabulary, turn text into ids and back.
import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';
import { usage } from '../lib/errors.ts';
import { readStdin, write, writeJson } from '../lib/io.ts';
import { modelFolder } from '../lib/model-folder.ts';

interface EncodeArgs {
  text?: string;
  model: string;
  json: boolean;
}
const encode: CommandModule<object, EncodeArgs> = {
  command: 'encode [text]',
  describe: 'Print the ids of a text, or of stdin',
  builder: (y: Argv) =>
    y
      .positional('text', { type: 'string', describe: 'the text; stdin unless given' })
      .option('model', {
        alias: 'm',
        type: 'string',
        default: 'models/shakespeare',
        requiresArg: true,
        describe: 'folder with a tokenizer.json',
      })
      .option('json', { type: 'boolean', default: false, describe: 'ids, tokens and offsets as JSON' })
      .example('$0 tokenizer encode "O Romeo"', '') as unknown as Argv<EncodeArgs>,
  handler: async (a: ArgumentsCamelCase<EncodeArgs>) => {
    const { loadTokenizer } = await import('@brickwork/tokenizer');
    const tokenizer = await loadTokenizer(modelFolder(a.model));
    const encoding = tokenizer.encode(a.text ?? (await readStdin()));
    await (a.json ? writeJson(encoding) : write(`${encoding.ids.join(' ')}\n`));
  },
};

interface DecodeArgs {
  ids?: string[];
  model: string;
  json: boolean;
}
const decode: CommandModule<object, DecodeArgs> = {
  command: 'decode [ids..]',
  describe: 'Print the text of ids, or of ids on stdin',
  builder: (y: Argv) =>
    y
      .positional('ids', {
        type: 'string',
        array: true,
        describe: 'ids with spaces or commas between; stdin unless given',
      })
      .option('model', {
        alias: 'm',
        type: 'string',
        default: 'models/shakespeare',
        requiresArg: true,
        describe: 'folder with a tokenizer.json',
      })
      .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
      .example('$0 tokenizer decode 27 1 30', '') as unknown as Argv<DecodeArgs>,
  handler: async (a: ArgumentsCamelCase<DecodeArgs>) => {
    const given = a.ids?.length ? a.ids.join(' ') : await readStdin();
    const ids = given
      .split(/[\s,]+/)
      .filter(Boolean)
      .map((word) => {
        if (!/^\d+$/.test(word)) throw usage(`decode: ${word} is not an id; needs whole numbers`);
        return Number(word);
      });
    const { loadTokenizer } = await import('@brickwork/tokenizer');
    const text = (await loadTokenizer(modelFolder(a.model))).decode(ids);
    await (a.json ? writeJson({ text }) : write(`${text}\n`));
  },
};

/** `lm tokenizer`. */
export const tokenizer: CommandModule = {
  command: 'tokenizer <command>',
  describe: 'Train a vocabulary, turn text into ids and back',
  builder: (y: Argv) =>
    y
      .command([encode, decode] as never)
      .demandCommand(1, 'tokenizer: which command?')
      .strict(),
  handler: () => {},
};
