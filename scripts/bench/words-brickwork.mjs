// Trains word vectors for words.mjs: a corpus file with a text of words on each line, options as JSON.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import process from 'node:process';
import { trainWordVectors, wordCorpus, writeWordVectors } from '@brickwork/embedding';

const [path, out, json] = process.argv.slice(2);
const { minCount, ...options } = JSON.parse(json);
const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
const corpus = await wordCorpus(lines, { minCount, split: 'spaces', lowerCase: false });
const began = performance.now();
let vectors = null;
for await (const event of trainWordVectors(corpus, options)) if (event.type === 'done') ({ vectors } = event);
const seconds = (performance.now() - began) / 1000;
await writeWordVectors(out, vectors);
process.stdout.write(
  `${JSON.stringify({ seconds, words: corpus.read * options.epochs, vocabulary: corpus.words.length })}\n`,
);
