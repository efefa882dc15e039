import { expect, test } from 'vitest';
import { frequencyPenalty } from './frequency-penalty.ts';
import type { LogitsProcessor } from './logits-processor.ts';
import { presencePenalty } from './presence-penalty.ts';
import { repetitionPenalty } from './repetition-penalty.ts';

// Prompt 0 1 1, then 2 2 3.
const context = { ids: [0, 1, 1, 2, 2, 3], promptLength: 3 };
const after = (process: LogitsProcessor, logits: readonly number[]): number[] => {
  const data = Float32Array.from(logits);
  process(data, context);
  return [...data];
};

test('repetitionPenalty divides positive and multiplies negative logits of the prompt and the text, once each', () => {
  expect(after(repetitionPenalty({ penalty: 2 }), [4, -4, 1, 0, 3])).toEqual([2, -8, 0.5, 0, 3]);
  expect(after(repetitionPenalty({ penalty: 0.5 }), [4, -4, -Infinity, 1, 3])).toEqual([8, -2, -Infinity, 2, 3]);
});

test('presencePenalty takes off once what was generated, not what was in the prompt', () => {
  expect(after(presencePenalty({ penalty: 0.5 }), [1, 1, 1, 1, 1])).toEqual([1, 1, 0.5, 0.5, 1]);
  expect(after(presencePenalty({ penalty: -1 }), [1, 1, 1, 1, 1])).toEqual([1, 1, 2, 2, 1]);
});

test('frequencyPenalty takes off for each time a token was generated', () => {
  expect(after(frequencyPenalty({ penalty: 0.5 }), [1, 1, 1, 1, 1])).toEqual([1, 1, 0, 0.5, 1]);
});

test('penalties ignore ids beyond the logits', () => {
  expect(after(repetitionPenalty({ penalty: 2 }), [4, 4])).toEqual([2, 2]);
  expect(after(presencePenalty({ penalty: 2 }), [4, 4])).toEqual([4, 4]);
  expect(after(frequencyPenalty({ penalty: 2 }), [4, 4])).toEqual([4, 4]);
});

test('penalties refuse what is not a number, and a repetition penalty of 0', () => {
  expect(() => repetitionPenalty({ penalty: 0 })).toThrow('repetitionPenalty: penalty is 0; needs a number above 0');
  expect(() => repetitionPenalty({ penalty: -1 })).toThrow('needs a number above 0');
  expect(() => presencePenalty({ penalty: NaN })).toThrow('presencePenalty: penalty is NaN; needs a finite number');
  expect(() => frequencyPenalty({ penalty: Infinity })).toThrow('needs a finite number');
});
