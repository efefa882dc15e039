import { describe, expect, test } from 'vitest';
import { HalveOnPlateau, type HalveOnPlateauOptions } from './halve-on-plateau.ts';

const shares = (losses: readonly number[], o?: HalveOnPlateauOptions): number[] => {
  const h = new HalveOnPlateau(o);
  return losses.map((loss) => (h.observe(loss), h.share));
};

describe('HalveOnPlateau, point by point', () => {
  test('halves at every evaluation that is not the lowest so far', () => {
    expect(shares([3, 2, 2, 2.5, 1.9, 1.8, 1.85])).toEqual([1, 1, 0.5, 0.25, 0.25, 0.25, 0.125]);
  });
  test('with patience, only after that many in a row, then counts again', () => {
    expect(shares([3, 3, 3, 3, 3, 2, 2, 2], { patience: 2 })).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
  });
  test('a gain below the threshold is none', () => {
    expect(shares([3, 2.95, 2.8, 2.75], { threshold: 0.1 })).toEqual([1, 0.5, 0.5, 0.25]);
  });
  test('stops at the floor', () => {
    expect(shares([1, 1, 1, 1, 1], { floor: 0.2 })).toEqual([1, 0.5, 0.25, 0.2, 0.2]);
  });
  test('goes on from its state as if it had not been interrupted', () => {
    const losses = [3, 2, 2.5, 2.5, 2.4, 1, 1];
    const o = { patience: 2 };
    for (let at = 0; at <= losses.length; at++) {
      const before = new HalveOnPlateau(o);
      for (const loss of losses.slice(0, at)) before.observe(loss);
      const after = new HalveOnPlateau(o);
      after.load(JSON.parse(JSON.stringify(before.state())) as ReturnType<HalveOnPlateau['state']>);
      for (const loss of losses.slice(at)) after.observe(loss);
      expect(after.share).toBe(shares(losses, o).at(-1));
    }
  });
  test('options that make no sense are refused', () => {
    expect(() => new HalveOnPlateau({ patience: 0 })).toThrow('patience is 0');
    expect(() => new HalveOnPlateau({ threshold: -1 })).toThrow('threshold is -1');
    expect(() => new HalveOnPlateau({ floor: 1.5 })).toThrow('floor is 1.5');
  });
});
