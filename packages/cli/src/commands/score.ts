// lm score: how likely a model finds texts, token by token, word by word, or as a whole.
import type { Normalization, Scored, Scorer, ScoreOptions } from '@brickwork/transformer';
import type { Command } from '../lib/command.ts';
import { engineFlags, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import type { Io } from '../lib/io.ts';
import { modelFlags, type ModelArgs } from '../lib/open-model.ts';
import { openScorer } from '../lib/open-scorer.ts';
import { count, ProgressLine } from '../lib/progress.ts';
import { checkItems, streamItems, type ItemArgs, type RowItem } from '../lib/score-items.ts';
import { corpusText, scoreJson, scoreText, type Part, type Scoring } from '../lib/score-output.ts';

interface Args extends ModelArgs, EngineArgs, ItemArgs {
  readonly by?: Part;
  readonly bits: boolean;
  readonly normalize: Normalization;
  readonly pmi: boolean;
  readonly domainContext?: string;
  readonly pll?: 'original' | 'word_l2r';
  readonly bos: boolean;
  readonly end?: boolean;
  readonly window?: number;
  readonly stride?: number;
  readonly batchSize: number;
  readonly perplexity: boolean;
  readonly html?: string;
  readonly json: boolean;
}

// More texts make a page that no browser likes.
const mostOnPage = 500;
// Items that are scored together where each is scored twice.
const itemsAtOnce = 256;

/** `lm score`. */
export const score: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; lines of stdin unless given' },
  },
  flags: {
    ...modelFlags('models/shakespeare'),
    ...flags('Texts', {
      file: { type: 'texts', alias: 'f', describe: 'a file with a text on each line, or lines of JSON (.jsonl)' },
      field: {
        type: 'text',
        describe:
          'the field of JSON lines that holds the text; text in .jsonl files unless given (context: context, prompt or source)',
      },
      pairs: { type: 'switch', default: false, describe: 'each line is a context, a tab and the text that is scored' },
      documents: { type: 'switch', default: false, describe: 'each file (or stdin) is one text, of any length' },
      context: { type: 'text', describe: 'what stands before each text, or is its source, and isn’t scored' },
    }),
    ...flags('Scores', {
      by: { type: 'choice', choices: ['token', 'word', 'sentence'], describe: 'also shows the parts of each text' },
      bits: { type: 'switch', default: false, describe: 'bits instead of nats' },
      normalize: {
        type: 'choice',
        choices: ['sum', 'token', 'character', 'byte'],
        default: 'sum',
        describe: 'what a text’s log-probability is divided by',
      },
      pmi: {
        type: 'switch',
        default: false,
        describe: 'how much likelier the context makes the text: ln p(text | context) - ln p(text)',
      },
      'domain-context': { type: 'text', describe: 'with --pmi: stands before the text alone, such as Answer:' },
      pll: {
        type: 'choice',
        choices: ['original', 'word_l2r'],
        describe:
          'masked models: what is hidden with each token, nothing (original unless given) or the rest of its word',
      },
      bos: { type: 'switch', default: true, describe: 'causal models: the token that begins texts stands before each' },
      end: { type: 'switch', describe: 'the token that ends texts counts; on for encoder-decoders unless given' },
      window: {
        type: 'number',
        min: 2,
        whole: true,
        describe: 'causal models: tokens looked at together; what the model sees unless given',
      },
      stride: {
        type: 'number',
        min: 1,
        whole: true,
        describe: 'causal models: how far a longer text is read on at a time; half the window unless given',
      },
      'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 32, describe: 'rows of a run at most' },
    }),
    ...flags('Results', {
      perplexity: {
        type: 'switch',
        default: false,
        describe: 'one result for all texts together: perplexity, bits per byte',
      },
      html: { type: 'text', describe: 'writes a page with texts coloured by surprisal to this file' },
      json: { type: 'switch', default: false, describe: 'a line of JSON for each text' },
    }),
    ...engineFlags,
  },
  examples: [
    ['score "To be, or not to be"', 'ln p of the text, in nats'],
    ['score --by word --bits "The old man the boat." -m gpt2', 'the surprisal of each word'],
    ['score -f sentences.txt --normalize token --json', 'a line of JSON for each line'],
    ['score --pairs -f questions.tsv --pmi --domain-context "Answer:"', 'texts given their contexts'],
    ['score --documents -f novel.txt --perplexity --stride 64', 'perplexity and bits per byte of a long text'],
    ['score -f essay.txt --html surprising.html --by word', 'a page in colours'],
  ],
  async run(a, io) {
    if (a.pmi && a.perplexity) throw usage('--pmi and --perplexity were both given', 'one of them');
    if (a.domainContext !== undefined && !a.pmi) throw usage('--domain-context is for --pmi');
    if (a.perplexity && (a.by || a.html !== undefined))
      throw usage('--perplexity is one result for all texts', 'leave --by and --html out');
    if (a.html !== undefined && a.by === 'sentence')
      throw usage('--html colours tokens or words', '--by token or --by word');
    checkItems(a, io);
    const signal = io.interruptible();
    const scorer = await openScorer(a, io, signal);
    const use = await import('@brickwork/transformer');
    const line = new ProgressLine(io);
    const options: ScoreOptions = {
      batchSize: a.batchSize,
      bos: a.bos,
      signal,
      ...(a.pll !== undefined && { pll: a.pll }),
      ...(a.end !== undefined && { end: a.end }),
      ...(a.window !== undefined && { window: a.window }),
      ...(a.stride !== undefined && { stride: a.stride }),
      onProgress: ({ done }) => line.show(() => `${count(done)} texts`),
    };
    try {
      checkKind(a, scorer);
      if (a.perplexity) return await showCorpus(a, scorer, options, io, line);
      const kept: Scored[] = [];
      let number = 0;
      for await (const { scored, value, row } of results(a, scorer, options, io, use)) {
        line.clear();
        if (a.json) await io.writeJson({ ...row, ...scoreJson(scored, value, a, use) });
        else await io.write(`${a.by && number ? '\n' : ''}${scoreText(scored, value, a, use)}`);
        number++;
        if (a.html !== undefined && kept.length < mostOnPage) kept.push(scored);
      }
      if (!number) throw usage('there is no text', 'a text in quotes, -f FILE, or lines on stdin');
      if (a.html !== undefined) await writePage(a, a.html, kept, number, io, use);
    } finally {
      line.clear();
      await scorer.dispose();
    }
  },
};

function checkKind(a: Args, { kind }: Scorer): void {
  if (a.pll !== undefined && kind !== 'masked') throw usage(`--pll is for masked models; this one is ${kind}`);
  if ((a.window !== undefined || a.stride !== undefined) && kind !== 'causal')
    throw usage(`--window and --stride are for causal models; this one is ${kind}`);
  if (a.end !== undefined && kind === 'masked') throw usage('--end is for causal and encoder-decoder models');
}

interface Result {
  readonly scored: Scored;
  /** In the unit and division that were asked for. */
  readonly value: number;
  readonly row: RowItem['row'];
}

async function* results(
  a: Args,
  scorer: Scorer,
  options: ScoreOptions,
  io: Io,
  use: Scoring & Pick<typeof import('@brickwork/transformer'), 'mutualInformation'>,
): AsyncGenerator<Result, void, undefined> {
  const valueOf = (scored: Scored, nats: number): number => {
    const value = use.scoreOf({ ...scored, logProb: nats }, a.normalize);
    return a.bits ? use.toBits(value) : value;
  };
  // The rows that texts came from, until their scores are there.
  const waiting: RowItem['row'][] = [];
  const items = async function* (): AsyncGenerator<RowItem['item']> {
    for await (const { item, row } of streamItems(a, io)) {
      waiting.push(row);
      yield item;
    }
  };
  if (!a.pmi) {
    for await (const scored of scorer.stream(items(), options))
      yield { scored, value: valueOf(scored, scored.logProb), row: waiting.shift()! };
    return;
  }
  const o = a.domainContext === undefined ? options : { ...options, domainContext: a.domainContext };
  let chunk: { context: string; text: string }[] = [];
  const finish = async (): Promise<Result[]> => {
    const found = await use.mutualInformation(scorer, chunk, o);
    chunk = [];
    return found.map(({ conditional, pmi }) => ({
      scored: conditional,
      value: valueOf(conditional, pmi),
      row: waiting.shift()!,
    }));
  };
  for await (const item of items()) {
    if (typeof item === 'string')
      throw usage(
        `--pmi needs a context for each text, and ${JSON.stringify(item.slice(0, 40))} has none`,
        '--context or --pairs',
      );
    if (chunk.push(item) === itemsAtOnce) yield* await finish();
  }
  if (chunk.length) yield* await finish();
}

async function showCorpus(a: Args, scorer: Scorer, options: ScoreOptions, io: Io, line: ProgressLine): Promise<void> {
  const { corpusPerplexity } = await import('@brickwork/transformer');
  const items = async function* (): AsyncGenerator<RowItem['item']> {
    for await (const { item } of streamItems(a, io)) yield item;
  };
  const found = await corpusPerplexity(scorer, items(), options);
  line.clear();
  if (a.json) await io.writeJson(found);
  else await io.write(corpusText(found));
}

async function writePage(
  a: Args,
  path: string,
  kept: readonly Scored[],
  number: number,
  io: Io,
  { scorePage }: Pick<typeof import('@brickwork/transformer'), 'scorePage'>,
): Promise<void> {
  const { writeFileAtomic } = await import('@brickwork/runtime');
  await writeFileAtomic(path, scorePage(kept, { by: a.by === 'word' ? 'word' : 'token', bits: a.bits }));
  if (number > kept.length) io.note(`${path} has the first ${kept.length} of ${count(number)} texts`);
}
