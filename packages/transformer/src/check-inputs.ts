// What is wrong with a network's inputs, said before the engine stops at some node, or computes nonsense.
import type { Network } from '@brickwork/nn';
import type { HostTensor } from '@brickwork/runtime';

/**
 * Checks ids, and sizes that have a most, against what the network says of its inputs.
 *
 * @throws where an id is none of those it may be, an input is empty, or a text is longer than the network has positions
 *   for.
 */
export function checkInputs(
  who: string,
  { inputs, longest = {} }: Network,
  given: Readonly<Record<string, HostTensor>>,
): void {
  for (const [name, { data, shape, dtype }] of Object.entries(given)) {
    const known = inputs[name];
    if (shape.includes(0)) throw new Error(`${who}: ${name} (${shape.join(', ')}) is empty`);
    known?.shape.forEach((dim, axis) => {
      const most = typeof dim === 'string' ? longest[dim] : undefined;
      if (most !== undefined && (shape[axis] ?? 0) > most)
        throw new Error(`${who}: ${name} (${shape.join(', ')}) has ${shape[axis]} positions, but ${most} fit; cut it`);
    });
    // Other types are not ids.
    if (!known?.ids || dtype !== known.dtype) continue;
    const { count, except } = known.ids;
    const wrong = firstWrong(data, count, except);
    if (wrong >= 0)
      throw new Error(
        `${who}: ${name} holds ${data[wrong]} (value ${wrong}), but ids are from 0 to ${count - 1}${except === undefined ? '' : `, or ${except}`}${name === 'input_ids' ? '; does the tokenizer belong to the model?' : ''}`,
      );
  }
}

function firstWrong(data: HostTensor['data'], count: number, except: number | undefined): number {
  for (let i = 0; i < data.length; i++) {
    const id = Number(data[i]);
    if (!(id >= 0 && id < count) && id !== except) return i;
  }
  return -1;
}
