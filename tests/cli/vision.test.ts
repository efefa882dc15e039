// lm vision: networks of pictures trained, measured, asked, looked into and fooled from the command line.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { random } from '../../packages/nn/src/index.ts';
import { readSafetensors } from '../../packages/runtime/src/index.ts';
import { decodeImage, pixels, writeImage } from '../../packages/vision/src/index.ts';
import { jsonLines, lm } from './lm.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-vision-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (...names: string[]): string => join(root, ...names);
const samples = fileURLToPath(new URL('../../models/digits/samples', import.meta.url));
const digit = (n: number): string => join(samples, `${n}.png`);

// Bars that lie and bars that stand, red or green.
beforeAll(async () => {
  const draw = random(1);
  for (const label of ['lying', 'standing']) {
    mkdirSync(at('bars', label), { recursive: true });
    for (let i = 0; i < 24; i++) {
      const image = pixels(16, 16, 3);
      image.data.forEach((_, k) => (image.data[k] = draw.integer(60)));
      const [h, w] = label === 'lying' ? [3, 12] : [12, 3];
      const [top, left] = [draw.integer(17 - h), draw.integer(17 - w)];
      for (let y = top; y < top + h; y++)
        for (let x = left; x < left + w; x++) image.data[(y * 16 + x) * 3 + (i % 2)] = 220;
      await writeImage(at('bars', label, `${i}.png`), image);
    }
  }
});
const small = ['--batch-size', '12', '--workers', '0', '--no-picture', '--augment', 'none'];
const isPng = (path: string): boolean => readFileSync(path).subarray(1, 4).toString() === 'PNG';

describe('lm vision train', () => {
  test('trains, tells its accuracy, and writes a model that classify, eval and finetune open', async () => {
    const args = ['vision', 'train', '-d', at('bars'), '-o', at('model'), '--epochs', '8', '--size', '16', ...small];
    const { code, stdout, stderr } = await lm([...args, '--json']);
    expect(code).toBe(0);
    const events = jsonLines(stdout) as { type: string; scores?: { accuracy: number } }[];
    expect(events[0]).toMatchObject({ type: 'start', train: 44, validation: 4 });
    expect(events.filter(({ type }) => type === 'evaluation')).toHaveLength(8);
    expect(events.some(({ scores }) => scores?.accuracy === 1)).toBe(true);
    expect(stderr).toContain('44 pictures to train on, 4 held out, 2 classes');
    const config = JSON.parse(readFileSync(at('model', 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ model_type: 'conv_net', image_size: 16, id2label: { 0: 'lying', 1: 'standing' } });
    const preprocessor = JSON.parse(readFileSync(at('model', 'preprocessor_config.json'), 'utf8')) as object;
    expect(preprocessor).toMatchObject({ do_normalize: true, crop_size: { height: 16, width: 16 } });

    const named = await lm([
      'vision',
      'classify',
      '-m',
      at('model'),
      at('bars', 'lying', '0.png'),
      '-k',
      '1',
      '--json',
    ]);
    expect(jsonLines(named.stdout)).toMatchObject([{ classes: [{ label: 'lying' }] }]);

    const measured = await lm([
      ...['vision', 'eval', '-m', at('model'), '-d', at('bars'), '--json', '--workers', '0'],
      ...['--confusion', at('confusion.png'), '--mistakes', at('mistakes.html')],
    ]);
    expect(measured.code).toBe(0);
    const [scores] = jsonLines(measured.stdout) as [{ accuracy: number; count: number; confusion: number[][] }];
    expect(scores.count).toBe(48);
    expect(scores.accuracy).toBeGreaterThan(0.9);
    expect(scores.confusion.flat().reduce((a, b) => a + b)).toBe(48);
    expect(isPng(at('confusion.png'))).toBe(true);

    const tuned = await lm([
      ...[
        'vision',
        'finetune',
        '-m',
        at('model'),
        '-d',
        at('bars'),
        '-o',
        at('tuned'),
        '--layers',
        'head',
        '--epochs',
        '1',
      ],
      ...small,
    ]);
    expect([tuned.code, tuned.stderr]).toEqual([0, expect.stringContaining('1,026 of 94,949 values')]);
    const [before, after] = await Promise.all(
      ['model', 'tuned'].map(async (name) => (await readSafetensors(at(name, 'model.safetensors'))).tensors),
    );
    for (const [name, { data }] of before!)
      if (name.startsWith('classifier.')) expect(after!.get(name)!.data).not.toEqual(data);
      else expect(after!.get(name)!.data).toEqual(data);
  }, 60_000);

  test('interrupted and resumed, it ends as if it had not been', async () => {
    const args = (out: string): string[] => [
      ...[
        'vision',
        'train',
        '-d',
        at('bars'),
        '-o',
        at(out),
        '--epochs',
        '3',
        '--size',
        '8',
        '--no-keep-best',
        ...small,
      ],
      ...['--augment', 'crop', '--optim', 'sgd'].slice(2),
    ];
    expect((await lm(args('whole'))).code).toBe(0);
    let stopped = false;
    const first = await lm([...args('cut'), '--json'], {
      onWrite(stdout, interrupt) {
        if (stopped || !stdout.includes('"step":5')) return;
        stopped = true;
        interrupt();
      },
    });
    expect([first.code, existsSync(at('cut', 'config.json'))]).toEqual([130, false]);
    expect(first.stderr).toContain('To go on: the same command with --resume');
    expect((await lm([...args('cut'), '--resume'])).code).toBe(0);
    expect(readFileSync(at('cut', 'model.safetensors')).equals(readFileSync(at('whole', 'model.safetensors')))).toBe(
      true,
    );
  }, 60_000);

  test.each([
    ['simclr', ['--size', '16']],
    ['mae', ['--size', '16']],
    ['vae', ['--size', '16', '--grey', '--latent-size', '4']],
  ])(
    '%s learns without classes',
    async (method, more) => {
      const out = at(method);
      const { code, stderr } = await lm([
        ...['vision', 'train', '-d', at('bars'), '-o', out, '--method', method, '--epochs', '1', ...more, ...small],
      ]);
      expect([code, stderr]).toEqual([0, expect.stringContaining('validation loss')]);
      expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
    },
    60_000,
  );

  test('adversarial, mixed, with covers and the other networks', async () => {
    for (const [name, more] of [
      ['adversarial', ['--adversarial', '0.1', '--cutout', '4', '--size', '16']],
      ['mixed', ['--mixup', '0.2', '--label-smoothing-factor', '0.1', '--size', '16', '--augment', 'strong']],
      ['cut', ['--cutmix', '1', '--arch', 'cifar_resnet', '--augment', 'photo']],
      ['patches', ['--arch', 'vit', '--size', '16', '--normalize', 'half']],
      ['lecture', ['--arch', 'lenet', '--optim', 'sgd', '--lr-scheduler', 'plateau', '--augment', 'affine']],
    ] as const) {
      const args = small.slice(0, -2);
      const { code, stderr } = await lm([
        ...['vision', 'train', '-d', at('bars'), '-o', at(`other-${name}`), '--max-steps', '2', ...args, ...more],
      ]);
      expect([name, code, stderr]).toEqual([name, 0, expect.stringContaining('2 steps')]);
    }
  }, 60_000);

  test('of several batches in an update it still makes as many updates as were asked for', async () => {
    const { code, stdout } = await lm([
      ...['vision', 'train', '-d', at('bars'), '-o', at('accumulated'), '--size', '8', '--max-steps', '5', '--json'],
      ...['--gradient-accumulation-steps', '3', ...small],
    ]);
    const events = jsonLines(stdout) as { type: string; step: number }[];
    expect([code, events.filter(({ type }) => type === 'step').length]).toEqual([0, 5]);
  });

  test('what makes no sense is said, before any work', async () => {
    const bad = async (args: string[], expected: string): Promise<void> => {
      const { code, stderr } = await lm(['vision', 'train', '-o', at('bad'), ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(expected)]);
      expect(existsSync(at('bad'))).toBe(false);
    };
    const data = ['-d', at('bars')];
    await bad([], 'no pictures given');
    await bad(['-d', at('absent')], 'there is no such file or folder');
    await bad(
      [...data, '--arch', 'lenet', '--size', '32'],
      '--arch lenet takes pictures of 28 by 28 with 1 channels, not 32 with 1',
    );
    await bad([...data, '--depth', '18'], '--depth is for vgg and the resnets');
    await bad([...data, '--mixup', '1', '--cutmix', '1', '--size', '16'], '--mixup and --cutmix');
    await bad([...data, '--method', 'simclr', '--mixup', '1', '--size', '16'], 'are for --method classify');
    await bad([...data, '--arch', 'vit', '--size', '30'], '--size 30 isn’t a multiple of 4');
    writeFileSync(at('unknown.xyz'), '');
    await bad(['-d', at('unknown.xyz')], 'can’t be told from its name');
  });
});

describe('with the digits that ship', () => {
  test('classify', async () => {
    const { code, stdout } = await lm(['vision', 'classify', samples, '-k', '1']);
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(10);
    for (const line of lines) {
      const [, name, label] = /(\d)\.png\t(\d) [\d.]+%$/.exec(line)!;
      expect(label).toBe(name);
    }
    writeFileSync(at('broken.png'), 'text');
    const broken = await lm(['vision', 'classify', at('broken.png')]);
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining('broken.png: it is no picture')]);
    const kept = await lm(['vision', 'classify', at('broken.png'), digit(3), '--skip-broken']);
    expect([kept.code, kept.stdout, kept.stderr]).toEqual([
      0,
      expect.stringContaining('3.png\t3 '),
      expect.stringContaining('broken.png: it is no picture'),
    ]);
    const none = await lm(['vision', 'classify', digit(3), '--classes', 'cat,dog']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('models/digits is a ConvNet')]);
  });

  test('similar, with a contact sheet', async () => {
    const { code, stdout } = await lm([
      'vision',
      'similar',
      digit(3),
      '-d',
      samples,
      '-k',
      '4',
      '-o',
      at('similar.svg'),
    ]);
    const lines = stdout.trim().split('\n');
    expect([code, lines.length]).toEqual([0, 4]);
    const distances = lines.map((line) => Number(line.split('\t')[0]));
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    expect(lines.every((line) => !line.endsWith('3.png'))).toBe(true);
    expect(readFileSync(at('similar.svg'), 'utf8').match(/<image /g)).toHaveLength(5);
  });

  test('filters', async () => {
    const { code, stdout, stderr } = await lm(['vision', 'filters', '--layer', 'features.4', '-o', at('filters.png')]);
    expect([code, stdout.trim().split('\n').length]).toEqual([0, 65]);
    expect(stderr).toContain('64 filters of 32 by 3 by 3');
    expect(isPng(at('filters.png'))).toBe(true);
    const unknown = await lm(['vision', 'filters', '--layer', 'fc']);
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringContaining('convolutions are features.0, features.4'),
    ]);
  });

  test('explain, by every method', async () => {
    const methods = 'grad-cam,gradient,guided,smoothgrad,integrated,occlusion,features,deconvnet';
    const { code, stdout } = await lm([
      'vision',
      'explain',
      digit(8),
      '--method',
      methods,
      '-k',
      '2',
      '-o',
      at('why.svg'),
    ]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/8\.png\t8 \d/)]);
    expect(readFileSync(at('why.svg'), 'utf8').match(/<image /g)).toHaveLength(1 + 7 + 2);
    const unit = await lm([
      ...['vision', 'explain', '-d', at('bars'), '--method', 'deconvnet', '--layer', 'features.0.relu', '--unit', '3'],
      ...['-k', '3', '-o', at('unit.png'), '--json', '--workers', '0'],
    ]);
    expect(unit.code).toBe(0);
    const found = (jsonLines(unit.stdout) as { activation?: number }[]).flatMap(({ activation: x }) =>
      x === undefined ? [] : [x],
    );
    expect(found).toHaveLength(3);
    expect(found).toEqual(found.toSorted((a, b) => b - a));
    const bad = await lm(['vision', 'explain', digit(1), '--method', 'magic', '-o', at('x.png')]);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining("--method is 'magic'")]);
    const none = await lm(['vision', 'explain', digit(1), '--class', 'cat', '-o', at('x.png')]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('the model tells 0, 1, 2')]);
    const kind = await lm(['vision', 'explain', digit(1), '-o', at('x.bmp')]);
    expect([kind.code, kind.stderr]).toEqual([2, expect.stringContaining('.svg, .png or .html')]);
  });

  test('attack: one picture, towards a class, and a whole set', async () => {
    const one = await lm(['vision', 'attack', digit(7), '-e', '0.25', '-o', at('attack.png'), '--json']);
    expect(one.code).toBe(0);
    expect(jsonLines(one.stdout)).toMatchObject([{ before: { label: '7' }, succeeded: true }]);
    expect((await decodeImage(at('attack.png'))).width).toBeGreaterThan(400);
    const to = await lm(['vision', 'attack', digit(4), '-e', '0.3', '--steps', '20', '--target', '9', '--json']);
    expect(jsonLines(to.stdout)).toMatchObject([{ after: { label: '9' }, succeeded: true }]);
    const both = await lm(['vision', 'attack', digit(4), '-d', at('bars')]);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('not both')]);
    // Classes of another model's are no digits.
    const other = await lm(['vision', 'attack', '-d', at('bars'), '-e', '0.1']);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('its class lying is not among 0, 1')]);
    // What can't be read is named and left out, here too.
    mkdirSync(at('some', 'lying'), { recursive: true });
    writeFileSync(at('some', 'lying', 'broken.png'), 'text');
    writeFileSync(at('some', 'lying', 'whole.png'), readFileSync(at('bars', 'lying', '0.png')));
    const some = await lm(['vision', 'attack', '-m', at('model'), '-d', at('some'), '--skip-broken', '--json']);
    expect([some.code, some.stderr]).toEqual([0, expect.stringContaining('broken.png: it is no picture')]);
    expect(jsonLines(some.stdout)).toMatchObject([{ pictures: 1 }]);
    const set = await lm([
      'vision',
      'attack',
      '-m',
      at('model'),
      '-d',
      at('bars'),
      '-e',
      '0.3',
      '--json',
      '--workers',
      '0',
    ]);
    expect(jsonLines(set.stdout)).toMatchObject([{ pictures: 48, epsilon: 0.3 }]);
  });

  test('embed', async () => {
    const lines = await lm(['vision', 'embed', digit(1), digit(2)]);
    const rows = jsonLines(lines.stdout) as { file: string; vector: number[] }[];
    expect(rows.map(({ vector }) => vector.length)).toEqual([1152, 1152]);
    const file = await lm(['vision', 'embed', samples, '-o', at('vectors.safetensors')]);
    expect([file.code, file.stderr]).toEqual([0, expect.stringContaining('10 vectors of 1152 values')]);
    const { tensors, metadata } = await readSafetensors(at('vectors.safetensors'));
    expect(tensors.get('embeddings')!.shape).toEqual([10, 1152]);
    expect(JSON.parse(metadata!['files']!)).toHaveLength(10);
    expect([...(tensors.get('embeddings')!.data as Float32Array).slice(1152, 1155)]).toEqual(
      rows[0]!.vector.slice(0, 3).map((v) => Math.fround(v)),
    );
  });
});
