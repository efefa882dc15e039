// What recipes train on: paragraphs of text files, and rows of labelled ones of which every fifth is held out.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { exampleReader, readRows } from '@brickwork/training';

/** The paragraphs of a text file, packed or not; Project Gutenberg's header and licence are left out. */
export function paragraphs(path) {
  const bytes = readFileSync(path);
  const whole = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').replaceAll('\r', '');
  const begin = whole.indexOf('*** START');
  const end = whole.indexOf('*** END');
  const text = whole.slice(begin < 0 ? 0 : whole.indexOf('\n', begin), end < 0 ? undefined : end);
  return text
    .split(/\n\s*\n/)
    .map((part) => part.replace(/\s+/g, ' ').trim())
    .filter((part) => part.length > 40);
}

/**
 * The labelled texts of a file without a line of names, label first: those to train on, and every fifth, held out.
 *
 * @returns {Promise<{ train: import('@brickwork/training').Example[], held: import('@brickwork/training').Example[] }>}
 */
export async function labelled(path) {
  const [train, held] = [[], []];
  let reader = null;
  let row = 0;
  for await (const one of readRows(path, { header: ['label', 'text'] })) {
    reader ??= exampleReader(one, { label: 'label', text: 'text' }, 'labelled');
    (row++ % 5 === 4 ? held : train).push(reader.read(one));
  }
  return { train, held };
}
