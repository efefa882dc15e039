// lm tokenizer train: a vocabulary from text files.
import { existsSync, statSync } from 'node:fs';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { readTextFiles, sizeOfFiles } from '../lib/text-files.ts';

interface Args {
  readonly files: readonly string[];
  readonly out: string;
  readonly type: 'bpe' | 'wordpiece' | 'char';
  readonly vocabSize?: number;
  readonly specialTokens?: readonly string[];
  readonly minFrequency: number;
  readonly lowercase: boolean;
  readonly json: boolean;
}

/** `lm tokenizer train`. */
export const tokenizerTrain: Command<Args> = {
  positionals: { files: { type: 'string', array: true, describe: 'text files in UTF-8' } },
  flags: flags('Flags', {
    out: { type: 'text', alias: 'o', required: true, describe: 'folder for tokenizer.json' },
    type: {
      type: 'choice',
      choices: ['bpe', 'wordpiece', 'char'],
      default: 'bpe',
      describe: 'byte-level BPE as in GPT-2, WordPiece as in BERT, or characters',
    },
    'vocab-size': {
      type: 'number',
      min: 1,
      max: 2 ** 24,
      whole: true,
      describe: 'tokens to reach; 30000 unless given, for char all characters',
    },
    'special-tokens': {
      type: 'texts',
      describe: 'a token with one of the first ids; several times for several (those of GPT-2 or BERT unless given)',
    },
    'min-frequency': {
      type: 'number',
      min: 0,
      whole: true,
      default: 2,
      describe: 'pairs seen less often are not joined',
    },
    lowercase: { type: 'switch', default: true, describe: 'for wordpiece: all in lower case, without accents' },
    json: { type: 'switch', default: false, describe: 'the result as JSON' },
  }),
  examples: [
    ['tokenizer train my-text.txt --out my-tokenizer --vocab-size 4096', 'byte-level BPE'],
    ['tokenizer train *.txt -o words --type wordpiece --vocab-size 8000', 'WordPiece'],
    ['pretrain my-text.txt -o my-model --tokenizer my-tokenizer', 'train a model with it'],
  ],
  async run(a, io) {
    const files = [...a.files, ...a.rest];
    sizeOfFiles(files);
    if (existsSync(a.out) && !statSync(a.out).isDirectory()) throw usage(`--out ${a.out} is a file; needs a folder`);
    const { saveTokenizer, Tokenizer, trainTokenizer } = await import('@brickwork/tokenizer');
    const signal = io.interruptible();
    const line = new ProgressLine(io);
    const started = performance.now();
    let read = 0;
    const json = await trainTokenizer(readTextFiles(files, signal), {
      type: a.type,
      ...(a.vocabSize === undefined ? {} : { vocabularySize: a.vocabSize }),
      ...(a.specialTokens === undefined ? {} : { specialTokens: a.specialTokens }),
      minFrequency: a.minFrequency,
      lowercase: a.lowercase,
      signal,
      onProgress: ({ stage, characters, vocabulary, vocabularySize }) => {
        read = characters;
        const size = Number.isFinite(vocabularySize) ? ` of ${count(vocabularySize)}` : '';
        line.show(() =>
          stage === 'count' ? `${count(characters)} characters read` : `${count(vocabulary)}${size} tokens`,
        );
      },
    });
    line.clear();
    await saveTokenizer(a.out, json);
    const { vocabularySize } = new Tokenizer(json);
    const seconds = (performance.now() - started) / 1000;
    if (a.json)
      await io.writeJson({ path: a.out, type: a.type, vocabulary_size: vocabularySize, characters: read, seconds });
    else
      await io.write(
        `${a.out}: ${count(vocabularySize)} tokens from ${count(read)} characters in ${seconds.toFixed(1)} s\n`,
      );
  },
};
