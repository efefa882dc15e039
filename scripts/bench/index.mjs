// npm run bench -- NAME …: runs one of the benchmarks in this folder.
import process from 'node:process';

const [name, ...rest] = process.argv.slice(2);
const known = [
  'train',
  'finetune',
  'memory',
  'embed',
  'words',
  'score',
  'search-folder',
  'train-images',
  'generate',
  'serve',
  'soak',
  'tokenize',
];
if (!known.includes(name)) {
  process.stderr.write(`bench: ${name ? `no benchmark ${name}` : 'which benchmark'}; there are ${known.join(', ')}\n`);
  process.exit(2);
}
const { default: run } = await import(`./${name}.mjs`);
await run(rest);
