// npm run bench -- tokenize [--json] [--rounds N] [--megabytes N]: megabytes of text a second, encoded with the tokenizers of the
// models that ship, beside transformers.js with the same files; the ids are compared. In turn, medians.
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { loadTokenizer } from '@brickwork/tokenizer';
import { log, median } from './processes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default async function tokenize(argv) {
  const option = (name, standard) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : standard);
  const rounds = Number(option('--rounds', 5));
  const size = Number(option('--megabytes', 1)) * 1e6;
  const prose = (
    await Promise.all(['README.md', 'LOG.md'].map((name) => readFile(here(`../../${name}`), 'utf8')))
  ).join('\n');
  const paragraphs = prose.split('\n').filter((line) => line.trim());
  const texts = [];
  for (let length = 0, i = 0; length < size; i++) {
    const text = `${paragraphs[i % paragraphs.length]} ${i}`;
    texts.push(text);
    length += text.length;
  }
  const bytes = texts.reduce((n, text) => n + Buffer.byteLength(text), 0);
  const result = {};
  for (const name of ['encoder', 'spam']) {
    const folder = here(`../../models/${name}`);
    const [json, config] = await Promise.all(
      ['tokenizer.json', 'tokenizer_config.json'].map(async (file) =>
        JSON.parse(await readFile(`${folder}/${file}`, 'utf8')),
      ),
    );
    const own = await loadTokenizer(folder);
    const theirs = new PreTrainedTokenizer(json, config);
    const sides = {
      brickwork: (text) => own.encode(text).ids,
      'transformers-js': (text) => theirs.encode(text),
    };
    const rates = { brickwork: [], 'transformers-js': [] };
    let different = 0;
    for (const text of texts.slice(0, 500))
      if (String(sides.brickwork(text)) !== String(sides['transformers-js'](text))) different++;
    for (let round = 0; round < rounds; round++)
      for (const [side, encode] of Object.entries(sides)) {
        const started = performance.now();
        for (const text of texts) encode(text);
        rates[side].push(bytes / 1e3 / (performance.now() - started));
      }
    log(`${name}: ${different} of 500 lines differ`);
    const [ours, others] = [median(rates.brickwork), median(rates['transformers-js'])];
    result[name] = { brickwork_mb_s: ours, transformers_js_mb_s: others, ratio: ours / others, different };
  }
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
  else console.table(result);
}
