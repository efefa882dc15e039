import { expect, test } from 'vitest';
import { gradients, GraphError, input, neg, relu, sum, topologicalOrder } from './index.ts';

test('a rule takes the place of an operator’s gradient, and of no other’s', () => {
  const x = input('x', [3]);
  const y = sum(neg(relu(x)));
  const names = (rules?: Parameters<typeof gradients>[2]): string[] =>
    topologicalOrder(gradients(y, [x], rules)).map(({ op }) => op.name);
  expect(names()).toContain('Greater');
  const seen: string[] = [];
  const rules = {
    Relu: (gs: readonly unknown[], inputs: readonly unknown[]): never[] => {
      seen.push(`${gs.length} ${inputs[0] === x}`);
      return [];
    },
  };
  // The rule hands nothing back, so x has no gradient.
  expect(names({ rules })).not.toContain('Greater');
  expect(seen).toEqual(['1 true']);
});

test('a loss of several numbers is refused with rules, too', () => {
  const x = input('x', [3]);
  expect(() => gradients(relu(x), [x], { rules: {} })).toThrow(GraphError);
});
