// Questions with several answers to choose from: the likeliest one is the model's. Scores are those of lm-evaluation-harness
// (EleutherAI): acc, acc_norm, acc_bytes and acc_mutual_info.
import type { ScoreItem } from '../scored.ts';
import type { ScoreOptions, Scorer } from '../scorer.ts';
import { firstLargest, proportion, type Proportion } from './proportion.ts';

/** A question, and answers of which one is right. */
export interface ChoiceQuestion {
  /** What stands before each answer. */
  readonly context: string;
  readonly choices: readonly string[];
  /** Which is right, from 0. */
  readonly answer: number;
}

/** How answers are scored. */
export interface MultipleChoiceOptions extends Pick<ScoreOptions, 'batchSize' | 'pll' | 'signal'> {
  /** Between context and answer; a space unless given. */
  readonly delimiter?: string;
  /** Also scores each answer by itself, for acc_mutual_info; false unless given. */
  readonly mutualInformation?: boolean;
  /** What stands before an answer by itself, such as 'Answer:'; nothing unless given. */
  readonly domainContext?: string;
  /** Told how many questions are done, of how many. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** How one question came out. */
export interface ChoiceResult {
  readonly question: ChoiceQuestion;
  /** ln p of each answer after the context, in nats. */
  readonly logLikelihoods: readonly number[];
  /** ln p of each answer by itself; null unless asked for. */
  readonly unconditional: readonly number[] | null;
  /** The answer chosen by log-likelihood; by it over characters; over bytes; less that of the answer by itself. */
  readonly chosen: {
    readonly acc: number;
    readonly acc_norm: number;
    readonly acc_bytes: number;
    readonly acc_mutual_info?: number;
  };
}

/** Accuracies by lm-evaluation-harness' names. */
export interface MultipleChoiceReport {
  readonly acc: Proportion;
  readonly acc_norm: Proportion;
  readonly acc_bytes: Proportion;
  readonly acc_mutual_info?: Proportion;
  readonly results: readonly ChoiceResult[];
}

const contextNames = ['context', 'question', 'query', 'ctx', 'text', 'sentence', 'premise', 'goal'];
const answerNames = ['answer', 'label', 'gold', 'answerKey', 'target'];
const choiceNames = ['choices', 'options', 'endings'];

/**
 * A question of a row of data: a context (`context`, `question`, …), `choices` (a list of texts, or ARC's `{ text, label }`)
 * and the right one (`answer`, `label`, …) as an index from 0, a letter from A, one of ARC's labels, or the answer itself.
 *
 * @throws saying what is missing or out of range.
 */
export function choiceQuestion(row: Readonly<Record<string, unknown>>): ChoiceQuestion {
  const find = (names: readonly string[]): string | undefined => names.find((name) => row[name] !== undefined);
  const contextName = find(contextNames);
  const context = contextName === undefined ? undefined : row[contextName];
  if (typeof context !== 'string')
    throw new Error(
      `${contextName ?? 'context'} is ${context === undefined ? 'missing' : JSON.stringify(context)}; needs a text called ${contextNames.slice(0, 3).join(' or ')}`,
    );
  const choicesName = find(choiceNames);
  const given = choicesName === undefined ? undefined : row[choicesName];
  const isTable = typeof given === 'object' && given !== null && !Array.isArray(given);
  const { text, label: labels } = (isTable ? given : { text: given, label: undefined }) as Record<string, unknown>;
  if (!Array.isArray(text) || text.length < 2)
    throw new Error(
      `${choicesName ?? 'choices'} ${given === undefined ? 'is missing' : `has ${Array.isArray(text) ? text.length : 'no'} answers`}; needs a list of two or more`,
    );
  const choices = (text as readonly unknown[]).map((choice, i) => {
    if (typeof choice !== 'string' || !choice)
      throw new Error(`choice ${i} is ${JSON.stringify(choice)}; needs a text that isn't empty`);
    return choice;
  });
  const answerName = find(answerNames);
  const answer = answerName === undefined ? undefined : row[answerName];
  const names = Array.isArray(labels) ? labels.map(String) : null;
  return { context, choices, answer: answerOf(answer, choices, { name: answerName ?? 'answer', labels: names }) };
}

function answerOf(
  answer: unknown,
  choices: readonly string[],
  { name, labels }: { readonly name: string; readonly labels: readonly string[] | null },
): number {
  if (answer === undefined)
    throw new Error(`${name} is missing; needs which choice is right (${answerNames.join(', ')})`);
  const isNumber = typeof answer === 'number' || (typeof answer === 'string' && /^\d+$/.test(answer));
  const byLabel = labels?.indexOf(String(answer)) ?? -1;
  const byText = typeof answer === 'string' ? choices.indexOf(answer) : -1;
  const byLetter =
    typeof answer === 'string' && /^[A-Za-z]$/.test(answer) ? answer.toUpperCase().charCodeAt(0) - 65 : -1;
  const found = [byLabel, byText, isNumber ? Number(answer) : -1, byLetter].find((i) => i >= 0) ?? -1;
  if (!(Number.isInteger(found) && found >= 0 && found < choices.length))
    throw new Error(
      `${name} is ${JSON.stringify(answer)}, but there are ${choices.length} choices; needs 0 to ${choices.length - 1}, a letter from A, or the choice itself`,
    );
  return found;
}

// Questions at once: progress is told between.
const atOnce = 64;

/**
 * Chooses answers by a model, and says how often the right ones.
 *
 * ```ts
 * const questions = [{ context: 'The capital of Italy is', choices: ['Rome', 'Paris'], answer: 0 }];
 * const { acc, acc_norm } = await multipleChoice(await Scorer.load('gpt2'), questions);
 * ```
 *
 * @throws where there are no questions, or one has no choices or no right one; and as {@link Scorer.score}.
 */
export async function multipleChoice(
  scorer: Pick<Scorer, 'score'>,
  questions: readonly ChoiceQuestion[],
  {
    delimiter = ' ',
    mutualInformation = false,
    domainContext = '',
    onProgress,
    ...options
  }: MultipleChoiceOptions = {},
): Promise<MultipleChoiceReport> {
  if (!questions.length) throw new Error('multipleChoice: there are no questions; give one or more');
  questions.forEach(({ choices, answer }, i) => {
    if (!(Number.isInteger(answer) && answer >= 0 && answer < choices.length))
      throw new Error(
        `multipleChoice: question ${i} has ${choices.length} choices, and ${answer} is to be right; needs a number from 0 to ${choices.length - 1}`,
      );
  });
  const results: ChoiceResult[] = [];
  for (let first = 0; first < questions.length; first += atOnce) {
    const some = questions.slice(first, first + atOnce);
    const conditional = await logProbs(
      scorer,
      some.flatMap(({ context, choices }) => choices.map((choice) => ({ context, text: delimiter + choice }))),
      options,
    );
    const alone = mutualInformation
      ? await logProbs(
          scorer,
          some.flatMap(({ choices }) =>
            choices.map((choice) => ({ context: domainContext, text: delimiter + choice })),
          ),
          options,
        )
      : null;
    if (alone?.some(Number.isNaN))
      throw new Error(
        'multipleChoice: nothing predicts the first token of an answer by itself; give a domainContext, such as "Answer:"',
      );
    let at = 0;
    for (const question of some) {
      const end = at + question.choices.length;
      results.push(choose(question, conditional.slice(at, end), alone?.slice(at, end) ?? null));
      at = end;
    }
    onProgress?.({ done: results.length, total: questions.length });
  }
  const accuracy = (of: (chosen: ChoiceResult['chosen']) => number | undefined): Proportion =>
    proportion(results.map(({ question, chosen }) => of(chosen) === question.answer));
  return {
    acc: accuracy(({ acc }) => acc),
    acc_norm: accuracy(({ acc_norm }) => acc_norm),
    acc_bytes: accuracy(({ acc_bytes }) => acc_bytes),
    ...(mutualInformation && { acc_mutual_info: accuracy(({ acc_mutual_info }) => acc_mutual_info) }),
    results,
  };
}

// ln p of each; NaN where a token of it isn't predicted.
async function logProbs(
  scorer: Pick<Scorer, 'score'>,
  items: readonly ScoreItem[],
  options: ScoreOptions,
): Promise<number[]> {
  const scored = await scorer.score(items, options);
  return scored.map(({ tokens, logProb }) => (tokens.some((token) => token.logProb === null) ? NaN : logProb));
}

/** The answers that log-likelihoods choose; of equal ones the first, as in lm-evaluation-harness. */
export function choose(
  question: ChoiceQuestion,
  logLikelihoods: readonly number[],
  unconditional: readonly number[] | null = null,
): ChoiceResult {
  const { choices } = question;
  // Python's len: code points. Neither length counts the delimiter.
  const characters = choices.map((choice) => [...choice].length);
  const bytes = choices.map((choice) => Buffer.byteLength(choice));
  const over = (sizes: readonly number[]): number => firstLargest(logLikelihoods.map((l, i) => l / sizes[i]!));
  const chosen = {
    acc: firstLargest(logLikelihoods),
    acc_norm: over(characters),
    acc_bytes: over(bytes),
    ...(unconditional && { acc_mutual_info: firstLargest(logLikelihoods.map((l, i) => l - unconditional[i]!)) }),
  };
  return { question, logLikelihoods, unconditional, chosen };
}
