// Times whole training steps on random tokens, for the benchmark.
import { parameters, random } from '@brickwork/nn';
import type { CausalLM } from '@brickwork/transformer';
import { arena } from './arena.ts';
import { flatStore, layout } from './flat-store.ts';
import { clipScale, gradientNorm } from './gradient-norm.ts';
import { initializeWeights } from './initialize-weights.ts';
import { adamw } from './optimizers/adamw.ts';
import { decayGroups } from './optimizers/optimizer.ts';
import { compileStep } from './step.ts';

/** Milliseconds of each step (forward, backward, clipping, AdamW) after the warm-up. */
export async function benchmarkStep(
  model: CausalLM,
  o: { readonly B: number; readonly T: number; readonly steps: number; readonly warmup: number; readonly rate: number },
): Promise<number[]> {
  const { parts, length } = layout(new Map([...parameters(model)].map(([name, p]) => [name, p.shape as number[]])));
  const memory = arena(Array<number>(4).fill(length));
  const weights = flatStore(parts, memory.take(length));
  const grads = flatStore(parts, memory.take(length));
  initializeWeights(model, weights, 1);
  const groups = decayGroups(parts);
  const optimizer = adamw(length, { betas: [0.9, 0.95], weightDecay: 0.1, arena: memory });
  const step = await compileStep(model, { weights: weights.tensors, grads: grads.tensors, B: o.B, T: o.T });
  const draw = random(1);
  const tokens = (): BigInt64Array =>
    BigInt64Array.from({ length: o.B * o.T }, () => BigInt(draw.integer(model.config.vocab_size)));
  const times: number[] = [];
  for (let i = 1; i <= o.steps + o.warmup; i++) {
    const batch = { ids: tokens(), labels: tokens() };
    const begin = performance.now();
    await step.run(batch, i);
    const scale = clipScale(gradientNorm(grads.data), 1);
    optimizer.update(weights.data, grads.data, groups, { step: i, rate: o.rate, scale });
    if (i > o.warmup) times.push(performance.now() - begin);
  }
  await step.dispose();
  return times;
}
