import { Linear, random, Sequential } from '@brickwork/nn';
import { hostTensor, type HostTensor } from '@brickwork/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ImageClassifier } from '../explain/image-classifier.ts';
import { images, smallClassifier, Steps, weightsOf } from '../explain/small-network.fixture.ts';
import { Flatten } from '../flatten.ts';
import { attack, fgsm, pgd } from './attack.ts';

const numbers = (t: HostTensor): Float32Array => t.data as Float32Array;

// Two classes with w and -w as their weights: the attack of a linear network is known.
function linear(w: readonly number[]): ImageClassifier {
  const network = new Steps([1, 1, w.length], new Sequential(new Flatten(), new Linear(w.length, 2)));
  const weights = weightsOf(network, 0);
  weights.set('steps.1.weight', hostTensor(Float32Array.from([...w, ...w.map((v) => -v)]), [2, w.length]));
  weights.set('steps.1.bias', hostTensor(new Float32Array(2), [2]));
  return new ImageClassifier({ network, weights });
}

test('FGSM of a linear network goes ε against the sign of each weight, and stays between black and white', async () => {
  const x = hostTensor(Float32Array.of(0.5, 0.5, 0.95, 0.02), [1, 1, 1, 4]);
  const { adversarial, before, after, succeeded } = await fgsm(linear([1, -2, -3, 0]), x, { epsilon: 0.1, labels: 0 });
  expect([...numbers(adversarial)]).toEqual([0.4, 0.6, 1, 0.02].map(Math.fround));
  expect([before.predicted, after.predicted, succeeded]).toEqual([[1], [1], [true]]);
});

test('ε counts from black to white, whatever the images were normalised by', async () => {
  const [mean, std] = [0.4, 0.25];
  const raw = [0.5, 0.5, 0.99];
  const x = hostTensor(
    Float32Array.from(raw, (v) => (v - mean) / std),
    [1, 1, 1, 3],
  );
  const { adversarial } = await fgsm(linear([1, -1, -1]), x, { epsilon: 8 / 255, labels: 0, mean, std });
  const back = [...numbers(adversarial)].map((v) => v * std + mean);
  [0.5 - 8 / 255, 0.5 + 8 / 255, 1].forEach((v, i) => expect(back[i]).toBeCloseTo(v, 6));
  await expect(fgsm(linear([1, -1, -1]), x, { epsilon: 0.1 })).rejects.toThrow('give the mean, std and range');
});

test('in the ball, one step goes along the gradient, as far as ε', async () => {
  const x = hostTensor(Float32Array.of(0.5, 0.5), [1, 1, 1, 2]);
  const { perturbation } = await attack(linear([3, -4]), x, { epsilon: 0.2, norm: 'l2', labels: 0 });
  expect(numbers(perturbation)[0]).toBeCloseTo((-0.2 * 3) / 5, 6);
  expect(numbers(perturbation)[1]).toBeCloseTo((0.2 * 4) / 5, 6);
});

test('a targeted attack ends at its target, an untargeted one anywhere else', async () => {
  const classifier = smallClassifier(2);
  const draw = random(3);
  const x = images(4, [1, 12, 12], () => draw.uniform());
  const { predicted } = await classifier.classify(x);
  const targets = predicted.map((c) => (c + 1) % 3);
  const aimed = await pgd(classifier, x, { epsilon: 0.5, targets, steps: 30 });
  expect(aimed.after.predicted).toEqual(targets);
  expect(aimed.succeeded).toEqual([true, true, true, true]);
  expect(aimed.before.predicted).toEqual(predicted);
  const away = await pgd(classifier, x, { epsilon: 0.5, steps: 30 });
  away.after.predicted.forEach((c, b) => expect(c).not.toBe(predicted[b]));
  // What is reported is what the network says of the images that come out.
  const again = await classifier.classify(aimed.adversarial);
  expect(aimed.after.confidence).toEqual(targets.map((c, b) => again.probabilities[b]![c]!));
});

test('many small steps raise the loss more than one', async () => {
  const classifier = smallClassifier(2);
  const draw = random(3);
  const x = images(8, [1, 12, 12], () => draw.uniform());
  const labels = (await classifier.classify(x)).predicted;
  const lossOf = async (pixels: HostTensor): Promise<number> =>
    (await classifier.classify(pixels)).probabilities.reduce((sum, p, b) => sum - Math.log(p[labels[b]!]!), 0);
  const one = await lossOf((await fgsm(classifier, x, { epsilon: 0.1, labels })).adversarial);
  const many = await lossOf((await attack(classifier, x, { epsilon: 0.1, labels, steps: 20 })).adversarial);
  expect(await lossOf(x)).toBeLessThan(one);
  expect(many).toBeGreaterThanOrEqual(one);
});

test('whatever the attack, nothing leaves ε, black and white; the same seed gives the same bits', async () => {
  const classifier = smallClassifier(2);
  const cases = fc.record({
    epsilon: fc.double({ min: 0, max: 2, noNaN: true }),
    norm: fc.constantFrom('linf' as const, 'l2' as const),
    steps: fc.integer({ min: 1, max: 4 }),
    randomStart: fc.boolean(),
    seed: fc.nat(),
    mean: fc.double({ min: 0, max: 1, noNaN: true }),
    std: fc.double({ min: 0.1, max: 2, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async (o) => {
      const draw = random(o.seed);
      const x = images(2, [1, 12, 12], () => (draw.uniform() - o.mean) / o.std);
      const { adversarial, perturbation } = await attack(classifier, x, o);
      const moved = [0, 1].map((b) => {
        const own = numbers(perturbation).subarray(b * 144, (b + 1) * 144);
        return o.norm === 'linf'
          ? Math.max(...own.map((v) => Math.abs(v * o.std)))
          : Math.sqrt(own.reduce((sum, v) => sum + (v * o.std) ** 2, 0));
      });
      for (const distance of moved) expect(distance).toBeLessThanOrEqual(o.epsilon + 1e-5);
      for (const v of numbers(adversarial)) {
        expect(v * o.std + o.mean).toBeGreaterThan(-1e-6);
        expect(v * o.std + o.mean).toBeLessThan(1 + 1e-6);
      }
      expect(numbers((await attack(classifier, x, o)).adversarial)).toEqual(numbers(adversarial));
    }),
    { numRuns: 30 },
  );
});

test('what makes no sense is told', async () => {
  const classifier = smallClassifier();
  const x = images(1, [1, 12, 12], () => 0.5);
  await expect(attack(classifier, x, { epsilon: -1 })).rejects.toThrow('epsilon is -1');
  await expect(attack(classifier, x, { epsilon: 0.1, steps: 1.5 })).rejects.toThrow('1.5 steps');
  await expect(attack(classifier, x, { epsilon: 0.1, targets: 7 })).rejects.toThrow('the target class is 7');
  await expect(attack(classifier, x, { epsilon: 0.1, std: [1, 1] })).rejects.toThrow('one for each of 1 channels');
  await expect(attack(classifier, x, { epsilon: 0.1, eps: 1 } as never)).rejects.toThrow('no option eps');
  await expect(pgd(classifier, x, { epsilon: 0.1, signal: AbortSignal.abort() })).rejects.toThrow('abort');
});
