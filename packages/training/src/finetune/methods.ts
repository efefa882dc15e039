// Which parameters fine-tuning changes: all of them, those of a head, of the last blocks, the biases, or an adapter's.
import { trainable, type Network } from '@brickwork/nn';
import type { AdapterConfig } from '@brickwork/transformer';

/**
 * `full`: all. `head`: what stands after the body, which then only extracts features, and what the checkpoint lacked (a
 * pooler below the head). `{ last: N }`: the last N blocks and
 * what comes after them. `{ gradual: N }`: all, but at first what comes after the blocks alone, then every N steps (or
 * every `epoch`) one block more, from the last to the first, and at the end what is below them (Howard and Ruder, 2018).
 * `bitfit`: biases and the head (Ben Zaken et al., 2022). An adapter's configuration: its own, and
 * the modules that it saves whole.
 */
export type Method =
  | 'full'
  | 'head'
  | 'bitfit'
  | { readonly last: number }
  | { readonly gradual: number | 'epoch' }
  | AdapterConfig;

/** Where in a name the number of a block stands: 'bert.encoder.layer.', 'transformer.h.'. */
const block = /^(.*?(?:^|\.)(?:layers?|h|blocks?)\.)(\d+)\./;

/**
 * The names of the parameters that a method trains, in the network's order.
 *
 * @param network with the adapter in its place, for a method that has one
 * @param prefix of the body's names, as its architecture has it
 * @param initialized what the checkpoint lacked and begins anew: trained with the head, unless that is everything
 * @throws where nothing is left to train.
 */
export function trainedParameters(
  network: Network,
  method: Method,
  prefix: string,
  initialized: readonly string[] = [],
): string[] {
  const names = [...trainable(network).keys()];
  const isNew = new Set(names.every((name) => initialized.includes(name)) ? [] : initialized);
  const isHead = (name: string): boolean => prefix !== '' && (!name.startsWith(prefix) || isNew.has(name));
  const found = names.filter(chooser(names, method, isHead));
  if (!found.length)
    throw new Error(
      `fine-tuning: ${typeof method === 'string' ? `the method ${method}` : 'this method'} leaves nothing to train${method === 'head' ? ': the network has no parameters after its body' : ''}`,
    );
  return found;
}

function chooser(
  names: readonly string[],
  method: Method,
  isHead: (name: string) => boolean,
): (name: string) => boolean {
  if (method === 'full') return () => true;
  if (method === 'head') return isHead;
  if (method === 'bitfit') return (name) => name.endsWith('bias') || isHead(name);
  if (typeof method === 'string')
    throw new Error(
      `fine-tuning: no method ${JSON.stringify(method)}; there are full, head, bitfit, { last: N }, { gradual: N } and adapters`,
    );
  if ('gradual' in method) return () => true;
  if ('last' in method) return inLast(names, method.last);
  if ('modules_to_save' in method) {
    const saved = method.modules_to_save;
    const biases = method.peft_type === 'LORA' ? method.bias : 'none';
    return (name) => {
      if (name.includes('.adapter.')) return true;
      if (saved.some((module) => `.${name}`.includes(`.${module}.`))) return true;
      if (biases === 'none' || !name.endsWith('.bias')) return false;
      return biases === 'all' || names.some((other) => other.startsWith(`${name.slice(0, -'bias'.length)}adapter.`));
    };
  }
  return (name) => name === 'prompt_embeddings';
}

function inLast(names: readonly string[], last: number): (name: string) => boolean {
  if (!(Number.isInteger(last) && last > 0))
    throw new Error(`fine-tuning: the last ${last} blocks; needs a whole number above 0`);
  // Of an encoder-decoder, the decoder's: the stack that comes last.
  const stack = names.findLast((name) => block.test(name));
  if (!stack) throw new Error('fine-tuning: the network has no numbered blocks to count from the end');
  const [, before] = block.exec(stack)!;
  const numberOf = (name: string): number | null => {
    const [, own, number] = block.exec(name) ?? [];
    return own === before ? Number(number) : null;
  };
  const count = 1 + Math.max(...names.map((name) => numberOf(name) ?? -1));
  const end = names.findLastIndex((name) => numberOf(name) !== null);
  const first = count - last;
  return (name) => {
    const number = numberOf(name);
    return number !== null ? number >= first : names.indexOf(name) > end;
  };
}
