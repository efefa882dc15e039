// Several texts in one row, so that little of a batch is padding: first-fit decreasing (Johnson, 1973), as in Hugging Face's
// SFTTrainer. Which text a token is of stands beside it, and attention stays within it.
import { createHash } from 'node:crypto';
import type { EncodedExample, ExampleStore } from './example-store.ts';
import type { PreparedData } from './prepare.ts';

/**
 * Examples of another store put together into rows of at most `length` tokens: its `input_ids` and `labels` one after another,
 * `segment_ids` from 1 up and `position_ids` from 0 in each. Every example is in one row, and which row follows from the
 * examples' lengths alone: the longest first, each into the first row that has room.
 *
 * @throws where the store has other fields, or an example is longer than a row.
 */
export function packedStore(store: ExampleStore, { length }: { readonly length: number }): ExampleStore {
  if (!(Number.isInteger(length) && length > 0))
    throw new Error(`packing: length is ${length}; needs a whole number above 0`);
  for (const field of ['input_ids', 'labels'])
    if (!store.fields.includes(field))
      throw new Error(`packing: the examples have ${store.fields.join(', ')}; needs input_ids and labels`);
  const lengths = Int32Array.from({ length: store.count }, (_, i) => store.lengths(i)['input_ids']!);
  const rows = firstFitDecreasing(lengths, length);
  const membersOf = (row: number): Int32Array => {
    const found = rows[row];
    if (!found) throw new Error(`examples: there is no number ${row}; there are ${rows.length}`);
    return found;
  };
  const sizeOf = (row: number): number => membersOf(row).reduce((n, i) => n + lengths[i]!, 0);
  return {
    count: rows.length,
    fields: ['input_ids', 'labels', 'segment_ids', 'position_ids'],
    fingerprint: createHash('sha256').update(`${store.fingerprint}/packed/${length}`).digest('hex'),
    lengths(row) {
      const size = sizeOf(row);
      return { input_ids: size, labels: size, segment_ids: size, position_ids: size };
    },
    read(row): EncodedExample {
      const size = sizeOf(row);
      const [input_ids, labels] = [new Int32Array(size), new Int32Array(size)];
      const [segment_ids, position_ids] = [new Int32Array(size), new Int32Array(size)];
      let at = 0;
      membersOf(row).forEach((i, segment) => {
        const example = store.read(i);
        const own = example['input_ids']!;
        input_ids.set(own, at);
        labels.set(example['labels']!, at);
        // A text's first token follows nothing.
        labels[at] = -100;
        segment_ids.fill(segment + 1, at, at + own.length);
        for (let t = 0; t < own.length; t++) position_ids[at + t] = t;
        at += own.length;
      });
      return { input_ids, labels, segment_ids, position_ids };
    },
    close: () => store.close(),
  };
}

/** Prepared data in rows of {@link packedStore}. */
export const packedData = (data: PreparedData, o: { readonly length: number }): PreparedData => ({
  ...data,
  train: packedStore(data.train, o),
  validation: data.validation && packedStore(data.validation, o),
});

/**
 * Puts things of given sizes into boxes: the largest first, each into the first box with room for it. The boxes hold the
 * things' numbers.
 *
 * @throws where one is larger than a box, or of no size.
 */
export function firstFitDecreasing(sizes: Int32Array, room: number): Int32Array[] {
  sizes.forEach((size, i) => {
    if (!(size > 0 && size <= room))
      throw new Error(`packing: example ${i} has ${size} tokens; needs 1 to ${room}, the length of a row`);
  });
  const order = Int32Array.from(sizes, (_, i) => i).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  // A tree of the most room left in the boxes below each node; boxes are its leaves.
  let leaves = 1;
  while (leaves < sizes.length) leaves *= 2;
  const most = new Int32Array(2 * leaves).fill(room);
  const boxOf = new Int32Array(sizes.length);
  let boxes = 0;
  for (const i of order) {
    let node = 1;
    while (node < leaves) node = most[2 * node]! >= sizes[i]! ? 2 * node : 2 * node + 1;
    boxOf[i] = node - leaves;
    boxes = Math.max(boxes, boxOf[i]! + 1);
    most[node]! -= sizes[i]!;
    for (node >>= 1; node >= 1; node >>= 1) most[node] = Math.max(most[2 * node]!, most[2 * node + 1]!);
  }
  const counts = new Int32Array(boxes);
  for (const box of boxOf) counts[box]!++;
  const found = Array.from(counts, (count) => new Int32Array(count));
  counts.fill(0);
  for (const i of order) {
    const box = boxOf[i]!;
    found[box]![counts[box]!++] = i;
  }
  return found;
}
