// lm translate: writes the target of each source with an encoder-decoder.
import { adapterFlag, openAdapted } from '../lib/adapted-model.ts';
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { readLines, type TextArgs } from '../lib/read-texts.ts';
import { showGeneration } from '../lib/show-generation.ts';

interface Args extends EngineArgs, ModelArgs, TextArgs {
  readonly adapter?: string;
  readonly prefix: string;
  readonly maxNewTokens?: number;
  readonly numBeams?: number;
  readonly lengthPenalty?: number;
  readonly numReturnSequences: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly batchSize: number;
  readonly json: boolean;
}

/** `lm translate`. */
export const translate: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'texts, each in quotes; lines of stdin unless given' },
  },
  flags: {
    ...modelFlags(),
    ...adapterFlag,
    ...flags('Input', {
      file: { type: 'texts', alias: 'f', describe: 'a file with a text on each line; several times for several' },
      prefix: {
        type: 'text',
        alias: 'source-prefix',
        default: '',
        describe: 'put before each text, such as "translate English to German: " for T5',
      },
      'batch-size': { type: 'number', alias: 'b', min: 1, whole: true, default: 16, describe: 'texts at a time' },
    }),
    ...flags('Search', {
      'max-new-tokens': { type: 'number', alias: 'n', min: 1, whole: true, describe: 'most tokens of a target' },
      'num-beams': { type: 'number', min: 1, whole: true, describe: 'beams; as the model says unless given' },
      'length-penalty': { type: 'number', describe: 'above 0 favours long texts' },
      'num-return-sequences': { type: 'number', min: 1, whole: true, default: 1, describe: 'targets for each text' },
      temperature: { type: 'number', min: 0, describe: 'draw tokens by probability; 0 takes the most probable' },
      'top-k': { type: 'number', min: 0, whole: true, describe: 'only the k most probable tokens' },
      'top-p': { type: 'number', above: 0, max: 1, describe: 'only the most probable tokens that together reach p' },
      seed: { type: 'number', alias: 's', min: 0, whole: true, describe: 'the same seed gives the same text' },
    }),
    ...flags('Output', {
      json: { type: 'switch', default: false, describe: 'a line of JSON for each target' },
    }),
    ...engineFlags,
  },
  examples: [
    ['translate "Good morning!" -m Helsinki-NLP/opus-mt-en-de', 'one text, as it is written'],
    ['translate -m my-t5 --prefix "summarize: " -f articles.txt', 'a line for each line'],
  ],
  async run(a, io) {
    const texts = await readLines(a, io);
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const { generateFrom, isSeq2Seq, seq2seqDecoder } = await import('@brickwork/transformer');
    const model = await openAdapted({ folder, adapter: a.adapter, signal });
    if (!isSeq2Seq(model.network))
      throw usage(`${a.model} is a ${model.className}; needs an encoder-decoder`, 'lm generate for models of one part');
    const tokenizer = await model.tokenizer();
    const decoder = seq2seqDecoder(model, engineOptions(a));
    const { numReturnSequences: each } = a;
    try {
      for (let first = 0; first < texts.length && !signal.aborted; first += a.batchSize) {
        const some = texts.slice(first, first + a.batchSize);
        const chunks = generateFrom(
          decoder,
          tokenizer,
          some.map((text) => a.prefix + text),
          {
            maxNewTokens: a.maxNewTokens,
            numBeams: a.numBeams,
            lengthPenalty: a.lengthPenalty,
            numReturnSequences: each,
            temperature: a.temperature,
            topK: a.topK,
            topP: a.topP,
            seed: a.seed,
            signal,
          },
        );
        const streams = texts.length === 1 && each === 1 && !a.json;
        const { results } = await showGeneration(chunks, { prompts: some, echo: false, json: !streams, each }, io);
        if (streams) continue;
        for (const result of results) {
          const { text, finishReason, ids, score, prompt } = result;
          if (a.json)
            await io.writeJson({
              source: some[prompt],
              text,
              finish_reason: finishReason,
              ids,
              ...(score === null ? {} : { score }),
            });
          // A line for each line: targets have none of their own.
          else await io.write(`${text.replace(/\s*\n\s*/g, ' ')}\n`);
        }
      }
    } finally {
      await decoder.dispose();
    }
  },
};
