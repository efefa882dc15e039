// Gradients over several batches, and gradients that are too long, in the training loop.
import { random } from '@brickwork/nn';
import { describe, expect, test } from 'vitest';
import { train } from './loop.ts';
import type { Trainee } from './train-options.ts';
import { sgd } from './optimizers/sgd.ts';
import { events, toy, type Points } from './toy.fixture.ts';

describe('train: accumulation and clipping', () => {
  test('k batches of size b are one of size k·b', async () => {
    const weights = async (k: number): Promise<Float32Array> => {
      const { trainee } = toy({ noise: 0, batch: 12 / k });
      // The same twelve points a step, in k batches.
      const draw = (step: number, i: number): { x: number[]; y: number[] } => {
        const r = random(step * 100 + i);
        const x = [r.normal(), r.normal(), r.normal(), r.normal()];
        return { x, y: [x[0]! + 1, x[1]! - x[2]!] };
      };
      const data: Trainee<Points>['data'] = {
        ...trainee.data,
        batch(number) {
          const [step, part] = [Math.floor(number / k), number % k];
          const points = Array.from({ length: 12 / k }, (_, i) => draw(step, part * (12 / k) + i));
          return { batch: { x: points.map((p) => p.x), y: points.map((p) => p.y) }, count: 12 / k };
        },
      };
      await events({ ...trainee, data }, { steps: 10, accumulate: k, rate: 0.05, clip: 0.5 });
      return trainee.weights.data.slice();
    };
    const one = await weights(1);
    for (const k of [2, 3, 12]) (await weights(k)).forEach((x, i) => expect(x).toBeCloseTo(one[i]!, 5));
  });

  test('batches count by their predictions, not alike', async () => {
    const { trainee } = toy({ noise: 0 });
    const rows = {
      x: [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
      ],
      y: [
        [1, 0],
        [0, 1],
        [1, 1],
      ],
    };
    const cut = (from: number, to: number): { batch: Points; count: number } => ({
      batch: { x: rows.x.slice(from, to), y: rows.y.slice(from, to) },
      count: to - from,
    });
    const uneven = { ...trainee.data, batch: (number: number) => (number % 2 ? cut(2, 3) : cut(0, 2)) };
    const [a] = (await events({ ...trainee, data: uneven }, { steps: 1, accumulate: 2 })).filter(
      (e) => e.type === 'step',
    );
    const [b] = (
      await events({ ...toy({ noise: 0 }).trainee, data: { ...trainee.data, batch: () => cut(0, 3) } }, { steps: 1 })
    ).filter((e) => e.type === 'step');
    expect(a!.loss).toBeCloseTo(b!.loss, 6);
    expect(a!.norm).toBeCloseTo(b!.norm, 6);
  });

  test('a gradient longer than the limit moves plain SGD by rate·limit exactly, a shorter one by all of it', async () => {
    for (const [clip, moved] of [
      [0.25, (norm: number) => 0.1 * Math.min(0.25, norm)],
      [0, (norm: number) => 0.1 * norm],
    ] as const) {
      const { trainee } = toy();
      const plain = { ...trainee, optimizer: sgd(trainee.weights.data.length) };
      let before: Float32Array | null = null;
      for await (const e of train(plain, { steps: 4, rate: 0.1, schedule: 'constant', clip, picture: false })) {
        if (e.type === 'step') {
          const distance = Math.hypot(...plain.weights.data.map((x, i) => x - before![i]!));
          expect(distance).toBeCloseTo(moved(e.norm), 5);
        }
        before = plain.weights.data.slice();
      }
    }
  });
});
