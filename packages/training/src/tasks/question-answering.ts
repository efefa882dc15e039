// Where in a passage the answer to a question stands (SQuAD: Rajpurkar et al., 2016).
import { tokenInputs, wholeNumbers, type InputOptions } from './inputs.ts';
import { numbers, wrongKind, type Task, type TaskTokenizer } from './task.ts';

/** What question answering is made from. */
export interface QuestionAnsweringOptions extends InputOptions {
  /** Characters by which pieces of a long passage overlap, about; 512 unless given. */
  readonly overlap?: number;
  readonly typed?: boolean;
}

/**
 * Questions with their passages. A passage too long for the model comes in overlapping pieces; where a piece doesn't hold
 * the whole answer, the answer is at the first token, as for questions without an answer. Of several answers the first
 * counts.
 */
export function questionAnswering(tokenizer: TaskTokenizer, o: QuestionAnsweringOptions): Task {
  const { limit, overlap = 512, typed = false } = o;
  return {
    identity: { task: 'question-answering', limit, overlap, typed },
    lengthOf: 'input_ids',
    encode(given) {
      if (given.kind !== 'question') return wrongKind('question answering', given, 'a question and a passage');
      const { question, context, answers } = given;
      const [answer] = answers;
      const from = answer?.start ?? -1;
      const to = answer ? from + answer.text.length : -1;
      if (answer && context.slice(from, to) !== answer.text)
        throw new Error(
          `question answering: at ${from} the passage has ${JSON.stringify(context.slice(from, to).slice(0, 40))}, not the answer ${JSON.stringify(answer.text.slice(0, 40))}`,
        );
      const pieces = [];
      for (let begin = 0; ;) {
        const piece = context.slice(begin);
        const encoding = tokenizer.encode(question, { textPair: piece, maxLength: limit });
        const { ids, typeIds, offsets, specialTokensMask } = encoding;
        const questionLength = tokenizer.encode(question, { addSpecialTokens: false }).ids.length;
        // The second text's tokens are those after the question's that stand for a part of the passage.
        const own: number[] = [];
        let seen = 0;
        ids.forEach((_, t) => {
          if (!specialTokensMask[t] && seen++ >= Math.min(questionLength, ids.length)) own.push(t);
        });
        if (!own.length)
          throw new Error(`question answering: a question of ${questionLength} tokens leaves no room for the passage`);
        const end = begin + offsets[own.at(-1)!]![1];
        const holds = answer !== undefined && from >= begin && to <= end && to > from;
        const first = holds ? own.find((t) => begin + offsets[t]![1] > from)! : 0;
        const last = holds ? own.findLast((t) => begin + offsets[t]![0] < to)! : 0;
        pieces.push({
          input_ids: numbers(ids),
          ...(typed && { token_type_ids: numbers(typeIds) }),
          start_positions: numbers([first]),
          end_positions: numbers([last]),
        });
        if (end >= context.trimEnd().length) break;
        // Pieces begin between words.
        const next = context.indexOf(' ', Math.max(begin, end - overlap));
        const start = next < 0 || next >= end ? end : next + 1;
        begin = start > begin ? start : end;
      }
      return pieces;
    },
    collate: (examples) => ({
      batch: {
        ...tokenInputs(examples, o),
        start_positions: wholeNumbers(examples, 'start_positions'),
        end_positions: wholeNumbers(examples, 'end_positions'),
      },
      count: examples.length,
    }),
  };
}
