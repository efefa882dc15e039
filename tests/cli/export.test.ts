// lm export and lm quantize: what they write, and that it is used.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compile } from '../../packages/runtime/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-export-cli-'));
const at = (...parts: string[]): string => join(folder, ...parts);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('lm export', () => {
  test('a language model in two types, with its tolerance told', async () => {
    const first = await lm(['export', '-m', 'models/shakespeare', '-o', at('out')]);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toMatch(/onnx\/model\.onnx {2}1\d\.\d MB/);
    expect(first.stderr).toMatch(/largest difference \S+ of the largest value; 0\.0001 is allowed for fp32/);
    const second = await lm(['export', '-m', 'models/shakespeare', '-o', at('out'), '--dtype', 'int4', '--json']);
    const [made] = jsonLines(second.stdout) as [{ files: { file: string; inputs: { name: string }[] }[] }];
    expect(made.files[0]!.inputs.map((x) => x.name).slice(0, 4)).toEqual([
      ...['input_ids', 'attention_mask', 'position_ids', 'past_key_values.0.key'],
    ]);
    expect(readdirSync(at('out', 'onnx')).toSorted()).toEqual(['model.onnx', 'model_q4.onnx']);
  });

  test('pictures, and a repository for Triton', async () => {
    const { code } = await lm(['export', '-m', 'models/digits', '-o', at('digits'), '--triton', at('repository')]);
    expect(code).toBe(0);
    const config = readFileSync(at('repository', 'digits', 'config.pbtxt'), 'utf8');
    expect(config).toContain('name: "digits"');
    expect(config).toContain('dynamic_batching');
    const program = await compile(at('repository', 'digits', '1', 'model.onnx'));
    expect(program.inputs[0]!.name).toBe('pixel_values');
    await program.dispose();
  });

  test.each([
    [['export', '-m', 'models/shakespeare'], '--out is missing'],
    [['export', '-m', 'models/shakespeare', '-o', 'x', '--opset', '9'], "--opset is '9'; needs a whole number from 17"],
    [['export', '-m', 'models/shakespeare', '-o', 'x', '--dtype', 'fp8'], "--dtype is 'fp8'"],
    [['export', '-m', 'models/shakespeare', '-o', 'x', '--adapter-inputs'], 'there is no --adapter'],
    [['quantize', '-m', 'models/shakespeare', '-o', 'x', '--within', '1'], '--within needs --text'],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await lm(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test('a folder that holds something else is left alone', async () => {
    writeFileSync(at('letter.txt'), 'Dear');
    expect(await lm(['export', '-m', 'models/shakespeare', '-o', folder])).toMatchObject({ code: 2 });
    expect(await lm(['quantize', '-m', 'models/shakespeare', '-o', at('letter.txt')])).toMatchObject({ code: 2 });
    expect(readFileSync(at('letter.txt'), 'utf8')).toBe('Dear');
  });
});

describe('lm quantize', () => {
  test('a smaller folder that writes and scores as the model does, and a report by brick', async () => {
    writeFileSync(
      at('text.txt'),
      'ROMEO:\nBut soft! What light through yonder window breaks?\nIt is the east.\n'.repeat(6),
    );
    const { code, stdout, stderr } = await lm([
      ...['quantize', '-m', 'models/shakespeare', '-o', at('small'), '--dtype', 'int4'],
      ...['--text', at('text.txt'), '--within', '2'],
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/^all together +2,691,264 +\d\.\d+ +\+\d/m);
    expect(stdout).toMatch(/^transformer\.h\.\*\.mlp\.c_fc +884,736/m);
    const size = (path: string): number => statSync(join(path, 'model.safetensors')).size;
    expect(size(at('small'))).toBeLessThan(0.75 * size('models/shakespeare'));
    const written = await lm(['generate', '-m', at('small'), 'ROMEO:', '-n', '30', '--greedy', '--json']);
    expect(written.code).toBe(0);
    const score = async (model: string): Promise<number> => {
      const { stdout: out } = await lm(['score', '-m', model, 'What light through yonder window breaks?', '--json']);
      return (jsonLines(out)[0] as { perplexity: number }).perplexity;
    };
    const [small, whole] = [await score(at('small')), await score('models/shakespeare')];
    expect(small).not.toBe(whole);
    expect(Math.abs(small / whole - 1)).toBeLessThan(0.1);
  });

  test('an encoder', async () => {
    const made = await lm(['quantize', '-m', 'models/spam', '-o', at('spam'), '--dtype', 'int8', '--json']);
    expect(made.code).toBe(0);
    const [{ bytes, before }] = jsonLines(made.stdout) as [{ bytes: number; before: number }];
    expect(bytes).toBeLessThan(0.4 * before);
    const { stdout } = await lm(['classify', '-m', at('spam'), 'WIN a free prize! Call now']);
    expect(stdout).toContain('spam');
    expect(existsSync(at('spam', 'tokenizer.json'))).toBe(true);
  });
});

test('--dtype holds the weights in few bits while writing', async () => {
  const write = async (dtype: string): Promise<string> => {
    const args = ['generate', '-m', 'models/shakespeare', '--dtype', dtype, 'ROMEO:', '-n', '12', '--greedy'];
    const { code, stdout } = await lm(args);
    expect(code).toBe(0);
    return stdout;
  };
  expect(await write('int8')).toBe(await write('fp32'));
  expect((await write('int4')).slice(0, 8)).toBe((await write('fp32')).slice(0, 8));
});
