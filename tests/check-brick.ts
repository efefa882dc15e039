// The check of operators for bricks: parameters are inputs like any other, so their gradients are checked too.
import type { Tensor } from '../packages/graph/src/index.ts';
import { evaluating, parameters, type Context } from '../packages/nn/src/index.ts';
import { checkOp, type CheckOptions, type Input } from './check-op.ts';

interface AnyBrick {
  forward(...inputs: never[]): Tensor;
}

/**
 * {@link checkOp} for a brick. `make` builds it; the reference receives the inputs and then the parameters in their
 * order. `values` gives the parameters other values than evenly spread ones.
 */
export async function checkBrick(
  make: () => AnyBrick,
  inputs: readonly Input[],
  { values, ...o }: CheckOptions & { readonly values?: readonly Input[] },
): Promise<void> {
  const shapes = [...parameters(make()).values()].map((p) => p.shape as number[]);
  const trace = (...given: Tensor[]): Tensor => {
    const brick = make();
    [...parameters(brick).keys()].forEach((path, i) => assign(brick, path.split('.'), given[inputs.length + i]!));
    const call = brick.forward.bind(brick) as (...args: (Tensor | Context)[]) => Tensor;
    return call(...given.slice(0, inputs.length), evaluating());
  };
  const symbolic = o.symbolic && [...o.symbolic, ...shapes];
  await checkOp(trace, [...inputs, ...(values ?? shapes)], { ...o, ...(symbolic ? { symbolic } : {}) });
}

function assign(brick: object, path: string[], value: Tensor): void {
  const owner = path.slice(0, -1).reduce((at, key) => (at as Record<string, object>)[key]!, brick);
  (owner as Record<string, unknown>)[path.at(-1)!] = value;
}
