// Which layers a model has, by the names of its outputs.
import { input } from '@brickwork/graph';
import { evaluating } from '@brickwork/nn';
import type { Model } from '@brickwork/transformer';

/** The outputs of a model's layers, in order. */
export interface LayerNames {
  /** The embeddings' and those of each layer: `hidden_states.0` to `hidden_states.L`. */
  readonly states: readonly string[];
  /** The weights of each layer's attention: `attentions.0` to `attentions.L-1`. */
  readonly attentions: readonly string[];
}

const known = new WeakMap<Model, LayerNames>();

/**
 * The layers of an encoder or a decoder; of an encoder-decoder those of its encoder.
 *
 * @throws where the model takes no token ids, or has no layers that can be looked at.
 */
export function layerNames(model: Model): LayerNames {
  const found = known.get(model);
  if (found) return found;
  const { inputs } = model.network;
  if (!inputs['input_ids'])
    throw new Error(`${model.className} takes ${Object.keys(inputs).join(', ')}; needs a model of texts: input_ids`);
  const given = ['input_ids', 'attention_mask'].flatMap((name) => {
    const one = inputs[name];
    return one ? [[name, input(name, one.shape, one.dtype)] as const] : [];
  });
  const all = Object.keys(model.network.trace(Object.fromEntries(given), evaluating()));
  const numbered = (name: string): string[] => all.filter((one) => one.startsWith(`${name}.`));
  const own = numbered('encoder_hidden_states');
  const names = own.length
    ? { states: own, attentions: numbered('encoder_attentions') }
    : { states: numbered('hidden_states'), attentions: numbered('attentions') };
  if (!names.states.length) throw new Error(`${model.className} gives no hidden states; needs a Transformer`);
  known.set(model, names);
  return names;
}

/**
 * The name of layer `layer` of a list, counted from the end where it is negative.
 *
 * @throws where there is none.
 */
export function layerAt(who: string, names: readonly string[], layer: number): string {
  const name = Number.isInteger(layer) ? names.at(layer) : undefined;
  if (name === undefined)
    throw new Error(
      `${who}: there is no layer ${layer}; there are 0 to ${names.length - 1}, or -1 for the last to -${names.length}`,
    );
  return name;
}
