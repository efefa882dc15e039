// A text to another one: translation, summaries (Sutskever et al., 2014; Vaswani et al., 2017; T5: Raffel et al., 2020).
import { padded } from '../data/example-batches.ts';
import { tokenInputs, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';

/** What sequence-to-sequence training is made from. */
export interface SequenceToSequenceOptions extends InputOptions {
  /** The most tokens of a target; that of the source unless given. */
  readonly targetLimit?: number;
  /** Put before every source, such as T5's 'translate English to German: '. */
  readonly prefix?: string;
  /** Put after a target where its tokenizer doesn't; none where null. */
  readonly endId?: number | null;
  /** The targets' tokenizer, where it is another one. */
  readonly targets?: TaskTokenizer;
}

/** Sources and targets, for an encoder-decoder; a prompt and its completion are such, too. */
export function sequenceToSequence(tokenizer: TaskTokenizer, o: SequenceToSequenceOptions): Task {
  const { limit, targetLimit = limit, prefix = '', endId = null, targets = tokenizer } = o;
  return {
    identity: { task: 'sequence-to-sequence', limit, targetLimit, prefix, endId, targets: targets.json ?? null },
    lengthOf: 'input_ids',
    encode(given) {
      if (given.kind !== 'sequence' && given.kind !== 'completion')
        return wrongKind('sequence to sequence', given, 'a source and its target');
      const [source, target] =
        given.kind === 'sequence' ? [given.source, given.target] : [given.prompt, given.completion];
      const labels = targets.encode(target, { maxLength: targetLimit }).ids;
      const ends = endId === null || labels.at(-1) === endId ? labels : [...labels.slice(0, targetLimit - 1), endId];
      if (!ends.length) return [];
      return [
        { input_ids: numbers(tokenizer.encode(prefix + source, { maxLength: limit }).ids), labels: numbers(ends) },
      ];
    },
    collate(examples) {
      const { multiple } = o;
      const labels = examples.map((e) => e['labels']!);
      const how = { value: -100, limit: targetLimit, ...(multiple !== undefined && { multiple }) };
      return {
        batch: { ...tokenInputs(examples, o), labels: padded(labels, how) },
        count: labels.reduce((n, label) => n + label.length, 0),
      };
    },
  };
}
