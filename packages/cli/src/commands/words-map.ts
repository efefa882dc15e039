// lm words map: words on a plane, as a picture or a page.
import { readFileSync } from 'node:fs';
import type { Command } from '../lib/command.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { count } from '../lib/progress.ts';
import { openWords, wordPairs, wordsFlags, type WordsArgs } from '../lib/open-words.ts';
import { writeDrawing } from '../lib/write-drawing.ts';

interface Args extends WordsArgs {
  readonly words: readonly string[];
  readonly rest: readonly string[];
  readonly file?: string;
  readonly first?: number;
  readonly around?: readonly string[];
  readonly arrow?: readonly string[];
  readonly method: 'pca' | 'umap';
  readonly seed: number;
  readonly title?: string;
  readonly output?: string;
  readonly json: boolean;
}

/** `lm words map`. */
export const wordsMap: Command<Args> = {
  positionals: { words: { type: 'string', array: true, default: [], describe: 'words on the map' } },
  flags: {
    ...wordsFlags,
    ...flags('Words', {
      file: { type: 'text', alias: 'f', describe: 'a file with a word on each line' },
      first: { type: 'number', min: 3, whole: true, describe: 'the first so many words of the vectors' },
      around: { type: 'texts', describe: 'a word and its fifteen neighbours' },
      arrow: { type: 'texts', describe: 'an arrow, as man:woman' },
    }),
    ...flags('Map', {
      method: { type: 'choice', choices: ['pca', 'umap'], default: 'pca', describe: 'keeps directions, or neighbours' },
      seed: { type: 'number', alias: 's', min: 0, whole: true, default: 1, describe: 'of umap' },
      title: { type: 'text', describe: 'above the map' },
      output: {
        type: 'text',
        alias: 'o',
        describe: 'a file: .svg, .png or .html, a page to look around in; places on stdout unless given',
      },
      json: { type: 'switch', default: false, describe: 'places as one line of JSON' },
    }),
  },
  examples: [
    ['words map man woman king queen --arrow man:woman --arrow king:queen -o map.png', 'pairs of one kind'],
    ['words map --first 300 --method umap -o map.html', 'a page to look around in'],
  ],
  async run(a, io) {
    if (a.output !== undefined && !/\.(svg|png|html)$/i.test(a.output))
      throw usage(`--output is '${a.output}'; needs a name that ends in .svg, .png or .html`);
    const arrows = wordPairs(a.arrow ?? []);
    const signal = io.interruptible();
    const vectors = await openWords(a, io, signal);
    const fromFile = a.file === undefined ? [] : readFileSync(a.file, 'utf8').split(/\s+/).filter(Boolean);
    const words = new Set([...a.words, ...a.rest, ...fromFile, ...arrows.flat()]);
    for (const word of a.around ?? [])
      for (const one of [word, ...vectors.neighbours(word, { k: 15 }).map((near) => near.word)]) words.add(one);
    for (const word of vectors.words.slice(0, a.first ?? 0)) words.add(word);
    if (words.size < 3) throw usage('a map has three words at least', 'words, -f, --first or --around');
    const { wordMap, wordMapPage, wordMapPicture } = await import('@brickwork/embedding');
    const map = await wordMap(vectors, [...words], { method: a.method, seed: a.seed });
    if (a.json) await io.writeJson(map);
    if (a.output === undefined) {
      if (!a.json) for (const { word, x, y } of map) await io.write(`${x.toFixed(4)}\t${y.toFixed(4)}\t${word}\n`);
      return;
    }
    const o = { arrows, ...(a.title !== undefined && { title: a.title }) };
    const page = /\.html$/i.test(a.output) ? wordMapPage(map, o) : wordMapPicture(map, o);
    await writeDrawing(a.output, page);
    io.note(`${count(map.length)} words in ${a.output}`);
  },
};
