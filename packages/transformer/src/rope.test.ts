// Rotary positions: the paper's rotation as complex numbers, and the frequencies of each scaling.
import { expect, test } from 'vitest';
import { input } from '@brickwork/graph';
import { compile, hostTensor } from '@brickwork/runtime';
import { rotaryFrequencies, rotate, rotation } from './rope.ts';

const frequencies = (D: number, theta: number, scaling: Record<string, unknown> | null, context = 2048): number[] => [
  ...rotaryFrequencies(D, { theta, scaling, context }).frequencies,
];

test('pair i turns by theta^(-2i/D) a position', () => {
  expect(frequencies(8, 10000, null)).toEqual([...Float32Array.of(1, 0.1, 0.01, 0.001)]);
  expect(frequencies(8, 10000, { rope_type: 'default' })).toEqual(frequencies(8, 10000, null));
  expect(frequencies(8, 10000, { type: 'dynamic', factor: 2 })).toEqual(frequencies(8, 10000, null));
  expect(frequencies(8, 10000, { type: 'linear', factor: 4 })).toEqual([
    ...Float32Array.of(0.25, 0.025, 0.0025, 0.00025),
  ]);
});

test('llama3: waves shorter than 8192/4 stay, longer than 8192/1 are stretched 8 times, between them a ramp', () => {
  const scaling = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const plain = frequencies(128, 500000, null);
  const scaled = frequencies(128, 500000, scaling);
  plain.forEach((f, i) => {
    const wave = (2 * Math.PI) / f;
    const share = scaled[i]! / f;
    if (wave < 2048) expect(share).toBeCloseTo(1, 6);
    else if (wave > 8192) expect(share).toBeCloseTo(1 / 8, 6);
    else {
      const keep = (8192 / wave - 1) / 3;
      expect(share).toBeCloseTo(keep + (1 - keep) / 8, 5);
    }
  });
  expect(scaled.some((f, i) => f / plain[i]! < 0.99 && f / plain[i]! > 0.13)).toBe(true);
});

test('yarn: pairs that turn more than 32 times in the old context stay, fewer than once are stretched', () => {
  const scaling = { type: 'yarn', factor: 4, original_max_position_embeddings: 2048 };
  const { scale } = rotaryFrequencies(64, { theta: 10000, scaling, context: 8192 });
  expect(scale).toBeCloseTo(0.1 * Math.log(4) + 1, 6);
  const plain = frequencies(64, 10000, null);
  frequencies(64, 10000, scaling, 8192).forEach((f, i) => {
    const turns = (2048 * plain[i]!) / (2 * Math.PI);
    if (turns > 45) expect(f / plain[i]!).toBeCloseTo(1, 5);
    if (turns < 0.7) expect(f / plain[i]!).toBeCloseTo(1 / 4, 5);
  });
  expect(rotaryFrequencies(64, { theta: 1e4, scaling: { ...scaling, attention_factor: 2 }, context: 8192 }).scale).toBe(
    2,
  );
});

test.each([
  [{ type: 'su' }, /type "su" is not implemented; there are linear, dynamic, llama3, yarn, longrope/],
  [{ type: 'longrope' }, /short_factor is undefined; longrope needs 4 numbers/],
  [{ type: 'linear' }, /factor is undefined; linear needs a number above 0/],
  [{ type: 'linear', factor: -1 }, /factor is -1/],
  [{ type: 'yarn', factor: 2, truncate: 1 }, /truncate is 1; yarn needs true or false/],
])('rope_scaling %j is refused', (scaling, message) => {
  expect(() => frequencies(8, 10000, scaling)).toThrow(message);
});

test('channels i and i + D/2 turn as one complex number, by the position given or counted', async () => {
  const [B, H, T, D] = [2, 2, 3, 4];
  const data = Float32Array.from({ length: B * H * T * D }, (_, i) => Math.sin(i + 1));
  const rotary = rotaryFrequencies(D, { theta: 100, scaling: null, context: 16 });
  const x = input('x', [B, H, T, D]);
  const ids = input('ids', [B, T], 'int64');
  const positions = input('positions', [B, T], 'int64');
  const named = input('named', ['B', 'T'], 'int64');
  const turned = (p: number[][], y: Float32Array): void => {
    for (let i = 0; i < data.length; i++) {
      const [d, t, b] = [i % D, Math.floor(i / D) % T, Math.floor(i / (D * T * H))];
      const angle = p[b]![t]! * 100 ** ((-2 * (d % 2)) / D);
      const [re, im] = [data[i - d + (d % 2)]!, data[i - d + (d % 2) + 2]!];
      const expected =
        d < 2 ? re * Math.cos(angle) - im * Math.sin(angle) : im * Math.cos(angle) + re * Math.sin(angle);
      expect(Math.abs(y[i]! - expected)).toBeLessThan(1e-6);
    }
  };
  const at = [
    [4, 9, 2],
    [0, 1, 15],
  ];
  const program = await compile({
    given: rotate(x, rotation(rotary, ids, { positions })),
    counted: rotate(x, rotation(rotary, ids)),
  });
  const tensor = hostTensor(data, [B, H, T, D]);
  const out = await program.run({
    x: tensor,
    positions: hostTensor(BigInt64Array.from(at.flat(), BigInt), [B, T]),
  });
  turned(at, out['given']!.data as Float32Array);
  const counting = [
    [0, 1, 2],
    [0, 1, 2],
  ];
  turned(counting, out['counted']!.data as Float32Array);
  const dynamic = await compile({ counted: rotate(input('x', ['B', H, 'T', D]), rotation(rotary, named)) });
  const again = await dynamic.run({ x: tensor, named: hostTensor(new BigInt64Array(B * T), [B, T]) });
  turned(counting, again['counted']!.data as Float32Array);
  await program.dispose();
  await dynamic.dispose();
});
