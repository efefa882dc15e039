// A network as one pass: encoders, classifiers, vision models. Inputs and outputs have the names of Hugging Face's Optimum.
import { input, type Shape } from '@brickwork/graph';
import { evaluating, parameters, type Network } from '@brickwork/nn';
import type { TracedFile } from './traced-file.ts';

const sizes: Readonly<Record<string, string>> = { B: 'batch_size', T: 'sequence_length' };

// What a pass without labels takes besides what it can't do without.
const optional = ['attention_mask', 'token_type_ids'];

// What users of a file ask for; hidden states only where there is nothing behind them.
const results = [
  'logits',
  'start_logits',
  'end_logits',
  'logits_per_image',
  'logits_per_text',
  'text_embeds',
  'image_embeds',
];
const bodies = ['last_hidden_state', 'pooler_output'];

/**
 * One pass of a network.
 *
 * @param names the outputs; those that its class is for unless given
 * @throws where there is no such output.
 */
export function traceNetwork(
  network: Network,
  { outputs: names, who = 'export' }: { readonly outputs?: readonly string[]; readonly who?: string } = {},
): TracedFile {
  parameters(network);
  const inputs = Object.entries(network.inputs)
    .filter(([name, o]) => !o.optional || optional.includes(name))
    .map(([name, { shape, dtype }]) => {
      const named: Shape = shape.map((d) => (typeof d === 'string' ? (sizes[d] ?? d) : d));
      return input(name, named, dtype);
    });
  const all = network.trace(Object.fromEntries(inputs.map((x) => [x.name!, x])), evaluating());
  const known = Object.keys(all);
  const usual = results.filter((name) => known.includes(name));
  const wanted = names ?? (usual.length ? usual : bodies.filter((name) => known.includes(name)));
  const missing = wanted.find((name) => !known.includes(name));
  if (missing !== undefined || !wanted.length)
    throw new Error(
      `${who}: ${missing === undefined ? 'no output to write' : `there is no output ${missing}`}; there are ${known.join(', ')}`,
    );
  return { name: 'model', inputs, outputs: Object.fromEntries(wanted.map((name) => [name, all[name]!()])) };
}
