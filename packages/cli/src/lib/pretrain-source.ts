// Where lm pretrain begins: a checkpoint with its tokenizer, or a new model's config and a tokenizer for it.
import type { Config } from '@brickwork/transformer';
import { corpusTokenizer, type CorpusTokenizer } from './corpus-tokenizer.ts';
import { usage } from './errors.ts';
import type { Io } from './io.ts';
import { newConfig, readConfigFile, readOverrides } from './new-config.ts';
import type { Objective, ObjectiveArgs } from './objective-flags.ts';
import { modelPath } from './open-model.ts';
import type { PretrainArgs } from './pretrain-flags.ts';
import { count, ProgressLine } from './progress.ts';
import { classFor, readConfig, type TaskName } from './task-names.ts';

type Args = PretrainArgs & ObjectiveArgs;

/** Where a run begins. */
export interface Source extends CorpusTokenizer {
  /** The checkpoint's; null where the model is new. */
  readonly folder: string | null;
  readonly config: Config;
  /** The class that the objective trains. */
  readonly className: string;
}

const usual: Readonly<Record<Objective, string>> = {
  clm: 'gpt2',
  mlm: 'modernbert',
  seq2seq: 'transformer',
  'span-corruption': 't5',
};

/**
 * Finds the checkpoint, or makes the config of a new model.
 *
 * @param learn makes a tokenizer for a new model
 * @throws where the family has no class for the objective, or sizes don't fit.
 */
export async function openSource(
  a: Args,
  o: { readonly name: TaskName; readonly objective: Objective; readonly given: Readonly<Record<string, unknown>> },
  signal: AbortSignal,
  io: Io,
  learn: () => Promise<CorpusTokenizer>,
): Promise<Source> {
  const { name, objective, given } = o;
  if (a.model !== undefined) {
    const folder = await modelPath({ ...a, model: a.model }, io, signal);
    const config = await readConfig(folder);
    const className = await classFor(name, config);
    const from = (given['tokenizer'] as string | undefined) ?? folder;
    if (['char', 'bpe', 'wordpiece'].includes(from))
      throw usage(`--tokenizer ${from} makes a new vocabulary, but --model ${a.model} has one`, 'leave it out');
    const own = await corpusTokenizer(from, [], { signal, onProgress: () => {} });
    return { folder, config, className, ...own };
  }
  const type = a.modelType ?? usual[objective];
  const known: Config = a.configFile === undefined ? { model_type: type } : await readConfigFile(a.configFile);
  const overrides = a.configOverrides === undefined ? {} : readOverrides(a.configOverrides);
  if (a.modelType !== undefined && a.configFile !== undefined && known['model_type'] !== a.modelType)
    throw usage(`--model-type ${a.modelType}, but the config's is ${String(known['model_type'])}`, 'leave one out');
  const className = await classFor(name, known);
  const own = await learn();
  const { tokenizer } = own;
  const made = a.configFile === undefined ? newConfig(type, a, tokenizer) : withVocabulary(known, own);
  const config = { ...made, ...overrides, architectures: [className] };
  const size = (config as Config)['vocab_size'];
  if (typeof size === 'number' && size < tokenizer.vocabularySize)
    throw usage(
      `the config has ${size} tokens (vocab_size), but the tokenizer ${tokenizer.vocabularySize}`,
      `--vocab-size ${size}, or another vocab_size`,
    );
  return { folder: null, config, className, ...own };
}

// A config from elsewhere has the ids of another vocabulary.
function withVocabulary(config: Config, { tokenizer }: CorpusTokenizer): Config {
  const { pad, bos, eos, cls, sep } = tokenizer.specialTokens;
  const ids: [string, number | undefined][] = [
    ['pad_token_id', pad?.id],
    ['bos_token_id', bos?.id ?? cls?.id],
    ['eos_token_id', eos?.id ?? sep?.id],
    ['cls_token_id', cls?.id],
    ['sep_token_id', sep?.id],
    ['decoder_start_token_id', config['model_type'] === 'transformer' ? (bos?.id ?? pad?.id) : pad?.id],
  ];
  const replaced = ids.filter(([field, id]) => id !== undefined && (field in config || field === 'pad_token_id'));
  return { ...config, vocab_size: config['vocab_size'] ?? tokenizer.vocabularySize, ...Object.fromEntries(replaced) };
}

/** Trains a tokenizer or reads one, with progress. */
export async function learnTokenizer(
  a: Pick<PretrainArgs, 'tokenizer' | 'vocabSize'>,
  texts: readonly string[] | AsyncIterable<string>,
  signal: AbortSignal,
  io: Io,
  specialTokens?: readonly string[],
): Promise<CorpusTokenizer> {
  const line = new ProgressLine(io);
  const found = await corpusTokenizer(a.tokenizer, texts, {
    vocabularySize: a.vocabSize,
    specialTokens,
    signal,
    onProgress: ({ stage, characters, vocabulary }) =>
      line.show(() =>
        stage === 'count'
          ? `vocabulary: ${count(characters)} characters read`
          : `vocabulary: ${count(vocabulary)} tokens`,
      ),
  });
  line.clear();
  return found;
}
