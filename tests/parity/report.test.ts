// The parity report on the reference checkpoints, and on copies of them that are wrong in one place each.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostTensor, readSafetensors, writeSafetensors, type HostTensor } from '../../packages/runtime/src/index.ts';
import { hasShared, sharedPath } from '../fixtures.ts';

interface Row {
  readonly name: string;
  readonly pass: boolean;
  readonly tokens: string | null;
  readonly outputs: { difference: number; at: string } | null;
  readonly reasons: readonly string[];
}
type Main = (args: readonly string[], stdout: Sink, stderr: Sink) => Promise<number>;
interface Sink {
  write(text: string): unknown;
}
const script = new URL('../../scripts/parity/index.mjs', import.meta.url).href;

async function report(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { main } = (await import(script)) as { main: Main };
  const said = { out: '', err: '' };
  const code = await main(args, { write: (text) => (said.out += text) }, { write: (text) => (said.err += text) });
  return { code, ...said };
}
const rows = (out: string): Row[] => (JSON.parse(out) as { checkpoints: Row[] }).checkpoints;
const checkpoints = sharedPath('fixtures/checkpoints');

describe.skipIf(!hasShared)('the parity report (needs ../shared)', () => {
  let scratch = '';
  beforeAll(() => (scratch = mkdtempSync(join(tmpdir(), 'brickwork-parity-'))));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  /** A copy of a checkpoint, changed. */
  function copy(name: string, as: string): string {
    const folder = join(scratch, as);
    cpSync(join(checkpoints, name), folder, { recursive: true });
    return folder;
  }
  function editJson(folder: string, file: string, edit: (json: Record<string, unknown>) => void): void {
    const path = join(folder, file);
    const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    edit(json);
    writeFileSync(path, JSON.stringify(json));
  }
  async function editTensors(folder: string, file: string, edit: (all: Map<string, HostTensor>) => void) {
    const path = join(folder, `${file}.safetensors`);
    const { tensors } = await readSafetensors(path);
    edit(tensors);
    await writeSafetensors(path, tensors);
  }

  // The reference of marian was computed with tables of positions that had noise added and aren't in its checkpoint; see
  // seq2seq.test.ts, which has PyTorch's numbers for the sines and cosines that everyone else gets.
  test('every reference passes but one, whose numbers don’t follow from its files', async () => {
    const { code, out } = await report(sharedPath('fixtures'), '--json');
    const failed = rows(out).filter((row) => !row.pass);
    expect(failed.map(({ name }) => name)).toEqual(['checkpoints/marian']);
    expect(failed[0]!.reasons[0]).toMatch(/^encoder_last_hidden_state differs \(outputs\) by 3\.3e-1/);
    expect(rows(out)).toHaveLength(30);
    expect(
      rows(out)
        .filter((row) => row.tokens === 'same')
        .map(({ name }) => name),
    ).toHaveLength(9);
    expect(code).toBe(1);
  });

  test('a table has a line for each, and says why one fails', async () => {
    const good = copy('gpt2', 'table/good');
    const bad = copy('gpt2', 'table/bad');
    expect(existsSync(good)).toBe(true);
    editJson(bad, 'expected.json', (json) => (json['loss'] = Number(json['loss']) + 2e-5));
    const { code, out, err } = await report(join(scratch, 'table'));
    expect(code).toBe(1);
    expect(out).toMatch(/^good +GPT2LMHeadModel .* same +pass$/m);
    expect(out).toMatch(/^bad +GPT2LMHeadModel .* same +FAIL$/m);
    expect(out).toMatch(/^bad:\n {2}the loss differs by 2\.\de-5, more than 0\.00001$/m);
    expect(out).toMatch(/^1 of 2 checkpoints pass$/m);
    expect(err).toBe('FAIL bad\npass good\n');
  });

  const broken: [string, string, (folder: string) => Promise<void> | void, RegExp][] = [
    [
      'an output that differs by 2e-4',
      'llama',
      (f) =>
        editTensors(f, 'expected', (all) => {
          (all.get('logits')!.data as Float32Array)[7]! += 2e-4;
        }),
      /^logits differs \(outputs\) by 2\.\de-4/,
    ],
    [
      'a gradient that differs by 2e-3 of the largest',
      'llama',
      (f) =>
        editTensors(f, 'grads', (all) => {
          const data = all.get('model.norm.weight')!.data as Float32Array;
          data[3]! += 2e-3 * Math.max(...data.map(Math.abs));
        }),
      /^model\.norm\.weight differs \(gradients\) by 2\.\de-3/,
    ],
    [
      'another token',
      'gpt2_beam',
      (f) =>
        editJson(f, 'expected.json', (json) => {
          const { tokens } = json['generate'] as { tokens: number[][] };
          tokens[0]![9] = 1;
        }),
      /^generated \[\[.*\]\], but expected \[\[/,
    ],
    [
      'a missing weight',
      'mistral',
      (f) => editTensors(f, 'model', (all) => void all.delete('model.norm.weight')),
      /missing model\.norm\.weight/,
    ],
    [
      'an output that there is not',
      'qwen2',
      (f) => editTensors(f, 'expected', (all) => void all.set('depth', hostTensor(new Float32Array(2)))),
      /^no output is called depth$/,
    ],
    [
      'an input that there is not',
      'gpt_neox',
      (f) => editTensors(f, 'inputs', (all) => void all.set('depth', hostTensor(new Float32Array(2)))),
      /^the input depth is not known here; known are input_ids/,
    ],
    [
      'an unknown architecture',
      'gpt2',
      (f) => editJson(f, 'config.json', (json) => (json['model_type'] = 'gpt9')),
      /^config: model_type is "gpt9"; known are/,
    ],
    [
      'an unknown class',
      'gpt2',
      (f) => editJson(f, 'expected.json', (json) => (json['class'] = 'GPT2ForDreaming')),
      /^config: gpt2 has no class "GPT2ForDreaming" here; known are GPT2/,
    ],
    ['a broken file', 'gpt2', (f) => writeFileSync(join(f, 'expected.json'), '{'), /JSON/],
  ];
  test.each(broken)('%s fails, with the reason', async (what, name, change, reason) => {
    const folder = copy(name, what);
    await change(folder);
    const { code, out } = await report(folder, '--json');
    expect(code).toBe(1);
    expect(rows(out)).toHaveLength(1);
    expect(rows(out)[0]!.pass).toBe(false);
    expect(rows(out)[0]!.reasons[0]).toMatch(reason);
  });

  test('a difference where the mask is 0 doesn’t count', async () => {
    const folder = copy('llama', 'masked');
    await editTensors(folder, 'expected', (all) => {
      const { data, shape } = all.get('logits')!;
      data[(data.length / shape[0]!) * 2 - 1] = 99; // the last position of the second row is padding
    });
    const { code } = await report(folder);
    expect(code).toBe(0);
  });

  test('arguments that make no sense are usage errors; nothing to check is a failure', async () => {
    expect((await report()).code).toBe(2);
    expect((await report(join(scratch, 'nowhere'))).err).toContain('nowhere is not a folder');
    expect((await report(checkpoints, '--fast')).code).toBe(2);
    const empty = mkdtempSync(join(scratch, 'empty-'));
    const { code, err } = await report(empty);
    expect([code, err]).toEqual([1, `parity: no reference checkpoint (a folder with expected.json) below ${empty}\n`]);
    expect((await report('--help')).out).toContain('npm run parity -- DIR [--json]');
  });
});
