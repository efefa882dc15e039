// Scores as people read them.
import type { Scores } from './scores.ts';
import { table } from './table.ts';

const shown = (value: number): string => (Math.abs(value) >= 1000 ? value.toExponential(3) : value.toFixed(4));

/** In one line: `loss 0.1234, accuracy 0.9876`. */
export const scoreText = (scores: Scores): string =>
  Object.entries(scores)
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${shown(value)}`)
    .join(', ');

/** One a line. */
export const scoreTable = (scores: Scores): string =>
  table(
    Object.entries(scores).map(([name, value]) => [name.replaceAll('_', ' '), shown(value)]),
    [1],
  );
