// A class for every word: names, parts of speech. What `…ForTokenClassification` is trained on.
import { padded } from '../data/example-batches.ts';
import { tokenInputs, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';

/** What token classification is made from. */
export interface TokenClassificationOptions extends InputOptions {
  /** The classes in the order of their numbers. */
  readonly names: readonly string[];
  /** Whether all pieces of a word have its label, or the first one only; false unless given. */
  readonly labelAllPieces?: boolean;
  readonly typed?: boolean;
}

/** Words with a label each. */
export function tokenClassification(tokenizer: TaskTokenizer, o: TokenClassificationOptions): Task {
  const { names, labelAllPieces = false, typed = false, limit } = o;
  const byName = new Map(names.map((name, i) => [name, i]));
  const classOf = (label: string | number): number => {
    const index = typeof label === 'number' ? label : byName.get(label);
    if (index === undefined || !(Number.isInteger(index) && index >= 0 && index < names.length))
      throw new Error(
        `token classification: no class is called ${JSON.stringify(label)}; there are ${names.join(', ')}`,
      );
    return index;
  };
  return {
    identity: { task: 'token-classification', names, labelAllPieces, typed, limit },
    lengthOf: 'input_ids',
    encode(given) {
      if (given.kind !== 'words') return wrongKind('token classification', given, 'words and their labels');
      const text = given.words.join(' ');
      const { ids, offsets, specialTokensMask, typeIds } = tokenizer.encode(text, { maxLength: limit });
      const begins: number[] = [];
      let at = 0;
      for (const word of given.words) {
        begins.push(at);
        at += word.length + 1;
      }
      let word = -1;
      const labels = offsets.map(([from, to], t) => {
        if (specialTokensMask[t] || from === to) return -100;
        // The token's first character that is not the space before a word.
        const start = text[from] === ' ' ? from + 1 : from;
        let own = Math.max(word, 0);
        while (own + 1 < begins.length && begins[own + 1]! <= start) own++;
        const isFirst = own !== word;
        word = own;
        return isFirst || labelAllPieces ? classOf(given.labels[own]!) : -100;
      });
      return [
        {
          input_ids: numbers(ids),
          ...(typed && { token_type_ids: numbers(typeIds) }),
          labels: numbers(labels),
        },
      ];
    },
    collate(examples) {
      const { multiple } = o;
      const labels = examples.map((e) => e['labels']!);
      const how = { value: -100, limit, ...(multiple !== undefined && { multiple }) };
      return {
        batch: { ...tokenInputs(examples, o), labels: padded(labels, how) },
        count: labels.reduce((n, label) => n + label.filter((id) => id !== -100).length, 0),
      };
    },
  };
}
