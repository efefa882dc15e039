// lm embed, lm similarity, lm attention and lm eval sts, with the encoder that ships.
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { packSigns, SentenceEncoder } from '../../packages/embedding/src/index.ts';
import { readSafetensors } from '../../packages/runtime/src/index.ts';
import { hasShared, sharedPath } from '../fixtures.ts';
import { jsonLines, lm } from './lm.ts';

const model = ['-m', 'models/encoder'];
const folder = mkdtempSync(join(tmpdir(), 'brickwork-embed-'));
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const texts = ['A man is playing a guitar.', 'Snow fell all night.', 'He makes music.'];
let vectors: Float32Array[];
beforeAll(async () => {
  const encoder = await SentenceEncoder.load('models/encoder');
  vectors = await encoder.encode(texts);
  await encoder.dispose();
});
const near = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(1e-5);
};
// The header and the values of an .npy file, as numpy's format says.
function readNpy(path: string): { header: string; bytes: Buffer } {
  const bytes = readFileSync(path);
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]));
  const end = 10 + bytes.readUInt16LE(8);
  expect(end % 64).toBe(0);
  expect(bytes[end - 1]).toBe(10);
  return {
    header: bytes
      .subarray(10, end - 1)
      .toString()
      .trim(),
    bytes: bytes.subarray(end),
  };
}

describe('lm embed', () => {
  test('a line of JSON for each text', async () => {
    const { code, stdout } = await lm(['embed', ...model, ...texts]);
    expect(code).toBe(0);
    const rows = jsonLines(stdout);
    expect(rows.map(({ text }) => text)).toEqual(texts);
    rows.forEach(({ embedding }, i) => near(embedding as number[], vectors[i]!));
  });

  test('lines of stdin and of files, blank ones too, so that rows and lines go together', async () => {
    const given = `${texts[0]}\r\n\n${texts[1]}\n`;
    const { stdout } = await lm(['embed', ...model], { stdin: given });
    expect(jsonLines(stdout).map(({ text }) => text)).toEqual([texts[0], '', texts[1]]);
    const path = file('lines.txt', given);
    expect((await lm(['embed', ...model, '-f', path])).stdout).toBe(stdout);
  });

  test('rows of JSON keep their fields', async () => {
    const rows = texts.map((title, id) => JSON.stringify({ id, title })).join('\n');
    const path = file('rows.jsonl', rows);
    for (const run of [
      await lm(['embed', ...model, '-f', path, '--field', 'title']),
      await lm(['embed', ...model, '--field', 'title'], { stdin: rows }),
    ]) {
      expect(run.code).toBe(0);
      expect(jsonLines(run.stdout).map(({ id, title }) => [id, title])).toEqual(texts.map((text, i) => [i, text]));
    }
    const missing = await lm(['embed', ...model, '-f', path]);
    expect([missing.code, missing.stderr]).toEqual([
      1,
      expect.stringMatching(/rows\.jsonl:1: the field text is missing/),
    ]);
  });

  test('.npy, .safetensors and .jsonl files', async () => {
    const out = (name: string): string => join(folder, name);
    for (const name of ['v.npy', 'v.safetensors', 'v.jsonl']) {
      const { code, stdout, stderr } = await lm([
        'embed',
        ...model,
        ...texts,
        '-o',
        out(name),
        '--dimension',
        '16',
        '--normalize',
      ]);
      expect([code, stdout]).toEqual([0, '']);
      expect(stderr).toContain('3 vectors in');
    }
    const expected = vectors.map((vector) => {
      const length = Math.hypot(...vector.slice(0, 16));
      return vector.slice(0, 16).map((x) => x / length);
    });
    const { header, bytes } = readNpy(out('v.npy'));
    expect(header).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 16), }");
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    expected.forEach((row, i) => near(values.slice(16 * i, 16 * i + 16), row));
    const { tensors } = await readSafetensors(out('v.safetensors'));
    expect(tensors.get('embeddings')!.shape).toEqual([3, 16]);
    near(tensors.get('embeddings')!.data as Float32Array, values);
    const lines = jsonLines(readFileSync(out('v.jsonl'), 'utf8'));
    lines.forEach(({ embedding }, i) => near(embedding as number[], expected[i]!));
  });

  test('bytes and bits', async () => {
    const bits = await lm(['embed', ...model, texts[0]!, '--precision', 'ubinary']);
    expect(jsonLines(bits.stdout)[0]!['embedding']).toEqual([...packSigns(vectors[0]!)]);
    const path = join(folder, 'b.npy');
    await lm(['embed', ...model, texts[0]!, '--precision', 'binary', '-o', path]);
    expect(readNpy(path).header).toContain("'descr': '|i1', 'fortran_order': False, 'shape': (1, 24)");
    const bytes = await lm(['embed', ...model, ...texts, '--precision', 'uint8']);
    expect(bytes.stderr).toMatch(/ranges of 3 texts are rough; --calibrate FILE/);
    const rows = jsonLines(bytes.stdout).map(({ embedding }) => embedding as number[]);
    for (let i = 0; i < 192; i++) {
      const axis = rows.map((row) => row[i]!);
      expect(Math.min(...axis)).toBe(0);
      expect(Math.max(...axis)).toBeGreaterThanOrEqual(254); // 255 but for rounding, towards zero as numpy's
    }
    const corpus = file('corpus.txt', Array.from({ length: 120 }, (_, i) => `sentence ${i} of many`).join('\n'));
    const calibrated = await lm(['embed', ...model, texts[0]!, '--precision', 'int8', '--calibrate', corpus]);
    expect([calibrated.code, calibrated.stderr]).toEqual([0, '']);
    expect(
      (jsonLines(calibrated.stdout)[0]!['embedding'] as number[]).every(
        (x) => Number.isInteger(x) && x >= -128 && x <= 127,
      ),
    ).toBe(true);
  });

  test('a run that fails leaves nothing half-written', async () => {
    const out = join(folder, 'never.npy');
    const { code, stderr } = await lm(['embed', ...model, '-o', out, '-f', join(folder, 'missing.txt')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('missing.txt: there is no such file')]);
    const broken = file('broken.jsonl', `${JSON.stringify({ text: 'a' })}\n{"text":`);
    const failed = await lm(['embed', ...model, '-f', broken, '-o', out]);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/broken\.jsonl:2: it isn't JSON/)]);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('Ctrl-C ends it with exit code 130', async () => {
    const many = Array.from({ length: 6000 }, (_, i) => `line ${i} ${'and more '.repeat(20)}`).join('\n');
    let interrupted = false;
    const { code } = await lm(['embed', ...model, '-b', '4'], {
      stdin: many,
      onWrite: (_, interrupt) => {
        if (!interrupted) interrupt();
        interrupted = true;
      },
    });
    expect(code).toBe(130);
  });

  test.each([
    [['text', '-o', 'x.csv'], /--output is 'x\.csv'; needs a name that ends in/],
    [['text', '--dimension', '500'], /--dimension 500, but the model's vectors have 192 axes/],
    [['text', '--dimension', '12', '--precision', 'binary'], /needs a multiple of 8 axes; there are 12/],
    [['text', '--prompt-name', 'query'], /--prompt-name is 'query'; the model's prompts are none/],
    [['text', '--precision', 'int4'], /--precision is 'int4'/],
    [['text', '--calibrate', 'x.txt'], /--calibrate is for --precision int8 and uint8/],
    [['text', '--field', 'a'], /--field is for lines of JSON/],
    [[], /there is no text/],
  ])('lm embed %j is a usage error', async (args, message) => {
    const { code, stderr } = await lm(['embed', ...model, ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('lm similarity', () => {
  const cosine = (a: Float32Array, b: Float32Array): number =>
    a.reduce((sum, x, i) => sum + x * b[i]!, 0) / Math.hypot(...a) / Math.hypot(...b);

  test('of two texts is one number', async () => {
    const { stdout } = await lm(['similarity', ...model, texts[0]!, texts[2]!]);
    expect(stdout).toBe(`${cosine(vectors[0]!, vectors[2]!).toFixed(4)}\n`);
    const json = await lm(['similarity', ...model, texts[0]!, texts[2]!, '--json']);
    expect(jsonLines(json.stdout)[0]).toMatchObject({ a: texts[0], b: texts[2] });
  });

  test('of several are the best pairs, or all', async () => {
    const path = file('three.txt', texts.join('\n'));
    const { stdout } = await lm(['similarity', ...model, '-f', path, '-k', '2']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(lines).toHaveLength(2);
    const scored = [
      [0, 1],
      [0, 2],
      [1, 2],
    ].map(([i, j]) => [cosine(vectors[i!]!, vectors[j!]!), texts[i!], texts[j!]] as const);
    const best = scored.toSorted(([x], [y]) => y - x).slice(0, 2);
    expect(lines).toEqual(best.map(([score, ...pair]) => [score.toFixed(4), ...pair]));
    const [all] = jsonLines((await lm(['similarity', ...model, '-f', path, '--matrix', '--json'])).stdout);
    const rows = all!['similarities'] as number[][];
    expect(rows[0]![1]).toBeCloseTo(cosine(vectors[0]!, vectors[1]!), 5);
    expect(rows[1]![1]).toBeCloseTo(1, 6);
    const table = await lm(['similarity', ...model, ...texts, '--matrix']);
    expect(table.stdout.split('\n')).toHaveLength(5);
  });

  test('of one text with the lines of a file', async () => {
    const path = file('two.txt', texts.slice(1).join('\n'));
    const rows = jsonLines((await lm(['similarity', ...model, texts[0]!, '-f', path, '--json'])).stdout);
    expect(rows.map(({ text }) => text)).toEqual([texts[2], texts[1]]);
  });

  test('of pairs, a score for each', async () => {
    const path = file('pairs.tsv', `${texts[0]}\t${texts[2]}\n${texts[0]}\t${texts[1]}\n`);
    const { stdout } = await lm(['similarity', ...model, '--pairs', path]);
    expect(stdout.split('\n')[0]).toBe(`${cosine(vectors[0]!, vectors[2]!).toFixed(4)}\t${texts[0]}\t${texts[2]}`);
    const distance = await lm(['similarity', ...model, '--pairs', path, '--similarity', 'euclidean', '--json']);
    expect(Number(jsonLines(distance.stdout)[0]!['similarity'])).toBeLessThan(0);
    const broken = await lm(['similarity', ...model, '--pairs', file('broken.tsv', 'a\tb\nonly one\n')]);
    expect([broken.code, broken.stderr]).toEqual([
      1,
      expect.stringMatching(/broken\.tsv:2: 1 columns; needs two texts/),
    ]);
  });

  test('of the uses of a word', async () => {
    const { stdout } = await lm([
      'similarity',
      '--word',
      'can',
      'I can buy a can of fish',
      'She can swim',
      ...model,
      '--json',
    ]);
    const [{ places, similarities } = {}] = jsonLines(stdout) as [{ places?: object[]; similarities?: number[][] }];
    expect(places).toMatchObject([{ start: 2 }, { start: 12 }, { start: 4 }]);
    expect(similarities![0]![2]).toBeGreaterThan(similarities![0]![1]!);
    const table = await lm(['similarity', '--word', 'can', 'I can buy a can of fish', ...model, '--layer', '2']);
    expect(table.stdout).toContain('a [can] of fish');
    const missing = await lm(['similarity', '--word', 'dog', 'I can', ...model]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/"dog" stands in none of 1/)]);
  });

  test.each([
    [['one text'], /one text has nothing to be compared with/],
    [['a', 'b', '--pairs', 'x.tsv'], /more than one way/],
    [['--pairs', 'nowhere.tsv'], /nowhere\.tsv: there is no such file/],
    [['a', 'b', '--layer', '2'], /--layer is for --word/],
  ])('lm similarity %j is a usage error', async (args, message) => {
    const { code, stderr } = await lm(['similarity', ...model, ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('lm attention', () => {
  const text = 'I can buy a can of fish';
  test('draws a heat map, as SVG and as PNG', async () => {
    const svg = join(folder, 'map.svg');
    const { code, stderr, stdout } = await lm(['attention', text, ...model, '--layer', '2', '--head', '3', '-o', svg]);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toContain('layer 2 of 5, 4 heads, 9 tokens');
    expect(readFileSync(svg, 'utf8')).toContain('Attention, layer 2, head 3');
    const png = join(folder, 'heads.png');
    await lm(['attention', text, ...model, '--head', 'all', '-o', png]);
    expect(readFileSync(png).subarray(1, 4).toString()).toBe('PNG');
  });
  test('or shows the weights', async () => {
    const [found] = jsonLines((await lm(['attention', text, ...model, '--head', 'all', '--json'])).stdout);
    const heads = found!['heads'] as { head: number; weights: number[][] }[];
    expect(heads.map(({ head }) => head)).toEqual([0, 1, 2, 3]);
    for (const { weights } of heads)
      for (const row of weights) expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
    const { stdout } = await lm(['attention', text, ...model]);
    expect(stdout.split('\n')[0]).toMatch(/\[CLS\] +I +can +buy/);
  });
  test.each([
    [[text, '--head', '9'], 2, /--head is 9; layer 4 has 4 heads/],
    [[text, '--head', 'best'], 2, /--head is 'best'/],
    [[text, '--layer', '7'], 1, /no layer 7; there are 0 to 4/],
    [[text, '-o', 'map.gif'], 2, /needs a name that ends in \.svg or \.png/],
    [[' '], 2, /the text is empty/],
  ])('lm attention %j', async (args, expected, message) => {
    const { code, stderr } = await lm(['attention', ...args, ...model]);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
  });
});

describe('lm eval sts', () => {
  const rows = [
    ['A man is playing a guitar.', 'A man plays the guitar.', 5],
    ['Snow fell all night.', 'A dog runs in the park.', 0.4],
    ['He makes music.', 'Someone is singing a song.', 2.8],
    ['The cat sleeps.', 'The cat is sleeping.', 4.6],
  ] as const;
  const columns: readonly [string, string][] = [
    ['sts.csv', rows.map(([a, b, score], i) => ['main', 'MSRvid', '2012', i, score, a, b].join('\t')).join('\n')],
    [
      'SICK.txt',
      [
        'pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment',
        ...rows.map(([a, b, score], i) => [i, a, b, score, 'NEUTRAL'].join('\t')),
      ].join('\n'),
    ],
    ['three.tsv', rows.map((row) => row.join('\t')).join('\r\n')],
    ['hub.csv', ['sentence1,sentence2,score', ...rows.map(([a, b, score]) => `"${a}","${b}",${score}`)].join('\n')],
    [
      'rows.json',
      rows.map(([sentence1, sentence2, score]) => JSON.stringify({ sentence1, sentence2, score })).join('\n'),
    ],
  ];
  test.each(columns)('reads %s', async (name, content) => {
    const { code, stdout } = await lm(['eval', 'sts', ...model, '-d', file(name, content), '--json']);
    expect(code).toBe(0);
    const [found] = jsonLines(stdout);
    expect(found).toMatchObject({ task: 'sts', pairs: 4, similarity: 'cosine' });
    expect(Number(found!['spearman'])).toBeGreaterThanOrEqual(0.6);
  });
  test('shows a table, and writes what was found', async () => {
    const predictions = join(folder, 'predictions.jsonl');
    const { stdout, stderr } = await lm([
      'eval',
      'sts',
      ...model,
      '-d',
      join(folder, 'three.tsv'),
      '--predictions',
      predictions,
    ]);
    expect(stdout).toMatch(/^pearson +-?\d\.\d{4}\nspearman +-?\d\.\d{4}\n$/);
    expect(stderr).toContain("cosine of the vectors of 4 pairs, beside people's scores");
    expect(jsonLines(readFileSync(predictions, 'utf8'))[3]).toMatchObject({ sentence1: 'The cat sleeps.', score: 4.6 });
  });
  test('rows that can’t be read are named', async () => {
    const path = file('bad.tsv', 'a\tb\t3\nc\td\tmuch\n');
    const { code, stderr } = await lm(['eval', 'sts', ...model, '-d', path]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/bad\.tsv.*2.*the score is "much"/)]);
    const other = await lm(['eval', 'sts', ...model, '-d', file('other.tsv', 'a\tb\n')]);
    expect([other.code, other.stderr]).toEqual([1, expect.stringMatching(/2 columns:.*needs STS-B/)]);
  });
  test.skipIf(!hasShared)('gives the figures of STS-B’s dev part, as the recipe measured them', async () => {
    const { stdout } = await lm(['eval', 'sts', ...model, '-d', sharedPath('data/stsb/sts-dev.csv'), '--json']);
    const [found] = jsonLines(stdout);
    expect(found).toMatchObject({ pairs: 1500 });
    expect(Number(found!['pearson'])).toBeCloseTo(0.573, 3);
    expect(Number(found!['spearman'])).toBeCloseTo(0.608, 3);
  });
});
