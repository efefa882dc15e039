// Training of sentence encoders on texts that belong together (Reimers and Gurevych, 2019), or on texts alone, each read
// twice with other dropout (Gao et al., 2021, "SimCSE"), by the training package's loop.
import type { HostTensor } from '@brickwork/runtime';
import {
  FineTuning,
  memoryStore,
  pairs,
  similarity,
  type EncodedExample,
  type FineTuneOptions,
  type Method,
  type Task,
  type TaskTokenizer,
  type TrainEvent,
} from '@brickwork/training';
import { Model } from '@brickwork/transformer';
import { encoderModel, type EncoderParts } from './encoder-parts.ts';
import { ranking, sentenceObjective, type SentenceLoss } from './sentence-losses.ts';
import type { SentenceEncoder } from './sentence-encoder.ts';

/** Texts that belong together. All examples of a run have the same fields. */
export interface SentencePair {
  readonly anchor: string;
  readonly positive: string;
  /** A text that is not to be near the anchor. */
  readonly negative?: string;
  /** How alike anchor and positive are, for losses of scores: from 0 (or -1) to 1. */
  readonly score?: number;
}

/** Each text with itself: under dropout it is read in two ways (SimCSE). */
export const twice = (texts: readonly string[]): SentencePair[] =>
  texts.map((text) => ({ anchor: text, positive: text }));

/** How an encoder is trained. */
export interface SentenceTuneOptions extends Omit<FineTuneOptions, 'task' | 'objective'> {
  /** `ranking()` unless given. */
  readonly loss?: SentenceLoss;
  /** Most tokens of a text while training; what the encoder sees, and at most 256, unless given. */
  readonly maxLength?: number;
  /** Examples to measure the loss on now and then. */
  readonly validation?: readonly SentencePair[];
}

/** What is made ready. */
export interface SentenceTuningOptions {
  /** What of the network is trained; `full` unless given. Adapters aren't for encoders. */
  readonly method?: Exclude<Method, { readonly peft_type: string }>;
  /** The share of values dropped while training; what the body's config says unless given. */
  readonly dropout?: number;
  readonly seed?: number;
}

/** An encoder made ready to be trained. */
export class SentenceTuning {
  readonly #encoder: SentenceEncoder;
  readonly #tuning: FineTuning;
  readonly #drops: boolean;

  /** @param encoder stays as it is: what is trained are copies. @throws where the body has no dropout to set. */
  constructor(encoder: SentenceEncoder, { method = 'full', dropout, seed = 0 }: SentenceTuningOptions = {}) {
    if (typeof method === 'object' && 'peft_type' in method)
      throw new Error('SentenceTuning: adapters aren’t implemented for encoders; use full, bitfit or { last: N }');
    const parts = dropout === undefined ? encoder.parts : withDropout(encoder.parts, dropout);
    this.#encoder = encoder;
    this.#drops = dropsIn(parts);
    this.#tuning = new FineTuning(encoderModel(parts), { method, seed });
  }

  /** The names of what is trained. */
  get trained(): readonly string[] {
    return this.#tuning.trained;
  }
  /** Every parameter's values; those trained change in place while training runs. */
  get weights(): ReadonlyMap<string, HostTensor> {
    return this.#tuning.weights;
  }
  /** The encoder with the weights as they are now, copied. */
  encoder(): SentenceEncoder {
    const isTrained = new Set(this.trained);
    return this.#encoder.withWeights(
      new Map([...this.weights].map(([name, t]) => [name, isTrained.has(name) ? { ...t, data: t.data.slice() } : t])),
    );
  }

  /**
   * Trains, reporting as it goes. The positives (and negatives) of a batch are negatives of its other anchors, so larger
   * batches learn more.
   *
   * @throws where examples have different fields, or texts are paired with themselves though nothing is dropped.
   */
  async *train(examples: readonly SentencePair[], o: SentenceTuneOptions): AsyncGenerator<TrainEvent, void, void> {
    const { loss = ranking(), maxLength, validation, ...rest } = o;
    if (!examples.length) throw new Error('SentenceTuning: there are no examples');
    if (!this.#drops && examples.every(({ anchor, positive }) => anchor === positive))
      throw new Error(
        'SentenceTuning: every text is its own positive, and nothing is dropped, so both vectors are the same; set dropout: 0.1',
      );
    const most = Math.min(this.#encoder.maxLength, maxLength ?? 256);
    const task = taskFor(this.#encoder, examples[0]!, most);
    const store = (some: readonly SentencePair[]): ReturnType<typeof memoryStore> =>
      memoryStore(some.flatMap((pair, i) => encodePair(task, pair, fieldsOf(examples[0]!), i)));
    const data = { train: store(examples), ...(validation && { validation: store(validation) }) };
    yield* this.#tuning.train(data, { ...rest, task, objective: sentenceObjective(loss) });
  }
}

/** Trains an encoder and gives the new one; see {@link SentenceTuning}. */
export async function trainSentenceEncoder(
  encoder: SentenceEncoder,
  examples: readonly SentencePair[],
  o: SentenceTuneOptions & SentenceTuningOptions & { readonly onEvent?: (event: TrainEvent) => void },
): Promise<SentenceEncoder> {
  const { method, dropout, onEvent, ...options } = o;
  const tuning = new SentenceTuning(encoder, {
    ...(method !== undefined && { method }),
    ...(dropout !== undefined && { dropout }),
    ...(o.seed !== undefined && { seed: o.seed }),
  });
  for await (const event of tuning.train(examples, options)) onEvent?.(event);
  return tuning.encoder();
}

const fieldsOf = ({ negative, score }: SentencePair): string =>
  `anchor, positive${negative === undefined ? '' : ', negative'}${score === undefined ? '' : ', score'}`;

function encodePair(task: Task, pair: SentencePair, fields: string, i: number): readonly EncodedExample[] {
  const { anchor, positive, negative, score } = pair;
  if (typeof anchor !== 'string' || typeof positive !== 'string' || fieldsOf(pair) !== fields)
    throw new Error(
      `SentenceTuning: example ${i} has ${fieldsOf(pair)}; the first has ${fields}, and all need the same`,
    );
  return task.encode(
    score === undefined
      ? { kind: 'pair', anchor, positive, negative: negative ?? null }
      : { kind: 'labelled', text: anchor, pair: positive, label: score },
  );
}

function taskFor(encoder: SentenceEncoder, { negative, score }: SentencePair, limit: number): Task {
  if (negative !== undefined && score !== undefined)
    throw new Error('SentenceTuning: examples have a score and a negative; needs one of them, or none');
  const tokenizer: TaskTokenizer = {
    json: encoder.tokenizer.json,
    encode: (text, { maxLength } = {}) => encoder.encodeIds(text, maxLength),
  };
  const o = { padId: encoder.padId, limit, multiple: 8 };
  return score === undefined ? pairs(tokenizer, o) : similarity(tokenizer, o);
}

const dropoutField = /dropout|pdrop/;
const isDropout = ([name, value]: readonly [string, unknown]): boolean =>
  typeof value === 'number' && dropoutField.test(name) && !/classifier|summary/.test(name);

function withDropout(parts: EncoderParts, dropout: number): EncoderParts {
  if (!(dropout >= 0 && dropout < 1))
    throw new Error(`SentenceTuning: dropout is ${dropout}; needs a probability below 1`);
  const { body } = parts;
  if (body.kind === 'static') return { ...parts, body: { ...body, dropout } };
  const { model } = body;
  const fields = Object.entries(model.network.config).filter(isDropout);
  if (!fields.length) throw new Error(`SentenceTuning: ${model.className} has no dropout to set; leave the option out`);
  const config = { ...model.config, ...Object.fromEntries(fields.map(([name]) => [name, dropout])) };
  return { ...parts, body: { kind: 'transformer', model: new Model({ ...model, config }, model.compileOptions) } };
}

const dropsIn = ({ body, modules }: EncoderParts): boolean =>
  modules.some(({ kind, config }) => kind === 'Dropout' && Number(config['dropout']) > 0) ||
  (body.kind === 'static'
    ? (body.dropout ?? 0) > 0
    : Object.entries({ ...body.model.network.config, ...body.model.config }).some(
        (field) => isDropout(field) && Number(field[1]) > 0,
      ));
