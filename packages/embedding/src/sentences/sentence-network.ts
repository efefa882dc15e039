// A sentence encoder as one network: a body that gives tokens states, and the modules behind it, so that only the texts'
// vectors leave the engine.
import { input, type Tensor } from '@brickwork/graph';
import { evaluating, type Context, type Network, type NetworkInput, type Outputs } from '@brickwork/nn';
import { Pooling } from './pooling.ts';
import type { Features, SentenceModule } from './sentence-module.ts';

/** A body and its modules. Parameters are called `transformer.…` and `modules.0.linear.weight`. */
export class SentenceNetwork implements Network {
  readonly config: object;
  readonly inputs: Readonly<Record<string, NetworkInput>>;
  readonly longest?: Readonly<Record<string, number>>;
  readonly transformer: Network;
  readonly modules: readonly SentenceModule[];
  /** @throws where no module gives texts a vector. */
  constructor(transformer: Network, modules: readonly SentenceModule[]) {
    if (!(modules[0] instanceof Pooling))
      throw new Error(`SentenceNetwork: the first module is ${modules[0]?.kind ?? 'missing'}; needs a Pooling`);
    this.config = transformer.config;
    this.transformer = transformer;
    this.modules = modules;
    const { input_ids: ids, attention_mask: mask, ...others } = transformer.inputs;
    if (!ids || !mask)
      throw new Error(
        `SentenceNetwork: the body takes ${Object.keys(transformer.inputs).join(', ')}; needs input_ids and attention_mask`,
      );
    // Of the others only those that are made from the text: labels and targets are not.
    const kept = Object.entries(others).filter(([name]) => /^(token_type_ids|position_ids)$/.test(name));
    this.inputs = {
      input_ids: ids,
      attention_mask: { dtype: mask.dtype, shape: mask.shape },
      ...Object.fromEntries(kept),
      pooling_mask: { ...mask, optional: true },
    };
    if (transformer.longest) this.longest = transformer.longest;
  }
  /** Whether the tokens of a prompt count in the pooling. */
  get includesPrompt(): boolean {
    return (this.modules[0] as Pooling).includePrompt;
  }
  /** Axes of a text's vector. */
  get width(): number {
    return this.modules.at(-1)!.width;
  }
  /**
   * `sentence_embedding` (B, D), `token_embeddings` and `last_hidden_state` (B, T, C), and all else that the body gives.
   * `pooling_mask` says which tokens count where those are fewer than the body sees; those of a prompt don't in some.
   */
  trace(inputs: Readonly<Record<string, Tensor>>, ctx: Context): Outputs {
    const { pooling_mask: pooled, ...own } = inputs;
    const body = this.transformer.trace(own, ctx);
    const states = statesOf(body);
    let traced: Features | null = null;
    const features = (): Features => {
      if (traced) return traced;
      const mask = pooled ?? own['attention_mask']!;
      let made: Features = { tokens: states(), mask, sentence: null };
      for (const module of this.modules) made = module.forward(made, ctx);
      return (traced = made);
    };
    return {
      ...body,
      last_hidden_state: states,
      token_embeddings: states,
      sentence_embedding: () => features().sentence!,
    };
  }
}

/** How many axes the token states of a body have. */
export function stateWidth(body: Network): number {
  const given = ['input_ids', 'attention_mask'].map((name) => {
    const { shape, dtype } = body.inputs[name]!;
    return [name, input(name, shape, dtype)];
  });
  const width = statesOf(body.trace(Object.fromEntries(given), evaluating()))().shape.at(-1);
  if (typeof width !== 'number') throw new Error('SentenceNetwork: how wide the states of the body are isn’t known');
  return width;
}

// Of an encoder-decoder, what its encoder gives.
function statesOf(outputs: Outputs): () => Tensor {
  const states = outputs['encoder_last_hidden_state'] ?? outputs['last_hidden_state'];
  if (!states) throw new Error('SentenceNetwork: the body gives no last_hidden_state');
  return states;
}
