// A command line that can't be right is refused with exit code 2, what is wrong, and what was meant.
import { describe, expect, test } from 'vitest';
import { lm } from './lm.ts';

describe.each([
  ['a mistyped command', ['generat', 'hi'], 'no command generat; did you mean lm generate?'],
  ['a mistyped command of a group', ['tokenizer', 'trian', 'x'], 'no command trian; did you mean lm tokenizer train?'],
  ['no command', [], 'which command?'],
  ['no command of a group', ['tokenizer'], 'which command?'],
  [
    'a mistyped flag',
    ['generate', '--temprature', '1', 'hi'],
    'unknown flag --temprature; did you mean --temperature?',
  ],
  ['a flag that is like none', ['generate', '--xyzzy', 'hi'], 'unknown flag --xyzzy\n'],
  ['a short flag that there is not', ['generate', '-q', 'hi'], 'unknown flag -q'],
  ['a number that is none', ['generate', '-n', 'abc', 'hi'], "--max-new-tokens is 'abc'; needs a whole number from 0"],
  ['a number out of range', ['generate', '--top-p', '1.5', 'hi'], "--top-p is '1.5'; needs a number above 0 to 1"],
  ['a flag without its value', ['generate', 'hi', '--stop'], '--stop needs a value'],
  [
    'a flag given twice',
    ['generate', 'hi', '-n', '1', '--max-new-tokens', '2'],
    '--max-new-tokens was given more than once',
  ],
  [
    'a word that is none of the choices',
    ['pretrain', 'x', '-o', 'y', '--lr-scheduler', 'cosin'],
    'did you mean cosine?',
  ],
  ['a missing file name', ['pretrain'], 'lm pretrain needs <files..>'],
  ['a missing flag', ['pretrain', 'text.txt'], '--out is missing'],
  ['a word too many', ['inspect', 'a', 'b'], 'one word too many: b'],
  ['a text that looks like flags', ['generate', '-quick brown fox'], 'write -- before a text that begins with a dash'],
  ['a shell without completion', ['completion', 'bsh'], 'no completion for bsh; did you mean bash?'],
])('%s', (_, args, message) => {
  test(`lm ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await lm(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

test('--debug shows where an error came from', async () => {
  const { stderr } = await lm(['generate', '-n', 'abc', 'hi', '--debug']);
  expect(stderr).toMatch(/needs a whole number from 0\n[^]*\n {4}at /);
});

test('with --json errors are JSON too', async () => {
  const { code, stderr } = await lm(['generate', '--json', '-n', 'abc', 'hi']);
  expect(code).toBe(2);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 2, hint: 'lm generate --help' } });
});

test.each(['generate', 'pretrain', 'tokenizer train', 'tokenizer encode', 'tokenizer decode', 'inspect', 'completion'])(
  'lm %s --help shows flags and examples',
  async (command) => {
    const { code, stdout, stderr } = await lm([...command.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`lm ${command}`);
    expect(stdout).toContain('Examples:');
    expect(stdout).not.toContain('undefined');
  },
);

test('--version is that of the package', async () => {
  const { code, stdout } = await lm(['--version']);
  expect({ code, version: /^\d+\.\d+\.\d+\n$/.test(stdout) }).toEqual({ code: 0, version: true });
});

test('shells complete commands, commands of groups, and flags', async () => {
  expect((await lm(['--get-yargs-completions', 'lm', 'ge'])).stdout.split('\n')).toContain('generate');
  const { stdout } = await lm(['--get-yargs-completions', 'lm', 'generate', '--te']);
  expect(stdout.split('\n')).toContain('--temperature');
  expect((await lm(['--get-yargs-completions', 'lm', 'tokenizer', ''])).stdout).toContain('decode');
  expect((await lm(['completion', 'zsh'])).stdout).toContain('compdef');
  expect((await lm(['completion', 'bash'])).stdout).toContain('complete ');
});
