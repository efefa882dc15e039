import { expect, test } from 'vitest';
import { generationSettings, type GenerateOptions } from './options.ts';

const sample = (options: GenerateOptions): boolean => generationSettings(options).sample;

test('without options the most probable token is taken; each sampling option turns sampling on', () => {
  expect(sample({})).toBe(false);
  for (const options of [{ temperature: 1 }, { topK: 5 }, { topP: 0.9 }, { minP: 0.1 }, { doSample: true }])
    expect(sample(options)).toBe(true);
  for (const options of [{ topK: 0 }, { topP: 1 }, { minP: 0 }, { seed: 3 }, { repetitionPenalty: 2 }])
    expect(sample(options)).toBe(false);
});

test('temperature 0 and doSample: false always take the most probable token', () => {
  expect(sample({ temperature: 0, topK: 5 })).toBe(false);
  expect(sample({ temperature: 0, doSample: true })).toBe(false);
  const { processors } = generationSettings({ doSample: false, temperature: 0.5, topP: 0.5, repetitionPenalty: 1.2 });
  expect(processors).toHaveLength(1);
});

test.each([
  [{ temperature: -1 }, 'temperature is -1; needs a number of 0 (the most probable token) or more'],
  [{ temperature: NaN }, 'temperature is NaN'],
  [{ temperature: Infinity }, 'temperature is Infinity'],
  [{ temperature: '1' as unknown as number }, 'temperature is "1"'],
  [{ topP: 0 }, 'topP is 0; needs a number above 0 and up to 1'],
  [{ topP: 1.5 }, 'topP is 1.5'],
  [{ topP: NaN }, 'topP is NaN'],
  [{ topK: -1 }, 'topK is -1; needs a whole number of 1 or more, or 0 for off'],
  [{ topK: 2.5 }, 'topK is 2.5'],
  [{ minP: -0.1 }, 'minP is -0.1; needs a number from 0 (off) to 1'],
  [{ minP: 2 }, 'minP is 2'],
  [{ repetitionPenalty: 0 }, 'repetitionPenalty is 0; needs a number above 0'],
  [{ presencePenalty: NaN }, 'presencePenalty is NaN; needs a finite number'],
  [{ frequencyPenalty: Infinity }, 'frequencyPenalty is Infinity; needs a finite number'],
  [{ maxNewTokens: -1 }, 'maxNewTokens is -1; needs a whole number of 0 or more'],
  [{ maxNewTokens: 1.5 }, 'maxNewTokens is 1.5'],
  [{ seed: -1 }, 'seed is -1; needs a whole number from 0 to 2^53 - 1'],
  [{ seed: 0.5 }, 'seed is 0.5'],
  [{ seed: 2 ** 53 }, 'seed is 9007199254740992'],
  [{ seed: [1, NaN] }, 'seed is NaN'],
  [{ numBeams: 0 }, 'numBeams is 0; needs a whole number of 1 or more'],
  [{ lengthPenalty: NaN }, 'lengthPenalty is NaN'],
  [{ earlyStopping: 'always' as 'never' }, "earlyStopping is always; needs true, false or 'never'"],
  [{ doSample: 1 as unknown as boolean }, 'doSample is 1; needs true or false'],
  [{ processors: [3 as never] }, 'processors holds 3; needs functions'],
  [{ numReturnSequences: 0 }, 'numReturnSequences is 0'],
  [{ logprobs: -1 }, 'logprobs is -1'],
  [{ eosTokenIds: [1, -2] }, 'eosTokenIds is -2; needs token ids'],
  [{ stop: '' }, 'stop holds ""; needs texts of one character or more'],
  [{ stop: ['a', 5 as unknown as string] }, 'stop holds 5'],
  [{ stop: '\ud83d' }, 'half a character'],
  [{ numBeams: 2, topK: 3 }, 'numBeams is 2 and sampling is on (by temperature, topK, topP or minP)'],
  [{ numBeams: 2, doSample: true }, 'numBeams is 2 and sampling is on (doSample: true)'],
  [{ contextShift: 1 as unknown as boolean }, 'contextShift is 1; needs true or false'],
  [{ numBeams: 2, contextShift: true }, 'beams end with the context'],
  [{ numBeams: 2, logprobs: 1 }, 'alternatives are only given without beams'],
  [{ numBeams: 2, numReturnSequences: 3 }, 'numReturnSequences is 3, but there are 2 beams'],
  [{ numReturnSequences: 2 }, 'set a temperature or numBeams'],
] as [GenerateOptions, string][])('%o is refused', (options, message) => {
  expect(() => generationSettings(options)).toThrow(message);
});

test('an unknown option is refused with the nearest known one', () => {
  const refused = (name: string) => () => generationSettings({ [name]: 1 } as GenerateOptions, 'generateText');
  expect(refused('max_new_tokens')).toThrow('generateText: unknown option max_new_tokens; did you mean maxNewTokens?');
  expect(refused('topk')).toThrow('did you mean topK?');
  expect(refused('temprature')).toThrow('did you mean temperature?');
  expect(refused('zebra')).toThrow('unknown option zebra; known are maxNewTokens, contextShift');
});

test('undefined is as good as left out', () => {
  expect(generationSettings({ temperature: undefined, topK: undefined, seed: undefined, stop: undefined })).toEqual(
    generationSettings({}),
  );
});

test('end tokens and stop strings can be given alone, and repeats count once', () => {
  expect(generationSettings({ eosTokenIds: 7, stop: 'x' })).toMatchObject({ eosTokenIds: [7], stop: ['x'] });
  expect(generationSettings({ eosTokenIds: [7, 3, 7] }).eosTokenIds).toEqual([7, 3]);
});
