import { describe, expect, test } from 'vitest';
import { flags, number } from './flags.ts';

describe('number', () => {
  const read = number('n', { min: 1, max: 8, whole: true });
  test('reads decimal numbers', () => {
    expect(read('8')).toBe(8);
    expect(read(' 2e0 ')).toBe(2);
    expect(number('x', {})('-.5')).toBe(-0.5);
    expect(read(undefined)).toBeUndefined();
  });
  test.each(['', 'abc', '0x4', '1_000', 'NaN', 'Infinity', '1e999', '0', '9', '1.5', '1,5', '--top-k'])(
    'refuses %j',
    (text) => {
      expect(() => read(text)).toThrow(`--n is '${text}'; needs a whole number from 1 to 8`);
    },
  );
  test('refuses bounds that are not allowed themselves', () => {
    const open = number('x', { above: 0, below: 1 });
    expect(open('0.5')).toBe(0.5);
    expect(() => open('0')).toThrow('needs a number above 0 below 1');
    expect(() => open('1')).toThrow('needs a number above 0 below 1');
  });
  test('refuses a flag given twice', () => {
    expect(() => read(['1', '2'])).toThrow('--n was given more than once');
  });
});

test('flags of a group carry their names, defaults and choices to yargs', () => {
  const options = flags('Group', {
    kind: { type: 'choice', choices: ['red', 'green'], default: 'red', describe: 'which' },
    loud: { type: 'switch', default: false, describe: 'loud' },
    text: { type: 'text', alias: 't', required: true, describe: 'a text' },
  });
  expect(options['kind']).toMatchObject({ group: 'Group:', default: 'red', describe: 'which: red, green' });
  expect(options['loud']).toMatchObject({ type: 'boolean', default: false });
  expect(options['text']).toMatchObject({ alias: 't', demandOption: true, nargs: 1 });
  const { coerce } = options['kind']! as { coerce: (value: unknown) => unknown };
  expect(coerce('green')).toBe('green');
  expect(() => coerce('gren')).toThrow('needs one of red, green; did you mean green?');
});
