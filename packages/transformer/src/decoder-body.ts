// What all decoders here are made of: a body (embeddings, blocks, a last norm) and the head of a language model on it.
import { matmul, show, type Dim, type Tensor } from '@brickwork/graph';
import { crossEntropy, normal, parameter, type Context, type Embedding } from '@brickwork/nn';
import type { Network, Outputs, Parameter } from '@brickwork/nn';
import { cap } from './attention.ts';
import type { CausalLM, ForwardOptions, Hidden } from './causal-lm.ts';
import { causalInputs, causalOutputs, decode, decoderInputs, layerOutputs } from './causal-outputs.ts';
import { nextLabels, nextTokenLoss } from './next-token-loss.ts';

/** What every decoder's configuration says, whatever else it does. */
interface BodyConfig {
  readonly vocab_size: number;
  readonly initializer_range: number;
}

/** A decoder without a head; its `last_hidden_state`, `hidden_states.i` and `attentions.i` are what it gives. */
export abstract class DecoderBody<C extends BodyConfig = BodyConfig> implements Network {
  readonly config: C;
  /** What generation and heads have to know of it. */
  readonly shape: DecoderShape;
  readonly inputs: Network['inputs'];
  readonly longest: Readonly<Record<string, number>>;
  constructor(config: C, shape: DecoderShape) {
    this.config = config;
    this.shape = shape;
    this.inputs = decoderInputs(config.vocab_size);
    this.longest = { T: shape.contextLength };
  }
  /** ids int64 (B, T). */
  abstract forward(ids: Tensor, ctx: Context, o?: ForwardOptions): Hidden;

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const hidden = decode(this, inputs, ctx);
    return { last_hidden_state: () => hidden.last, ...layerOutputs(hidden) };
  }
}

/** A decoder's sizes. */
export interface DecoderShape extends Pick<
  CausalLM,
  'contextLength' | 'layers' | 'windows' | 'cacheHeads' | 'headWidth'
> {
  /** Its hidden states are (B, T, C) of this C. */
  readonly width: number;
}

/**
 * @throws where `ids` isn't (B, T), or T is known and more than the model sees.
 */
export function checkLength(who: string, ids: Tensor, most: number, field = 'max_position_embeddings'): void {
  if (ids.rank !== 2) throw new Error(`${who}: ids ${show(ids.shape)}; needs (B, T)`);
  const T: Dim = ids.shape[1]!;
  if (typeof T === 'number' && T > most)
    throw new Error(`${who}: a sequence of ${T} tokens, but ${field} is ${most}; cut it`);
}

/** A language model's head: the embedding's own weight where tied, or one of the same shape. */
export const languageHead = (
  { weight }: Embedding,
  {
    initializer_range,
    tie_word_embeddings,
  }: { readonly initializer_range: number; readonly tie_word_embeddings: boolean },
): { readonly weight: Parameter } => ({
  weight: tie_word_embeddings ? weight : parameter(weight.shape as number[], normal(initializer_range)),
});

/** A body with the head of a language model; who extends it names both as Hugging Face does. */
export class LanguageModel<C extends BodyConfig> implements CausalLM {
  readonly config: C;
  readonly inputs: CausalLM['inputs'];
  readonly longest: Readonly<Record<string, number>>;
  readonly contextLength: number;
  readonly layers: number;
  readonly windows: readonly (number | null)[];
  readonly cacheHeads: number;
  readonly headWidth: number;
  readonly #body: DecoderBody<C>;
  readonly #weight: Parameter;
  readonly #cap: number | null;

  /** @param softcap keeps logits below it: softcap · tanh(logit / softcap); not where null. */
  constructor(body: DecoderBody<C>, { weight }: { readonly weight: Parameter }, softcap: number | null = null) {
    this.config = body.config;
    this.inputs = causalInputs(body.config.vocab_size);
    this.longest = body.longest;
    ({
      contextLength: this.contextLength,
      layers: this.layers,
      windows: this.windows,
      cacheHeads: this.cacheHeads,
      headWidth: this.headWidth,
    } = body.shape);
    this.#body = body;
    this.#weight = weight;
    this.#cap = softcap;
  }

  forward(ids: Tensor, ctx: Context, o: ForwardOptions = {}): Hidden {
    return this.#body.forward(ids, ctx, o);
  }

  head(hidden: Tensor): Tensor {
    const logits = matmul(hidden, this.#weight, { transB: true }); // (…, V)
    return this.#cap ? cap(logits, this.#cap) : logits;
  }

  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    return causalOutputs(this, inputs, ctx);
  }

  loss(hidden: Tensor, labels: Tensor, o: { readonly shift?: boolean } = {}): Tensor {
    if (!this.#cap) return nextTokenLoss(hidden, this.#weight, labels, o);
    return crossEntropy(this.head(hidden), (o.shift ?? true) ? nextLabels(labels) : labels);
  }
}
