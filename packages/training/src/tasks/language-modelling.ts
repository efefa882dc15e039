// Next-token prediction on texts, on completions of prompts, and on what the assistant says in conversations.
import type { HostTensor } from '@brickwork/runtime';
import { padded } from '../data/example-batches.ts';
import type { Turn } from '../data/example.ts';
import { tokenInputs, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';

/** What language modelling is made from. */
export interface LanguageModellingOptions extends InputOptions {
  /** Put after a text, so that the model learns where texts end; none where null. */
  readonly endId: number | null;
  /** Whether the prompt counts in the loss as well; false unless given: only completions do. */
  readonly learnPrompts?: boolean;
  /** Writes a conversation as the model's chat template does; needed for conversations. */
  readonly template?: (turns: readonly Turn[], o: { readonly addGenerationPrompt: boolean }) => string;
}

/**
 * Texts, completions and conversations for a causal model. A label stands at its own token; the network shifts. Of
 * completions and conversations only what is to be learned to say has labels.
 */
export function languageModelling(tokenizer: TaskTokenizer, o: LanguageModellingOptions): Task {
  const { endId, learnPrompts = false, template, limit } = o;
  const end = endId === null ? [] : [endId];
  const example = (tokens: readonly number[], learned: readonly boolean[]): Record<string, Int32Array>[] => {
    if (tokens.length < 2) return [];
    const [own, which] = [tokens.slice(0, limit), learned.slice(0, limit)];
    const labels = own.map((id, t) => (which[t] ? id : -100));
    // What is cut off may be all there was to learn.
    return labels.slice(1).some((label) => label !== -100)
      ? [{ input_ids: numbers(own), labels: numbers(labels) }]
      : [];
  };
  // The tokens of a text, and of each whether it reaches into a part to be learned. Encoded as a whole, as it will be read.
  const marked = (
    text: string,
    parts: readonly (readonly [begin: number, end: number])[],
    addSpecialTokens: boolean,
  ) => {
    const { ids: tokens, offsets, specialTokensMask } = tokenizer.encode(text, { addSpecialTokens });
    const isIn = ([from, to]: readonly [number, number]): boolean => parts.some(([a, b]) => to > a && from < b);
    return { tokens, learned: offsets.map((range, i) => learnPrompts || (!specialTokensMask[i] && isIn(range))) };
  };
  return {
    identity: { task: 'language-modelling', endId, learnPrompts, limit, template: template?.toString() ?? null },
    lengthOf: 'input_ids',
    encode(given) {
      if (given.kind === 'text') {
        const tokens = [...tokenizer.encode(given.text).ids, ...end];
        // A text longer than the model sees is cut into pieces.
        return Array.from({ length: Math.ceil(tokens.length / limit) }, (_, i) => {
          const piece = tokens.slice(i * limit, (i + 1) * limit);
          return example(
            piece,
            piece.map(() => true),
          );
        }).flat();
      }
      if (given.kind === 'completion') {
        const text = given.prompt + given.completion;
        const { tokens, learned } = marked(text, [[given.prompt.length, text.length]], true);
        return example([...tokens, ...end], [...learned, ...end.map(() => true)]);
      }
      if (given.kind === 'chat') {
        if (!template)
          throw new Error(
            'language modelling: conversations need a chat template; give one, or use a model that has one',
          );
        // What the template adds with each of the assistant's turns, after the prompt for it, is to be learned.
        const parts: [number, number][] = [];
        const whole = template(given.messages, { addGenerationPrompt: false });
        given.messages.forEach(({ role }, i) => {
          if (role !== 'assistant') return;
          const before = template(given.messages.slice(0, i), { addGenerationPrompt: true });
          const after = template(given.messages.slice(0, i + 1), { addGenerationPrompt: false });
          if (!after.startsWith(before) || !whole.startsWith(after))
            throw new Error(
              'language modelling: the chat template rewrites earlier turns, so answers have no place in it',
            );
          parts.push([before.length, after.length]);
        });
        const { tokens, learned } = marked(whole, parts, false);
        return example(tokens, learned);
      }
      return wrongKind('language modelling', given, 'texts, prompts with completions, or conversations');
    },
    collate(examples) {
      const { multiple } = o;
      const how = { limit, ...(multiple !== undefined && { multiple }) };
      const labels = padded(
        examples.map((e) => e['labels']!),
        { ...how, value: -100 },
      );
      // Of several texts in a row, each sees itself alone; see packedStore.
      const packed = examples[0]!['segment_ids'] !== undefined;
      const { attention_mask, input_ids } = tokenInputs(examples, o);
      const own = (field: string): HostTensor =>
        padded(
          examples.map((e) => e[field]!),
          { ...how, value: 0 },
        );
      const inputs = packed
        ? { input_ids: input_ids!, position_ids: own('position_ids'), segment_ids: own('segment_ids') }
        : { input_ids: input_ids!, attention_mask: attention_mask! };
      const count = examples.reduce((n, e) => n + e['labels']!.subarray(1).filter((label) => label !== -100).length, 0);
      return { batch: { ...inputs, labels }, count };
    },
  };
}
