// Trains the sentence encoder that ships in models/sentences: a vector for each of 6,000 pieces of words, which skip-gram
// learned from their neighbours (Mikolov et al., 2013); a text is their mean, in which frequent pieces weigh less and what all
// have in common is gone (Arora et al., 2017; Mu and Viswanath, 2018).
//
//   node scripts/run.mjs node scripts/recipes/sentences.mjs OUT FILE…
//
// FILE: texts (.txt, .txt.gz), and labelled texts (.tsv: label, text) of which every fifth is left out. Data, time and figures
// are in models/sentences/README.md; what did worse is in LOG.md. EPOCHS and VOCABULARY in the environment make
// it smaller.
import process from 'node:process';
import {
  commonComponents,
  Pooling,
  removeCommon,
  SentenceEncoder,
  trainWordVectors,
  wordCorpus,
} from '@brickwork/embedding';
import { hostTensor } from '@brickwork/runtime';
import { Tokenizer, tokenizerConfig, trainTokenizer } from '@brickwork/tokenizer';
import { labelled, paragraphs } from './texts.mjs';

const [out, ...files] = process.argv.slice(2);
if (!out || !files.length) {
  process.stderr.write('usage: node scripts/run.mjs node scripts/recipes/sentences.mjs OUT FILE…\n');
  process.exit(2);
}
const log = (text) => process.stderr.write(`${text}\n`);
const texts = [];
for (const file of files)
  texts.push(...(file.endsWith('.tsv') ? (await labelled(file)).train.map(({ text }) => text) : paragraphs(file)));
const json = await trainTokenizer(
  texts.map((text) => `${text}\n`),
  { type: 'wordpiece', vocabularySize: Number(process.env.VOCABULARY ?? 6000) },
);
const tokenizer = new Tokenizer(json, tokenizerConfig(json));
const pieces = (text) => tokenizer.encode(text, { addSpecialTokens: false }).ids.map(String);
const corpus = await wordCorpus(texts.map(pieces), { minCount: 1 });
log(`${corpus.total} pieces in ${texts.length} texts, ${corpus.words.length} different ones`);
const D = 512;
const options = {
  dimension: D,
  window: 5,
  epochs: Number(process.env.EPOCHS ?? 25),
  subsample: 1e-4,
  negatives: 5,
  seed: 1,
};
let vectors = null;
for await (const event of trainWordVectors(corpus, options)) {
  if (event.type === 'epoch') log(`epoch ${event.epoch} of ${options.epochs}: loss ${event.loss.toFixed(4)}`);
  if (event.type === 'done') ({ vectors } = event);
}
const rows = Float32Array.from(vectors.units);
removeCommon(rows, commonComponents(rows, D, { count: 3, weights: corpus.counts.map(Math.sqrt) }));
// Pieces that nothing was learned of are left out of the mean's direction: zeros.
const table = new Float32Array(tokenizer.vocabularySize * D);
corpus.words.forEach((id, i) => {
  const weight = 1e-3 / (1e-3 + corpus.counts[i] / corpus.total);
  for (let d = 0; d < D; d++) table[Number(id) * D + d] = weight * rows[i * D + d];
});
const encoder = new SentenceEncoder({
  body: {
    kind: 'static',
    weights: new Map([['embedding.weight', hostTensor(table, [tokenizer.vocabularySize, D])]]),
  },
  modules: [
    { kind: 'Pooling', config: new Pooling(D).config, weights: new Map() },
    { kind: 'Normalize', config: {}, weights: new Map() },
  ],
  tokenizer,
  settings: { maxLength: null, lowerCase: false, prompts: {}, defaultPrompt: null, similarity: 'cosine' },
});
await encoder.save(out);
log(`written to ${out}`);
