import { expect, test } from 'vitest';
import { areTags, entities, entityReport } from './entities.ts';

test('spans begin with B, or where the type changes', () => {
  expect(entities(['B-PER', 'I-PER', 'O', 'I-LOC', 'B-LOC', 'I-PER'])).toEqual([
    { type: 'PER', start: 0, end: 2 },
    { type: 'LOC', start: 3, end: 4 },
    { type: 'LOC', start: 4, end: 5 },
    { type: 'PER', start: 5, end: 6 },
  ]);
});

// The example of seqeval's documentation: y_true and y_pred, F1 0.50.
test('the report is seqeval’s', () => {
  const truth = [
    ['O', 'O', 'O', 'B-MISC', 'I-MISC', 'I-MISC', 'O'],
    ['B-PER', 'I-PER', 'O'],
  ];
  const found = [
    ['O', 'O', 'B-MISC', 'I-MISC', 'I-MISC', 'I-MISC', 'O'],
    ['B-PER', 'I-PER', 'O'],
  ];
  const { types, classes, micro, macro } = entityReport(found, truth);
  expect(types).toEqual(['MISC', 'PER']);
  expect(classes.map(({ f1 }) => f1)).toEqual([0, 1]);
  expect([micro.f1, macro.f1]).toEqual([0.5, 0.5]);
});

test('class names are known for tags', () => {
  expect(areTags(['O', 'B-PER', 'I-PER'])).toBe(true);
  expect(areTags(['O', 'PER'])).toBe(false);
  expect(areTags(['O'])).toBe(false);
});
