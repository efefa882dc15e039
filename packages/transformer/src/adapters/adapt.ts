// A network with an adapter of any kind in its place.
import { parameters, type Network } from '@brickwork/nn';
import type { HostTensor } from '@brickwork/runtime';
import { attachAdapter, linearLayers } from './attach.ts';
import type { AdapterConfig } from './peft-config.ts';
import type { PeftOptions } from './peft-folder.ts';
import { WithVirtualTokens } from './virtual-tokens.ts';

/**
 * Puts an adapter into a network that was built for it: LoRA, (IA)³ and bottlenecks into its layers, learned tokens before its texts.
 *
 * @returns what to run: the network itself, or one around it
 */
export function adaptNetwork(network: Network, config: AdapterConfig): Network {
  if (config.peft_type === 'PREFIX_TUNING' || config.peft_type === 'PROMPT_TUNING')
    return new WithVirtualTokens(network, config);
  attachAdapter(network, config);
  return network;
}

/** What PEFT's configuration of an adapter says of the network that it is for. */
export function peftOptions(network: Network, { peft_type }: AdapterConfig): PeftOptions {
  if (peft_type === 'LORA' || peft_type === 'IA3') {
    const adapted = [...linearLayers(network).values()].filter((layer) => layer.adapter);
    return { fanInFanOut: adapted.some((layer) => !layer.outputsFirst) };
  }
  return network instanceof WithVirtualTokens ? { shape: network.shape } : {};
}

/**
 * Checks an adapter's values against a network that has the adapter in its place.
 *
 * @param who opens the messages: which adapter it is
 * @throws where one is missing, belongs nowhere, or has another shape.
 */
export function checkAdapter(network: Network, tensors: ReadonlyMap<string, HostTensor>, who = 'adapter'): void {
  const known = parameters(network);
  for (const [name, { shape }] of tensors) {
    const p = known.get(name);
    if (!p) throw new Error(`${who}: the model has no ${name}; is it an adapter of another model?`);
    if (p.shape.join() !== shape.join())
      throw new Error(`${who}: ${name} is (${shape.join(', ')}), but the model's is (${p.shape.join(', ')})`);
  }
  for (const name of known.keys())
    if ((name.includes('.adapter.') || name === 'prompt_embeddings') && !tensors.has(name))
      throw new Error(`${who}: missing ${name}; is it an adapter of another model?`);
}
