// npm run bench -- words [--json] [--rounds N] [--method skipgram|cbow] [--threads N]: words a minute of training word vectors,
// beside gensim (Debian's python3-gensim) with the same settings on the same words, in processes of their own, in turn. The
// time is that of training alone; medians are compared. So that nobody is fast by doing less, both vectors' agreement with
// people's scores of word pairs is shown.
//
// The corpus is ../shared/data's novels, or the texts named behind --text.
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { evaluateWordPairs, readWordPairs, readWordVectors, wordTokens } from '@brickwork/embedding';
import { log, median, pythonWith, run } from './processes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default async function words(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', '3'));
  const shared = here('../../../shared/data');
  const novels = ['authors', 'gutenberg'].flatMap((name) =>
    existsSync(join(shared, name))
      ? readdirSync(join(shared, name))
          .filter((file) => file.endsWith('.gz'))
          .map((file) => join(shared, name, file))
      : [],
  );
  const files = option('--text', null)?.split(',') ?? novels;
  if (!files.length) throw new Error('bench words: no texts; needs --text FILE,FILE');
  const python = pythonWith('gensim');
  if (!python) log('gensim is not there (apt install python3-gensim): Brickwork alone is measured');
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-words-'));
  try {
    const texts = [];
    for (const file of files) {
      const bytes = await readFile(file);
      const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
      // Paragraphs, as long as gensim takes them.
      for (const paragraph of text.split(/\r?\n\s*\r?\n/)) texts.push(wordTokens(paragraph).join(' '));
    }
    const corpus = join(folder, 'corpus.txt');
    await writeFile(corpus, texts.filter(Boolean).join('\n'));
    const options = {
      method: option('--method', 'skipgram'),
      dimension: 100,
      window: 5,
      negatives: 5,
      subsample: 1e-3,
      minCount: 5,
      epochs: Number(option('--epochs', '5')),
      rate: 0.025,
      seed: 1,
      threads: Number(option('--threads', '1')),
    };
    const json = JSON.stringify(options);
    const sides = { brickwork: [], gensim: [] };
    for (let round = 0; round < rounds; round++) {
      sides.brickwork.push(
        run(process.execPath, [here('words-brickwork.mjs'), corpus, join(folder, 'ours.bin'), json]),
      );
      if (python) sides.gensim.push(run(python, [here('words-gensim.py'), corpus, join(folder, 'gensim.bin'), json]));
      log(`round ${round + 1} of ${rounds}`);
    }
    const perMinute = (runs) => (runs.length ? median(runs.map(({ words, seconds }) => (60 * words) / seconds)) : null);
    const quality = async (file) => {
      const sets = join(shared, 'wordsim');
      if (!existsSync(file) || !existsSync(sets)) return null;
      const vectors = await readWordVectors(file);
      const found = {};
      for (const name of readdirSync(sets).filter((one) => one.startsWith('EN-')))
        found[name] = evaluateWordPairs(vectors, await readWordPairs(join(sets, name))).spearman;
      return found;
    };
    const [ours, theirs] = [perMinute(sides.brickwork), perMinute(sides.gensim)];
    const result = {
      ...options,
      words: sides.brickwork[0].words,
      vocabulary: [sides.brickwork[0].vocabulary, sides.gensim[0]?.vocabulary ?? null],
      brickworkWordsPerMinute: Math.round(ours),
      gensimWordsPerMinute: theirs && Math.round(theirs),
      ratio: theirs && ours / theirs,
      spearman: {
        brickwork: await quality(join(folder, 'ours.bin')),
        gensim: await quality(join(folder, 'gensim.bin')),
      },
    };
    process.stdout.write(`${JSON.stringify(result, null, argv.includes('--json') ? 0 : 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
