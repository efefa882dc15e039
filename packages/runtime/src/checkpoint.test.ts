import { execFileSync, execSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { loadCheckpoint, saveCheckpoint, type Checkpoint } from './checkpoint.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';
import { SafetensorsError } from './safetensors-header.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true }));
let serial = 0;
let parent = '';
let dir = '';
beforeEach(() => {
  parent = join(root, String(serial++));
  mkdirSync(parent);
  dir = join(parent, 'model');
});

const weights = (value: number, n = 4): Map<string, HostTensor> =>
  new Map([
    ['b', hostTensor(new Float32Array(n).fill(value), [n])],
    ['a', hostTensor(new Float32Array(n).fill(-value), [1, n])],
  ]);
const save = (value: number, more: Partial<Parameters<typeof saveCheckpoint>[1]> = {}): Promise<void> =>
  saveCheckpoint(dir, { config: { value }, tensors: weights(value), ...more });
const valueOf = ({ config, tensors }: Checkpoint): number => {
  expect(tensors.get('b')!.data[0]).toBe(config['value']);
  expect(tensors.get('a')!.data[0]).toBe(-(config['value'] as number));
  return config['value'] as number;
};

describe('saved and loaded', () => {
  test('config, weights and everything else', async () => {
    await saveCheckpoint(dir, {
      config: { model_type: 'gpt2', ünï: [1, null] },
      tensors: weights(3),
      generationConfig: { eos_token_id: 0 },
      files: {
        'README.md': '# Model\n',
        'tokenizer.json': Uint8Array.of(0x7b, 0x7d),
        'optimizer.safetensors': weights(5),
      },
    });
    const { config, generationConfig, tensors } = await loadCheckpoint(dir);
    expect(config).toEqual({ model_type: 'gpt2', ünï: [1, null] });
    expect(generationConfig).toEqual({ eos_token_id: 0 });
    expect(tensors).toEqual(weights(3));
    expect(readdirSync(dir).sort()).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'optimizer.safetensors',
      'tokenizer.json',
    ]);
    expect(readFileSync(join(dir, 'README.md'), 'utf8')).toBe('# Model\n');
    expect((await readSafetensors(join(dir, 'optimizer.safetensors'))).tensors).toEqual(weights(5));
    expect((await readSafetensors(join(dir, 'model.safetensors'))).metadata).toEqual({ format: 'pt' });
    expect(readdirSync(parent)).toEqual(['model']);
  });

  test('in folders that don’t exist yet', async () => {
    dir = join(parent, 'deep', 'er', 'model');
    await save(1);
    expect(valueOf(await loadCheckpoint(dir))).toBe(1);
    expect((await loadCheckpoint(dir)).generationConfig).toBe(null);
  });

  test('halves are widened, unless told not to', async () => {
    await save(1, {
      tensors: new Map([
        ['w', hostTensor(Uint16Array.of(0x3c00), [1], 'float16')],
        ['v', hostTensor(Uint16Array.of(0x3f80), [1], 'bfloat16')],
      ]),
    });
    const { tensors } = await loadCheckpoint(dir);
    expect([...tensors.values()]).toEqual([hostTensor(Float32Array.of(1)), hostTensor(Float32Array.of(1))]);
    expect((await loadCheckpoint(dir, { widen: false })).tensors.get('v')!.dtype).toBe('bfloat16');
  });

  test('a newer one replaces weights and config, and keeps the model card and folders', async () => {
    await save(1, { files: { 'tokenizer.json': '{}' } });
    writeFileSync(join(dir, 'README.md'), 'mine');
    writeFileSync(join(dir, 'pytorch_model.bin'), 'stale');
    writeFileSync(join(dir, 'model-00001-of-00001.safetensors'), 'stale');
    writeFileSync(join(dir, 'model.safetensors.index.json'), 'stale');
    mkdirSync(join(dir, 'runs'));
    writeFileSync(join(dir, 'runs', 'log'), 'kept');
    await save(2);
    expect(valueOf(await loadCheckpoint(dir))).toBe(2);
    expect(readdirSync(dir).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'runs',
      'tokenizer.json',
    ]);
    expect(readFileSync(join(dir, 'runs', 'log'), 'utf8')).toBe('kept');
    expect(readdirSync(parent)).toEqual(['model']);
  });

  test('a file that is being appended to goes along', async () => {
    await save(1);
    const log = openSync(join(dir, 'metrics.jsonl'), 'a');
    writeSync(log, 'one\n');
    await save(2);
    writeSync(log, 'two\n');
    closeSync(log);
    appendFileSync(join(dir, 'metrics.jsonl'), 'three\n');
    expect(readFileSync(join(dir, 'metrics.jsonl'), 'utf8')).toBe('one\ntwo\nthree\n');
  });

  test.skipIf(process.platform === 'win32')('a link to a folder stays a link', async () => {
    await save(1);
    const link = join(parent, 'latest');
    symlinkSync(dir, link);
    await saveCheckpoint(link, { config: { value: 2 }, tensors: weights(2) });
    expect(valueOf(await loadCheckpoint(dir))).toBe(2);
    expect(readdirSync(parent).sort()).toEqual(['latest', 'model']);
  });
});

describe('a save that fails changes nothing', () => {
  const bad = new Map([['x', { data: new Float32Array(1), shape: [2], dtype: 'float32' } as const]]);
  const stop = new Error('stop');
  test.each<[string, Partial<Parameters<typeof saveCheckpoint>[1]>, RegExp]>([
    ['weights that don’t fill their shape', { tensors: bad }, /1 values don't fill \(2\)/],
    ['other tensors that don’t', { files: { 'optimizer.safetensors': bad } }, /1 values don't fill \(2\)/],
    [
      'a file outside the folder',
      { files: { '../x': '' } },
      /saveCheckpoint: "..\/x" is not the name of a file in the folder/,
    ],
    ['a file in a folder', { files: { 'a/x': '' } }, /not the name of a file/],
    ['a file called ..', { files: { '..': '' } }, /not the name of a file/],
    ['a file without a name', { files: { '': '' } }, /not the name of a file/],
    [
      'a second config.json',
      { files: { 'config.json': '{}' } },
      /files has config.json, which is written from the other parts/,
    ],
    ['an abort', { signal: AbortSignal.abort(stop) }, /stop/],
    ['a config that JSON can’t hold', { config: { n: 1n } }, /BigInt/],
  ])('%s', async (_, parts, message) => {
    await expect(save(2, parts)).rejects.toThrow(message);
    expect(readdirSync(parent)).toEqual([]);
    await save(1);
    await expect(save(2, parts)).rejects.toThrow(message);
    expect(valueOf(await loadCheckpoint(dir))).toBe(1);
    expect(readdirSync(parent)).toEqual(['model']);
  });

  test('folders made for it are taken away again', async () => {
    dir = join(parent, 'deep', 'er', 'model');
    await expect(save(1, { tensors: bad })).rejects.toThrow('fill');
    expect(readdirSync(parent)).toEqual([]);
  });

  test('someone’s folder is not replaced', async () => {
    mkdirSync(dir);
    writeFileSync(join(dir, 'thesis.txt'), 'mine');
    await expect(save(1)).rejects.toThrow(
      `${dir} is not empty and has no config.json; give a new folder, so that nothing of yours is replaced`,
    );
    expect(readFileSync(join(dir, 'thesis.txt'), 'utf8')).toBe('mine');
  });

  test('a file in its place is an error', async () => {
    writeFileSync(dir, 'mine');
    await expect(save(1)).rejects.toThrow(`${dir} is a file; needs a folder`);
    expect(readFileSync(dir, 'utf8')).toBe('mine');
  });

  test('an empty folder is taken', async () => {
    mkdirSync(dir);
    await save(1);
    expect(valueOf(await loadCheckpoint(dir))).toBe(1);
  });

  test('the folder that the process works in is refused', async () => {
    await save(1);
    const before = process.cwd();
    process.chdir(dir);
    try {
      await expect(save(2)).rejects.toThrow(`${dir} is the folder that this process works in, or holds it`);
    } finally {
      process.chdir(before);
    }
    expect(valueOf(await loadCheckpoint(dir))).toBe(1);
  });
});

describe('shards', () => {
  const shard = async (map: unknown): Promise<void> => {
    mkdirSync(dir);
    writeFileSync(join(dir, 'config.json'), '{"value":1}');
    await writeSafetensors(join(dir, 'model-00001-of-00002.safetensors'), new Map([['b', weights(1).get('b')!]]));
    await writeSafetensors(
      join(dir, 'model-00002-of-00002.safetensors'),
      new Map([
        ['a', weights(1).get('a')!],
        ['extra', hostTensor(Float32Array.of(1))],
      ]),
    );
    writeFileSync(
      join(dir, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 32 }, weight_map: map }),
    );
  };
  const [one, two] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];

  test('are loaded by their index, in its order', async () => {
    await shard({ a: two, b: one });
    const checkpoint = await loadCheckpoint(dir);
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b']);
    valueOf(checkpoint);
  });

  test.each<[string, unknown, RegExp]>([
    [
      'a shard that isn’t there',
      { a: two, b: 'model-3.safetensors' },
      /loadCheckpoint: .* lacks model-3.safetensors \(1 of 2 shards found\)/,
    ],
    ['a tensor that isn’t in its shard', { a: one }, /no tensor "a"; there are 1 \("b"\)/],
    [
      'a path out of the folder',
      { a: '../secret.safetensors' },
      /"a" is in "..\/secret.safetensors"; needs the name of a file beside it/,
    ],
    ['an absolute path', { a: '/etc/passwd' }, /needs the name of a file beside it/],
    ['a Windows path', { a: 'C:secret' }, /needs the name of a file beside it/],
    ['a path that ends in a null', { a: `${two}\0` }, /needs the name of a file beside it/],
    ['the folder itself', { a: '.' }, /needs the name of a file beside it/],
    ['no name', { a: 1 }, /"a" is in 1; needs the name of a file/],
    ['no map', undefined, /has no weight_map from tensor names to files/],
    ['a map that is a list', [two], /has no weight_map/],
  ])('%s is an error', async (_, map, message) => {
    await shard(map);
    await expect(loadCheckpoint(dir)).rejects.toThrow(message);
  });

  test('are written where the weights are larger than a shard may be, and read in any part', async () => {
    const tensors = new Map(
      ['d', 'a', 'c', 'b', 'e'].map((name, i) => [name, hostTensor(new Float32Array(i === 2 ? 9 : 2).fill(i))]),
    );
    await saveCheckpoint(dir, { config: { value: 1 }, tensors, maxShardSize: 16 });
    const shards = ['model-00001-of-00003', 'model-00002-of-00003', 'model-00003-of-00003'];
    expect(readdirSync(dir).toSorted()).toEqual([
      'config.json',
      ...shards.map((name) => `${name}.safetensors`),
      'model.safetensors.index.json',
    ]);
    const index = JSON.parse(readFileSync(join(dir, 'model.safetensors.index.json'), 'utf8')) as unknown;
    const of = (name: string, shard: number): object => ({ [name]: `${shards[shard]}.safetensors` });
    expect(index).toEqual({
      metadata: { total_size: 68 },
      weight_map: { ...of('d', 0), ...of('a', 0), ...of('c', 1), ...of('b', 2), ...of('e', 2) },
    });
    const first = await readSafetensors(join(dir, `${shards[0]}.safetensors`));
    expect([[...first.tensors.keys()], first.metadata]).toEqual([['d', 'a'], { format: 'pt' }]);
    const heard: [number, number][] = [];
    const back = await loadCheckpoint(dir, { onProgress: (...progress) => heard.push(progress) });
    expect([...back.tensors]).toEqual([...tensors]);
    expect(heard.at(-1)).toEqual([68, 68]);
    expect(heard.every(([done, total], i) => total === 68 && done > (heard[i - 1]?.[0] ?? 0))).toBe(true);
    const chosen = await loadCheckpoint(dir, {
      choose:
        ({ value }) =>
        (name) =>
          value === 1 && name > 'b',
    });
    expect([...chosen.tensors.keys()]).toEqual(['d', 'c', 'e']);
    // One file takes their place, and the reverse.
    await saveCheckpoint(dir, { config: {}, tensors });
    expect(readdirSync(dir).toSorted()).toEqual(['config.json', 'model.safetensors']);
    await expect(saveCheckpoint(dir, { config: {}, tensors, maxShardSize: 0 })).rejects.toThrow('maxShardSize is 0');
    expect([...(await loadCheckpoint(dir)).tensors.keys()].toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a damaged shard is a SafetensorsError that names it', async () => {
    await shard({ a: two, b: one });
    const path = join(dir, two!);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    await expect(loadCheckpoint(dir)).rejects.toThrow(SafetensorsError);
    await expect(loadCheckpoint(dir)).rejects.toThrow(path);
  });
});

describe('what is no checkpoint is refused with what to do', () => {
  const folder = (files: Record<string, string>): void => {
    mkdirSync(dir);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  };
  test.each<[string, Record<string, string>, string]>([
    ['an empty folder', {}, 'has no config.json; it is empty. Is this the folder of a model?'],
    [
      'no config',
      { 'model.safetensors': '', 'a.txt': '' },
      'has no config.json, only a.txt, model.safetensors. Is this',
    ],
    ['a config that is no JSON', { 'config.json': '{' }, 'config.json is not JSON: '],
    ['a config that is a list', { 'config.json': '[]' }, 'config.json is not a JSON object'],
    [
      'a generation config that is null',
      { 'config.json': '{}', 'generation_config.json': 'null' },
      'generation_config.json is not a JSON object',
    ],
    [
      'no weights',
      { 'config.json': '{}' },
      'has no model.safetensors and no model.safetensors.index.json; there are config.json',
    ],
    [
      'an index that is no JSON',
      { 'config.json': '{}', 'model.safetensors.index.json': 'x' },
      'model.safetensors.index.json is not JSON',
    ],
    ['empty weights', { 'config.json': '{}', 'model.safetensors': '' }, 'model.safetensors: 0 bytes'],
  ])('%s', async (_, files, message) => {
    folder(files);
    await expect(loadCheckpoint(dir)).rejects.toThrow(message);
  });

  test.each<[string, RegExp]>([
    [
      'pytorch_model.bin',
      /may run code when it is read\. Convert it once.*python3 -c "import glob, torch, safetensors/,
    ],
    ['pytorch_model.bin.index.json', /only, which may run code/],
    ['tf_model.h5', /TensorFlow's format\. .* import BertModel as M; M.from_pretrained\('.', from_tf=True\)/],
    ['flax_model.msgpack', /Flax's format\. .*from_flax=True/],
    ['model-q4_0.gguf', /llama.cpp's format\. .*gguf_file='model-q4_0.gguf'/],
    ['model.ckpt', /holds no safetensors, but model.ckpt; ask its makers/],
  ])('weights in %s, with the command that converts them', async (name, message) => {
    folder({ 'config.json': '{"architectures":["BertModel"]}', [name]: '' });
    await expect(loadCheckpoint(dir)).rejects.toThrow(message);
  });

  const python = ['python3', '/usr/bin/python3'].find(
    (one) => spawnSync(one, ['-c', 'import torch, safetensors']).status === 0,
  );
  test.skipIf(!python).each(['', '-00001-of-00002'])(
    'the command for pytorch_model%s.bin converts it (needs torch and safetensors)',
    async (shard) => {
      folder({ 'config.json': '{}' });
      if (shard) writeFileSync(join(dir, 'pytorch_model.bin.index.json'), '{}');
      const make = `import torch; w = torch.arange(6.).reshape(2, 3); torch.save({'a': w, 'tied': w, 'across': w.t()}, 'pytorch_model${shard}.bin')`;
      execFileSync(python!, ['-c', make], { cwd: dir });
      const { message } = await loadCheckpoint(dir).then(
        () => new Error('loaded'),
        (error: Error) => error,
      );
      const command = /: python3( -c ".*")$/s.exec(message)![1]!;
      execSync(python! + command, { cwd: dir });
      const { tensors } = await loadCheckpoint(dir);
      expect([...tensors.get('tied')!.data]).toEqual([0, 1, 2, 3, 4, 5]);
      expect([...tensors.get('a')!.data]).toEqual([0, 1, 2, 3, 4, 5]);
      expect([...tensors.get('across')!.data]).toEqual([0, 3, 1, 4, 2, 5]);
    },
  );

  test('a folder that isn’t there, and a file', async () => {
    await expect(loadCheckpoint(dir)).rejects.toThrow(`loadCheckpoint: there is no folder ${dir}`);
    writeFileSync(dir, '');
    await expect(loadCheckpoint(dir)).rejects.toThrow(`${dir} is a file`);
  });

  test('a config.json that is a folder', async () => {
    mkdirSync(join(dir, 'config.json'), { recursive: true });
    await expect(loadCheckpoint(dir)).rejects.toThrow(`config.json can't be read: it is not a file`);
  });

  test('a config.json that is a link to itself, or larger than any config', async () => {
    mkdirSync(dir);
    symlinkSync('config.json', join(dir, 'config.json'));
    await expect(loadCheckpoint(dir)).rejects.toThrow(`config.json can't be read: ELOOP`);
    rmSync(join(dir, 'config.json'));
    writeFileSync(join(dir, 'config.json'), '{}');
    truncateSync(join(dir, 'config.json'), 2 ** 40);
    await expect(loadCheckpoint(dir)).rejects.toThrow(`it has ${2 ** 40} bytes, more than any config`);
  });
});

const shared = fileURLToPath(new URL('../../../../shared/fixtures/checkpoints/', import.meta.url));
test.skipIf(!existsSync(shared))(
  'Hugging Face’s own folders in ../shared load and save to the same tensors',
  async () => {
    for (const name of ['gpt2', 'bart', 'bert_encoder']) {
      const { config, tensors } = await loadCheckpoint(join(shared, name));
      dir = join(parent, name);
      await saveCheckpoint(dir, { config, tensors });
      const again = await loadCheckpoint(dir);
      expect(again.config).toEqual(config);
      expect(again.tensors.size).toBe(tensors.size);
      for (const [key, { data, shape }] of tensors) {
        expect(again.tensors.get(key)!.shape).toEqual(shape);
        expect(
          Buffer.compare(
            Buffer.from(again.tensors.get(key)!.data.buffer),
            Buffer.from(data.buffer, data.byteOffset, data.byteLength),
          ),
        ).toBe(0);
      }
    }
  },
);
