// Bayes' rule over likelihoods, and calibration.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { calibration, fitTemperature, negativeLogLikelihood, posterior } from './posterior.ts';

test('the posterior is prior times likelihood, normalised', () => {
  const [a, b] = posterior([Math.log(0.02), Math.log(0.01)], { priors: [0.25, 0.75] });
  expect(a).toBeCloseTo(0.005 / 0.0125, 12);
  expect(b).toBeCloseTo(0.0075 / 0.0125, 12);
  // Long texts: exp would be 0.
  expect(posterior([-5000, -5001])[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
  expect(posterior([-5000, -5010], { temperature: 10 })[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
});

test('where no model can have written a text, the priors are left', () => {
  expect(posterior([-Infinity, -Infinity], { priors: [3, 1] })).toEqual([0.75, 0.25]);
  expect(posterior([-Infinity, -9])).toEqual([0, 1]);
});

test('what makes no sense is refused', () => {
  expect(() => posterior([1, 2], { temperature: 0 })).toThrow('temperature is 0');
  expect(() => posterior([1, 2], { priors: [1] })).toThrow('priors are [1] for 2 classes');
  expect(() => posterior([1, 2], { priors: [0, 0] })).toThrow('not all 0');
  expect(() => fitTemperature([])).toThrow('no examples');
  expect(() => calibration([1.2], [true])).toThrow('probability 0 is 1.2');
});

test('the temperature is the one with the lowest loss, wherever others lie', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ min: -40, max: 40, noNaN: true }), fc.nat(1)), { minLength: 4, maxLength: 20 }),
      fc.double({ min: 0.05, max: 200, noNaN: true }),
      (pairs, other) => {
        const judged = pairs.map(([d, actual]) => ({ logLikelihoods: [0, d], actual }));
        const temperature = fitTemperature(judged);
        expect(negativeLogLikelihood(judged, { temperature })).toBeLessThanOrEqual(
          negativeLogLikelihood(judged, { temperature: other }) + 1e-9,
        );
      },
    ),
  );
});

test('a temperature that scores were multiplied by is found again', () => {
  // Of ten texts with ln p of 7 to 3, seven are of the first class: right at temperature 1, so five times that is 5.
  const judged = Array.from({ length: 10 }, (_, i) => ({
    logLikelihoods: [5 * Math.log(7), 5 * Math.log(3)],
    actual: Number(i >= 7),
  }));
  expect(fitTemperature(judged)).toBeCloseTo(5, 4);
});

test('the calibration error is the mean distance of confidence and accuracy', () => {
  // Guo et al. (2017), by hand: (0.95, 0.95 right, wrong) and (0.6, 0.6, 0.6 of which two right).
  const { error, bins } = calibration([0.95, 0.95, 0.61, 0.61, 0.61], [true, false, true, true, false], 10);
  expect(bins.map(({ count }) => count)).toEqual([3, 2]);
  expect(error).toBeCloseTo((3 * Math.abs(0.61 - 2 / 3) + 2 * Math.abs(0.95 - 0.5)) / 5, 12);
  // A bin's upper end is its own, and 0 has a place.
  expect(calibration([1, 0.1, 0], [true, false, false], 10).bins.map((b) => b.count)).toEqual([2, 1]);
  expect(calibration([1, 1], [true, true]).error).toBe(0);
});
