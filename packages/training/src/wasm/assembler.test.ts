import { expect, test } from 'vitest';
import { assemble, f64, i32, local, loopWhile, type FunctionSource } from './assembler.ts';
import { WebAssembly } from './web-assembly.ts';

function load(functions: readonly FunctionSource[]): Record<string, (...numbers: number[]) => number> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(assemble(functions)), { env: { memory } });
  return instance.exports as Record<string, (...numbers: number[]) => number>;
}

test('constants of every length in bytes arrive whole, negative ones too', () => {
  const numbers = [0, 1, 63, 64, 127, 128, 8191, 8192, 2 ** 20, 2 ** 31 - 1, -1, -64, -65, -8192, -8193, -(2 ** 31)];
  const functions = load(
    numbers.map((n, i) => ({ name: `f${i}`, parameters: [], result: 'i32' as const, body: i32.const(n) })),
  );
  numbers.forEach((n, i) => expect(functions[`f${i}`]!()).toBe(n));
});

test('parameters, locals and loops work as in the text format', () => {
  // The sum of 2.5 as often as i from 0 is below n.
  const [n, x, i, sum] = [0, 1, 2, 3];
  const { repeat } = load([
    {
      name: 'repeat',
      parameters: ['i32', 'f64'],
      locals: ['i32', 'f64'],
      result: 'f64',
      body: [
        loopWhile([
          [local.get(sum), local.get(x), f64.add, local.set(sum)],
          [local.get(i), i32.const(1), i32.add, local.tee(i), local.get(n), i32.ltU],
        ]),
        local.get(sum),
      ],
    },
  ]);
  expect(repeat!(300, 2.5)).toBe(750);
});

test('more than 127 functions, and a body of more than 127 bytes, keep their sizes', () => {
  const functions = load(
    Array.from({ length: 200 }, (_, k) => ({
      name: `f${k}`,
      parameters: [],
      result: 'i32' as const,
      body: [i32.const(k), Array.from({ length: 60 }, () => [i32.const(1), i32.add])],
    })),
  );
  expect([0, 127, 128, 199].map((k) => functions[`f${k}`]!())).toEqual([60, 187, 188, 259]);
});
