// An optimizer by its name, with the constants that it is usually given.
import type { Arena } from '../arena.ts';
import type { Part } from '../flat-store.ts';
import { adafactor } from './adafactor.ts';
import { adamw } from './adamw.ts';
import { lion } from './lion.ts';
import { muon } from './muon.ts';
import type { Optimizer } from './optimizer.ts';
import { sgd } from './sgd.ts';

/** The optimizers by name. */
export type OptimizerName = 'adamw' | 'sgd' | 'adafactor' | 'lion' | 'muon';
export const optimizerNames: readonly OptimizerName[] = ['adamw', 'sgd', 'adafactor', 'lion', 'muon'];

/** Which optimizer, and its constants; each reads those that it has. */
export interface OptimizerOptions {
  /** `adamw` unless given. */
  readonly optimizer?: OptimizerName;
  /** Biases and norms don't decay. */
  readonly weightDecay?: number;
  /** AdamW's and Lion's; Muon's for what isn't a hidden matrix. */
  readonly betas?: readonly [number, number];
  /** SGD's (0.9 unless given) and Muon's (0.95). */
  readonly momentum?: number;
  /** SGD's; false unless given. */
  readonly nesterov?: boolean;
  /** Adafactor's: steps relative to the size of the parameter; false unless given. */
  readonly scaleParameter?: boolean;
  /** Adafactor's: the paper's schedule, which the rate multiplies; false unless given. */
  readonly relativeStep?: boolean;
}

/** An optimizer, and what a resumed run must have in common with it. */
export interface MadeOptimizer {
  readonly optimizer: Optimizer;
  readonly constants: Readonly<Record<string, unknown>>;
}

/**
 * Makes an optimizer for weights of this layout.
 *
 * @param usual what is taken where the options are silent
 * @throws where there is none of that name.
 */
export function makeOptimizer(
  parts: readonly Part[],
  size: number,
  o: OptimizerOptions,
  {
    usual,
    arena,
  }: { readonly usual: Required<Pick<OptimizerOptions, 'betas' | 'weightDecay'>>; readonly arena?: Arena },
): MadeOptimizer {
  const { optimizer: kind = 'adamw', weightDecay = usual.weightDecay } = o;
  const within = arena ? { arena } : {};
  switch (kind) {
    case 'adamw': {
      const constants = { betas: o.betas ?? usual.betas, weightDecay };
      return { optimizer: adamw(size, { ...constants, ...within }), constants };
    }
    case 'sgd': {
      const constants = { momentum: o.momentum ?? 0.9, nesterov: o.nesterov ?? false, weightDecay };
      return { optimizer: sgd(size, { ...constants, ...within }), constants };
    }
    case 'adafactor': {
      const { scaleParameter = false, relativeStep = false } = o;
      const constants = { scaleParameter, relativeStep, weightDecay };
      return { optimizer: adafactor(parts, size, constants), constants };
    }
    case 'lion': {
      const constants = { betas: o.betas ?? ([0.9, 0.99] as const), weightDecay };
      return { optimizer: lion(size, { ...constants, ...within }), constants };
    }
    case 'muon': {
      const constants = { betas: o.betas ?? usual.betas, momentum: o.momentum ?? 0.95, weightDecay };
      return { optimizer: muon(parts, size, { ...constants, ...within }), constants };
    }
    default:
      throw new Error(`optimizer: there is no ${JSON.stringify(kind)}; there are ${optimizerNames.join(', ')}`);
  }
}

/** How many values an optimizer keeps, for an estimate of memory. */
export const stateSize = ({ state, stateParts = {} }: Optimizer): number =>
  Object.entries(state).reduce(
    (sum, [key, array]) => sum + (stateParts[key]?.reduce((n, { begin, end }) => n + end - begin, 0) ?? array.length),
    0,
  );
