import { expect, test } from 'vitest';
import { generationOptions } from './generation-config.ts';

const sampled = { do_sample: true, temperature: 0.8, top_p: 0.9, top_k: 40, max_new_tokens: 50, eos_token_id: [3, 5] };

test('a model’s own settings count where nothing else was asked for', () => {
  expect(generationOptions({}, sampled, {})).toEqual({
    ...{ doSample: true, temperature: 0.8, topP: 0.9, topK: 40, maxNewTokens: 50, eosTokenIds: [3, 5] },
  });
});
test('what was asked for counts more', () => {
  expect(generationOptions({ temperature: 0.5, maxNewTokens: 2 }, sampled, {})).toMatchObject({
    ...{ temperature: 0.5, topP: 0.9, maxNewTokens: 2 },
  });
});
test('their sampling is left out without do_sample, for temperature 0, without chance, and for beams', () => {
  const none = { maxNewTokens: 50, eosTokenIds: [3, 5] };
  expect(generationOptions({}, { ...sampled, do_sample: false }, {})).toEqual(none);
  expect(generationOptions({ temperature: 0 }, sampled, {})).toEqual({ ...none, temperature: 0 });
  expect(generationOptions({ doSample: false }, sampled, {})).toEqual({ ...none, doSample: false });
  expect(generationOptions({ numBeams: 3 }, sampled, {})).toEqual({ ...none, numBeams: 3 });
});
test('their beams are left out where chance was asked for', () => {
  expect(generationOptions({ topK: 5 }, { num_beams: 4 }, {})).toEqual({ topK: 5, eosTokenIds: [] });
});
test('the end token may stand in config.json', () => {
  expect(generationOptions({}, {}, { eos_token_id: 7 })).toEqual({ eosTokenIds: [7] });
  expect(generationOptions({}, { eos_token_id: null }, { eos_token_id: null })).toEqual({ eosTokenIds: [] });
});
