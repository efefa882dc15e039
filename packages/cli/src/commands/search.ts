// lm search: the passages of an index (or straight of a folder) that answer a question, by meaning, by words, or both.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Filter, Hit, SentenceEncoder, VectorIndex } from '@brickwork/embedding';
import { buildIndex } from '../lib/build-index.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { indexFiles } from '../lib/index-files.ts';
import type { Io } from '../lib/io.ts';
import { openEncoder, standardEncoder, encoderTypeFlag, type EncoderTypeArgs } from '../lib/open-encoder.ts';
import { modelPath, modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { count } from '../lib/progress.ts';
import { readLines } from '../lib/read-texts.ts';

interface Args extends EncoderTypeArgs, Omit<ModelArgs, 'model'>, EngineArgs {
  readonly index: string;
  readonly query: readonly string[];
  readonly rest: readonly string[];
  readonly model?: string;
  readonly mode?: 'vector' | 'words' | 'hybrid';
  readonly count: number;
  readonly where?: readonly string[];
  readonly filter?: string;
  readonly exact: boolean;
  readonly rerank?: string;
  readonly candidates: number;
  readonly full: boolean;
  readonly json: boolean;
}

const { model: modelFlag, ...otherModelFlags } = modelFlags(standardEncoder);

/** `lm search`. */
export const search: Command<Args> = {
  positionals: {
    index: { type: 'string', demandOption: true, describe: 'folder of an index, or of texts' },
    query: { type: 'string', array: true, default: [], describe: 'what is looked for; lines of stdin unless given' },
  },
  flags: {
    ...flags('Search', {
      mode: {
        type: 'choice',
        choices: ['vector', 'words', 'hybrid'],
        describe: 'by meaning, by words (BM25), or both; both unless given, words where the index has no vectors',
      },
      count: { type: 'number', alias: 'k', min: 1, whole: true, default: 5, describe: 'how many' },
      where: {
        type: 'texts',
        describe: 'only what has this: author=Doyle, year>=1890, tags~crime (contains), author!=Doyle',
      },
      filter: { type: 'text', describe: 'a condition as JSON: {"year": {"$gte": 1890}}' },
      exact: { type: 'switch', default: false, describe: 'looks at all vectors although there is a graph' },
      rerank: {
        type: 'text',
        describe: 'a cross-encoder that puts the best in order: a folder, or org/name on the hub',
      },
      candidates: {
        type: 'number',
        min: 1,
        whole: true,
        default: 50,
        describe: 'how many of the best a cross-encoder reads',
      },
    }),
    ...flags('Results', {
      full: { type: 'switch', default: false, describe: 'whole passages' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each hit' },
    }),
    model: {
      ...modelFlag!,
      default: undefined,
      describe: 'the encoder, in place of the one that the index was made with',
    },
    ...otherModelFlags,
    ...engineFlags,
    ...encoderTypeFlag,
  },
  examples: [
    ['search notes.index "how to bake bread"', 'the five best passages, with file and line'],
    ['search novels/ "a proposal of marriage"', 'straight in a folder of texts'],
    ['search papers "graph networks" --where "year>=2020" --json', 'with a condition'],
    ['search notes.index "tax return" --mode words', 'by words alone, without a model'],
  ],
  async run(a, io) {
    const filter = filterOf(a);
    const given = a.query.length + a.rest.length > 0;
    if (!existsSync(a.index)) throw usage(`${a.index}: there is no such index or folder`, 'lm index FOLDER -o INDEX');
    const queries = given ? [[...a.query, ...a.rest].join(' ')] : await readLines({ text: [], rest: [] }, io);
    if (queries.some((query) => !query.trim())) throw usage('the query is empty');
    const signal = io.interruptible();
    const { CrossEncoder, VectorIndex: Index } = await import('@brickwork/embedding');
    const isIndex = existsSync(join(a.index, 'index.json'));
    let [encoder, reranker]: [SentenceEncoder | null, InstanceType<typeof CrossEncoder> | null] = [null, null];
    let index: VectorIndex | null = null;
    try {
      if (isIndex) index = await Index.open(a.index);
      const mode = a.mode ?? (index?.dimension === null ? 'words' : 'hybrid');
      if (index?.dimension === null && mode !== 'words') throw usage(`${a.index} has no vectors`, '--mode words');
      if (mode !== 'words') {
        const model = a.model ?? (index?.info['model'] as string | undefined) ?? standardEncoder;
        encoder = await openEncoder({ ...a, model }, io, signal);
      }
      if (!index) {
        const files = indexFiles([a.index]);
        io.note(`${a.index} is no index: reading ${count(files.length)} files (lm index ${a.index} -o INDEX keeps it)`);
        index = Index.create(encoder ? { dimension: encoder.dimension } : {});
        await buildIndex(
          index,
          encoder,
          files,
          { chunk: 120, overlap: 0, field: 'text', batchSize: 64, skipMalformed: false, signal },
          io,
        );
      }
      if (a.rerank !== undefined)
        reranker = await CrossEncoder.load(await modelPath({ ...a, model: a.rerank }, io, signal), { signal });
      const k = reranker ? Math.max(a.count, a.candidates) : a.count;
      for (const [i, query] of queries.entries()) {
        const [vector] = encoder ? await encoder.encode([query], { signal }) : [];
        const wanted = {
          ...(vector?.some((x) => x !== 0) && { vector }),
          ...((mode !== 'vector' || !vector?.some((x) => x !== 0)) && { text: query }),
        };
        let hits = await index.search(wanted, { k, exact: a.exact, signal, ...(filter && { filter }) });
        if (reranker) {
          const ranked = await reranker.rank(
            query,
            hits.map(({ text }) => text),
            { topK: a.count, signal },
          );
          hits = ranked.map(({ index: at, score }) => ({ ...hits[at]!, score }));
        }
        await show(hits, query, { a, io, isFirst: i === 0, many: queries.length > 1 });
      }
    } finally {
      index?.close();
      await encoder?.dispose();
      await reranker?.dispose();
    }
  },
};

async function show(
  hits: readonly Hit[],
  query: string,
  { a, io, isFirst, many }: { a: Args; io: Io; isFirst: boolean; many: boolean },
): Promise<void> {
  if (a.json) {
    for (const { id, score, text, metadata } of hits)
      await io.writeJson({ ...(many && { query }), id, score, text, metadata });
    return;
  }
  if (many) await io.write(`${isFirst ? '' : '\n'}${query}\n`);
  if (!hits.length) io.note('nothing found');
  for (const { id, score, text, metadata } of hits) {
    const { file, line } = metadata;
    const where = typeof file === 'string' ? `${file}:${String(line)}` : id;
    const plain = text.replace(/\s+/g, ' ').trim();
    const shown = a.full || plain.length <= 160 ? plain : `${plain.slice(0, 159)}…`;
    await io.write(`${score.toFixed(4)}\t${where}\t${shown}\n`);
  }
}

const operators: readonly (readonly [string, string])[] = [
  ['>=', '$gte'],
  ['<=', '$lte'],
  ['!=', '$ne'],
  ['~', '$contains'],
  ['>', '$gt'],
  ['<', '$lt'],
  ['=', '$eq'],
];

function filterOf({ where = [], filter }: Args): Filter | null {
  const parts = where.map((text): Filter => {
    const found = /^([^<>=!~]+?)\s*(>=|<=|!=|~|>|<|=)\s*(.*)$/s.exec(text);
    if (!found) throw usage(`--where is '${text}'; needs author=Doyle, year>=1890 or tags~crime`);
    const [, field, sign, value] = found as unknown as [string, string, string, string];
    const operator = operators.find(([one]) => one === sign)![1];
    return { [field.trim()]: { [operator]: valueOf(value) } };
  });
  if (filter !== undefined) {
    try {
      parts.push(JSON.parse(filter) as Filter);
    } catch (cause) {
      throw usage(`--filter is no JSON: ${(cause as Error).message}`);
    }
  }
  return parts.length ? { $and: parts } : null;
}

// 1890 is a number, true a boolean, all else a text.
const valueOf = (text: string): string | number | boolean | null =>
  /^-?\d+(\.\d+)?$/.test(text)
    ? Number(text)
    : text === 'true'
      ? true
      : text === 'false'
        ? false
        : text === 'null'
          ? null
          : text;
