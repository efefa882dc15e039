import { expect, test } from 'vitest';
import { findLearningRate } from './find-learning-rate.ts';
import { rateCurve, toPng } from './loss-curve.ts';
import { events, toy } from './toy.fixture.ts';

test('suggests a rate that learns faster than one far below, and never reaches one that diverges', async () => {
  const { trainee, calls } = toy({ optimizer: 'sgd' });
  const { points, suggestion } = await findLearningRate(trainee, { low: 1e-6, high: 10, tries: 80, clip: 0 });
  expect(points.length).toBeLessThan(80);
  expect(points.length).toBeGreaterThan(20);
  expect(calls).toMatchObject({ runs: points.length, disposed: 1 });
  points.slice(1).forEach(({ rate }, i) => expect(rate / points[i]!.rate).toBeCloseTo(1e7 ** (1 / 79), 9));
  const lossAfter = async (rate: number): Promise<number> => {
    const all = await events(toy({ optimizer: 'sgd', noise: 0 }).trainee, {
      ...{ steps: 30, rate, schedule: 'constant', clip: 0, evaluateEvery: 30 },
    });
    return all.flatMap((e) => (e.type === 'evaluation' ? [e.loss] : [])).at(-1)!;
  };
  expect(await lossAfter(suggestion!)).toBeLessThan(await lossAfter(suggestion! / 30));
});

test('leaves weights and the optimizer’s state as training begins with them', async () => {
  const { trainee } = toy();
  trainee.initialize();
  const first = [...trainee.weights.data];
  await findLearningRate(trainee, { tries: 12 });
  expect([...trainee.weights.data]).toEqual(first);
  for (const array of Object.values(trainee.optimizer.state)) expect(array.every((x) => x === 0)).toBe(true);
});

test('suggests none where the loss doesn’t fall, and draws either', async () => {
  const points = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((k) => ({ rate: 10 ** -k, loss: 2, smoothed: 2 }));
  const flat = await rateCurve(points.toReversed(), null);
  expect(flat).toContain('no step size makes the loss fall');
  const svg = await rateCurve(points.toReversed(), 1e-4);
  expect(svg).toContain('suggested: 1.0e-4');
  expect([...(await toPng(svg)).subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
  await expect(rateCurve([], null)).rejects.toThrow('no step sizes');
});

test('stops on a signal, and refuses what makes no sense', async () => {
  const stop = new AbortController();
  const { trainee, calls } = toy({ onRun: (run) => run === 5 && stop.abort(new Error('enough')) });
  await expect(findLearningRate(trainee, { signal: stop.signal })).rejects.toThrow('enough');
  expect(calls).toMatchObject({ runs: 5, disposed: 1 });
  for (const [o, message] of [
    [{ low: 1, high: 0.1 }, 'from 1 to 0.1'],
    [{ tries: 3 }, 'tries is 3'],
    [{ smoothing: 1 }, 'smoothing is 1'],
    [{ divergence: 1 }, 'divergence is 1'],
  ] as const)
    await expect(findLearningRate(toy().trainee, o)).rejects.toThrow(message);
});
