// A model that needs no engine, to test the training loop with: linear regression on random points.
import { random } from '@brickwork/nn';
import { arena } from './arena.ts';
import { flatStore, layout } from './flat-store.ts';
import { train } from './loop.ts';
import type { Trainee, TrainEvent, TrainOptions } from './train-options.ts';
import { makeOptimizer, type OptimizerName } from './optimizers/make-optimizer.ts';
import type { TrainStep } from './train-step.ts';

const usual = { betas: [0.9, 0.999], weightDecay: 0.01 } as const;

/** Points to fit: x in four dimensions, y in two. */
export interface Points {
  readonly x: readonly number[][];
  readonly y: readonly number[][];
}
export interface Toy {
  readonly trainee: Trainee<Points>;
  readonly calls: { runs: number; evaluations: number; disposed: number };
}

/** Linear regression with noise from the step's seed, as dropout would make it: y = x W + b. */
export function toy(
  o: { batch?: number; held?: number; optimizer?: OptimizerName; onRun?: (run: number) => void; noise?: number } = {},
): Toy {
  const { batch = 4, held = 3, noise = 0.1 } = o;
  const { parts, length } = layout(
    new Map([
      ['h.0.w', [4, 2]],
      ['b', [2]],
    ]),
  );
  const memory = arena(Array<number>(6).fill(length));
  const weights = flatStore(parts, memory.take(length));
  const grads = flatStore(parts, memory.take(length));
  const points = (seed: number, n: number): Points => {
    const draw = random(seed);
    const x = Array.from({ length: n }, () => Array.from({ length: 4 }, () => draw.normal()));
    return { x, y: x.map(([a, b, c, d]) => [a! - 2 * b! + 1, 0.5 * c! + d! - 1]) };
  };
  const calls = { runs: 0, evaluations: 0, disposed: 0 };
  const [w, b] = [weights.tensors.get('h.0.w')!.data, weights.tensors.get('b')!.data] as Float32Array[];
  const [dw, db] = [grads.tensors.get('h.0.w')!.data, grads.tensors.get('b')!.data] as Float32Array[];
  const pass = ({ x, y }: Points, draw: (() => number) | null): number => {
    let loss = 0;
    if (draw) grads.data.fill(0);
    for (const [i, row] of x.entries())
      for (let k = 0; k < 2; k++) {
        const guess = row.reduce((sum, v, j) => sum + v * w![2 * j + k]!, b![k]!);
        const error = guess - y[i]![k]! + (draw ? noise * draw() : 0);
        loss += error ** 2 / x.length;
        if (!draw) continue;
        row.forEach((v, j) => (dw![2 * j + k]! += (2 * error * v) / x.length));
        db![k]! += (2 * error) / x.length;
      }
    return Math.fround(loss);
  };
  const step: TrainStep<Points> = {
    run(p, seed) {
      calls.runs++;
      o.onRun?.(calls.runs);
      return Promise.resolve(pass(p, random(seed).normal));
    },
    evaluate(p) {
      calls.evaluations++;
      return Promise.resolve(pass(p, null));
    },
    dispose: () => Promise.resolve(void calls.disposed++),
  };
  const trainee: Trainee<Points> = {
    parts,
    weights,
    grads,
    arena: memory,
    optimizer: makeOptimizer(parts, length, o.optimizer ? { optimizer: o.optimizer } : {}, { usual, arena: memory })
      .optimizer,
    data: {
      batch: (number) => ({ batch: points(1000 + number, batch), count: batch }),
      *validation() {
        for (let i = 0; i < held; i++) yield { batch: points(i, 5 + i), count: 5 + i };
      },
      charactersPerToken: 2,
    },
    initialize: () => weights.data.forEach((_, i) => (weights.data[i] = Math.sin(i))),
    compile: () => Promise.resolve(step),
  };
  return { trainee, calls };
}

/** Everything that a run reports; `stopAt` stops it after an event. */
export async function events(
  trainee: Trainee<Points>,
  o: TrainOptions,
  stopAt?: { on: (e: TrainEvent) => boolean; stop: AbortController },
): Promise<TrainEvent[]> {
  const all: TrainEvent[] = [];
  for await (const e of train(trainee, { picture: false, ...o })) {
    all.push(e);
    if (stopAt?.on(e)) stopAt.stop.abort();
  }
  return all;
}
