// lm answer: answers a question with a part of a passage.
import { readFile } from 'node:fs/promises';
import type { Command } from '../lib/command.ts';
import { engineFlags, engineOptions, type EngineArgs } from '../lib/engine-flags.ts';
import { usage } from '../lib/errors.ts';
import { flags } from '../lib/flags.ts';
import { utf8, type Io } from '../lib/io.ts';
import { modelFlags, modelPath, type ModelArgs } from '../lib/open-model.ts';
import { table } from '../lib/table.ts';

interface Args extends EngineArgs, ModelArgs {
  readonly question?: string;
  readonly text: readonly string[];
  readonly context?: string;
  readonly topK: number;
  readonly maxAnswerLength: number;
  readonly maxLength?: number;
  readonly stride?: number;
  readonly handleImpossible: boolean;
  readonly json: boolean;
}

/** `lm answer`. */
export const answerCommand: Command<Args> = {
  positionals: {
    text: { type: 'string', array: true, default: [], describe: 'the question, in quotes; or with --question' },
  },
  flags: {
    ...modelFlags(),
    ...flags('Flags', {
      question: { type: 'text', alias: 'q', describe: 'the question' },
      context: {
        type: 'text',
        alias: 'c',
        describe: 'a file with the passage, or - for stdin, or the passage itself; stdin unless given',
      },
      'top-k': { type: 'number', alias: 'k', min: 1, whole: true, default: 1, describe: 'so many answers, best first' },
      'max-answer-length': { type: 'number', min: 1, whole: true, default: 15, describe: 'most tokens of an answer' },
      'max-length': {
        type: 'number',
        min: 8,
        whole: true,
        describe: 'most tokens of the question with a piece of the passage',
      },
      stride: { type: 'number', min: 0, whole: true, describe: 'tokens by which pieces of a long passage overlap' },
      'handle-impossible': { type: 'switch', default: false, describe: 'also weigh that the passage has no answer' },
      json: { type: 'switch', default: false, describe: 'a line of JSON with the answers and their places' },
    }),
    ...engineFlags,
  },
  examples: [
    ['answer "Who wrote it?" -m my-qa-model -c passage.txt', 'the most probable part of the passage'],
    ['answer -q "When?" -m my-qa-model -k 3 --json < passage.txt', 'three answers, as JSON'],
  ],
  async run(a, io) {
    const words = [...a.text, ...a.rest];
    if (words.length > 1) throw usage(`${words.length} questions; needs one`, 'put it in quotes');
    if (words.length && a.question !== undefined) throw usage('the question was given twice', 'leave --question out');
    const question = words[0] ?? a.question;
    if (!question?.trim()) throw usage('the question is missing', 'lm answer "Who wrote it?" -m MODEL -c passage.txt');
    const context = await passage(a.context, io);
    if (!context.trim()) throw usage('the passage is empty', '-c FILE, or a text on stdin');
    const signal = io.interruptible();
    const folder = await modelPath(a, io, signal);
    const { AutoModel, answer } = await import('@brickwork/transformer');
    const model = await AutoModel.fromPretrained(folder, { signal, compile: engineOptions(a) });
    if (!model.className.endsWith('QuestionAnswering'))
      throw usage(`${a.model} is a ${model.className}; needs a model with a head for question answering`);
    try {
      const answers = await answer(
        model,
        await model.tokenizer(),
        { question, context },
        {
          topK: a.topK,
          maxAnswerLength: a.maxAnswerLength,
          ...(a.maxLength !== undefined && { maxLength: a.maxLength }),
          ...(a.stride !== undefined && { stride: a.stride }),
          handleImpossible: a.handleImpossible,
          signal,
        },
      );
      if (a.json) await io.writeJson({ question, answers });
      else if (a.topK === 1) await io.write(`${answers[0]!.answer || '(no answer)'}\n`);
      else
        await io.write(
          table(
            answers.map(({ score, start, end, answer: text }) => [
              score.toFixed(4),
              `${start}-${end}`,
              text || '(no answer)',
            ]),
          ),
        );
    } finally {
      await model.dispose();
    }
  },
};

// A file where there is one of that name, otherwise the passage itself.
async function passage(given: string | undefined, io: Io): Promise<string> {
  if (given === undefined || given === '-') return io.readStdin();
  const content = await readFile(given).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENAMETOOLONG') {
      // A name without spaces was meant to be a file.
      if (/^\S+\.\w+$/.test(given)) throw usage(`--context ${given}: there is no such file`);
      return null;
    }
    throw usage(`--context ${given}: ${error.code === 'EISDIR' ? 'it is a folder' : error.message}`);
  });
  return content === null ? given : utf8(content, given);
}
