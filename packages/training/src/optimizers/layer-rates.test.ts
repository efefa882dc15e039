import { expect, test } from 'vitest';
import { layerRates } from './layer-rates.ts';
import { parts } from './published.fixture.ts';

const named = (...names: string[]) => names.map((name) => ({ name, shape: [1], begin: 0, end: 1 }));

test('the head has the whole rate, the last block the decay of it, embeddings the least', () => {
  expect(layerRates(parts, 0.5)).toEqual([0.125, 0.25, 0.25, 0.5, 0.5, 1]);
});

test('each stack of an encoder-decoder is counted by itself', () => {
  const names = named(
    'shared.weight',
    'encoder.block.0.layer.0.w',
    'encoder.block.1.layer.0.w',
    'encoder.final_layer_norm.weight',
    'decoder.block.0.layer.0.w',
    'decoder.block.1.layer.1.w',
    'decoder.block.2.layer.2.w',
    'lm_head.weight',
  );
  expect(layerRates(names, 0.5)).toEqual([0.0625, 0.25, 0.5, 1, 0.125, 0.25, 0.5, 1]);
});

test('what can’t be is refused', () => {
  expect(() => layerRates(named('a', 'b'), 0.9)).toThrow('no numbered blocks');
  expect(() => layerRates(parts, 0)).toThrow('decay is 0');
  expect(() => layerRates(parts, 1.1)).toThrow('decay is 1.1');
});
