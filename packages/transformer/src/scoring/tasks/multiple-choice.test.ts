// Multiple choice: lm-evaluation-harness' accuracies, from known numbers.
import { describe, expect, test } from 'vitest';
import { choiceQuestion, choose, multipleChoice } from './multiple-choice.ts';
import { stub } from './stub.fixture.ts';

const question = (choices: readonly string[], answer: number, context = 'Q:') => ({ context, choices, answer });

describe('the answer chosen', () => {
  test('is the likeliest, by the sum, by characters and by bytes', () => {
    // Characters 2, 6, 3; bytes 2, 6, 9.
    const { chosen } = choose(question(['ab', 'abcdef', '日本語'], 0), [-4, -9, -5]);
    // By character -2, -1.5, -1.67; by byte -2, -1.5, -0.56.
    expect(chosen).toEqual({ acc: 0, acc_norm: 1, acc_bytes: 2 });
  });

  test('counts a character beyond the basic plane once', () => {
    // By code points -3 and -2; by UTF-16 units it would be -1.5 and -2.
    expect(choose(question(['🙂', 'ab'], 0), [-3, -4]).chosen.acc_norm).toBe(1);
  });

  test('is the first of equals', () => {
    expect(choose(question(['a', 'b', 'c'], 0), [-2, -1, -1]).chosen.acc).toBe(1);
  });

  test('may be the one that the question makes likelier', () => {
    expect(choose(question(['a', 'b'], 0), [-2, -3], [-1, -9]).chosen.acc_mutual_info).toBe(1);
  });
});

test('accuracies are shares of questions, with standard errors', async () => {
  const scorer = stub({
    ...{ 'Q:| yes': -1, 'Q:| no': -2, 'R:| yes': -1, 'R:| no': -2, 'S:| red': -5, 'S:| crimson': -6 },
    ...{ ' yes': -1, ' no': -4, ' red': -1, ' crimson': -9 },
  });
  const questions = [
    question(['yes', 'no'], 0),
    question(['yes', 'no'], 1, 'R:'),
    question(['red', 'crimson'], 1, 'S:'),
  ];
  const report = await multipleChoice(scorer, questions, { mutualInformation: true });
  expect(report.acc).toEqual({ value: 1 / 3, standardError: expect.closeTo(Math.sqrt(1 / 9), 12), count: 3 });
  // By characters: yes -0.33 before no -1; red -1.67 after crimson -0.86.
  expect(report.acc_norm.value).toBeCloseTo(2 / 3, 12);
  expect(report.acc_bytes).toEqual(report.acc_norm);
  // Less what answers have by themselves: yes 0, no 2; crimson 3, red -4.
  expect(report.acc_mutual_info?.value).toBeCloseTo(2 / 3, 12);
  expect(report.results[0]!.logLikelihoods).toEqual([-1, -2]);
});

test('without being asked, answers by themselves aren’t scored; the delimiter can be chosen', async () => {
  const scorer = stub({ 'Q:|\nyes': -1, 'Q:|\nno': -2 });
  const report = await multipleChoice(scorer, [question(['yes', 'no'], 0)], { delimiter: '\n' });
  expect(report.acc.value).toBe(1);
  expect('acc_mutual_info' in report).toBe(false);
});

test('an answer by itself whose first token nothing predicts needs a domain context', async () => {
  const scorer = stub({ 'Q:| a': -1, 'Q:| b': -2, ' a': null, ' b': null, 'Answer:| a': -1, 'Answer:| b': -1.5 });
  const asked = [question(['a', 'b'], 0)];
  await expect(multipleChoice(scorer, asked, { mutualInformation: true })).rejects.toThrow('domainContext');
  const given = await multipleChoice(scorer, asked, { mutualInformation: true, domainContext: 'Answer:' });
  expect(given.acc_mutual_info?.value).toBe(1);
});

describe('a row', () => {
  const choices = ['red', 'green', 'blue'];

  test('may give its answer by index, letter, label or text', () => {
    const answer = (row: object): number => choiceQuestion({ question: 'Which?', choices, ...row }).answer;
    expect([answer({ answer: 1 }), answer({ label: '2' }), answer({ answer: 'C' }), answer({ answer: 'red' })]).toEqual(
      [1, 2, 2, 0],
    );
    expect(
      choiceQuestion({
        question: 'x',
        choices: { text: choices, label: ['1', '2', '3'] },
        answerKey: '2',
      }),
    ).toEqual({ context: 'x', choices, answer: 1 });
    expect(choiceQuestion({ ctx: 'x', endings: choices, label: '0' }).answer).toBe(0);
  });

  test('that lacks something, or has an answer out of range, says so', () => {
    const read = (row: Record<string, unknown>) => (): unknown => choiceQuestion(row);
    expect(read({ choices, answer: 0 })).toThrow('context is missing');
    expect(read({ question: 'x', answer: 0 })).toThrow('choices is missing');
    expect(read({ question: 'x', choices: [], answer: 0 })).toThrow('choices has 0 answers; needs a list of two');
    expect(read({ question: 'x', choices: ['a', ''], answer: 0 })).toThrow('choice 1 is ""');
    expect(read({ question: 'x', choices })).toThrow('answer is missing');
    for (const answer of [3, -1, 1.5, 'D', 'pink', null])
      expect(read({ question: 'x', choices, answer })).toThrow('but there are 3 choices; needs 0 to 2');
  });
});

test('no questions, and an answer that isn’t there, are errors', async () => {
  await expect(multipleChoice(stub({}), [])).rejects.toThrow('no questions');
  await expect(multipleChoice(stub({}), [question(['a', 'b'], 2)])).rejects.toThrow('question 0 has 2 choices');
});
