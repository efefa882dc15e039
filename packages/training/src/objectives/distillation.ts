// Distillation (Hinton et al., 2015): a small network learns what a large one finds probable.
import { exp, logSoftmax, mean, mul, sub, sum, type Tensor } from '@brickwork/graph';
import { evaluating, parameters, type Network } from '@brickwork/nn';
import type { HostTensor } from '@brickwork/runtime';
import { ownLoss, type Objective } from '../network-step.ts';

/** A network to learn from, and how its parameters are called beside the student's. */
export interface Teacher {
  readonly network: Network;
  /** To be given to the step with the student's weights. */
  readonly weights: ReadonlyMap<string, HostTensor>;
}

/**
 * Makes a network a teacher: its parameters get names of their own, `teacher.…`, so that both can stand in one graph.
 *
 * @param network built for this alone, and not yet named
 */
export function teacher(network: Network, weights: ReadonlyMap<string, HostTensor>): Teacher {
  const named = parameters({ teacher: network });
  return {
    network,
    weights: new Map(
      [...named.keys()].map((name) => {
        const tensor = weights.get(name.slice('teacher.'.length));
        if (!tensor) throw new Error(`teacher: no values for ${name}`);
        return [name, tensor];
      }),
    ),
  };
}

/** How much of the loss is the teacher's. */
export interface DistillationOptions {
  /** Both networks' logits are divided by this; 2 unless given. */
  readonly temperature?: number;
  /** Share of the teacher's loss; the rest is the network's own. 0.5 unless given. */
  readonly share?: number;
}

/**
 * share · τ² · KL(teacher ‖ student) at temperature τ, mean over rows (…, V), plus (1 - share) · the student's own loss. The
 * teacher is frozen.
 */
export function distillation({ network }: Pick<Teacher, 'network'>, o: DistillationOptions = {}): Objective {
  const { temperature: t = 2, share = 0.5 } = o;
  if (!(t > 0)) throw new Error(`distillation: temperature is ${t}; needs a number above 0`);
  if (!(share >= 0 && share <= 1)) throw new Error(`distillation: share is ${share}; needs 0 to 1`);
  return (outputs, inputs, ctx) => {
    const known = Object.entries(inputs).filter(([name]) => Object.hasOwn(network.inputs, name));
    const taught = network.trace(Object.fromEntries(known), evaluating());
    if (!outputs['logits'] || !taught['logits']) throw new Error('distillation: both networks need logits');
    const log = (x: Tensor): Tensor => logSoftmax(x.mul(1 / t));
    const [student, from] = [log(outputs['logits']()), log(taught['logits']())];
    const divergence = mean(sum(mul(exp(from), sub(from, student)), [-1])).mul(share * t * t);
    return share === 1 ? divergence : divergence.add(ownLoss(outputs, inputs, ctx).mul(1 - share));
  };
}
