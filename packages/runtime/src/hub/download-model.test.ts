// Downloads: what is fetched, where it lies, and everything that goes wrong on the way. The hub is a server here.
import { execFile, type PromiseWithChild } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { moduleUrl } from '../module-url.ts';
import { downloadModel, isHubId, resolveModel, type DownloadProgress } from './download-model.ts';
import { FakeHub, gitSha1, sha256, type FakeModel } from './fake-hub.fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-hub-'));
afterAll(() => rmSync(root, { recursive: true }));

const variables = ['HF_HOME', 'HF_ENDPOINT', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'XDG_CACHE_HOME', 'HF_TOKEN'];
variables.push('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH');
const before = Object.fromEntries(variables.map((name) => [name, process.env[name]]));

const commit = 'c'.repeat(40);
const text = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const weights = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7919) >> 3);
let hub: FakeHub;
let model: FakeModel;
let home = '';
let cache = '';
let serial = 0;

beforeEach(async () => {
  for (const name of variables) delete process.env[name];
  hub = await new FakeHub().start();
  model = hub.models['org/name'] = {
    commit,
    files: {
      'config.json': text({ model_type: 'gpt2' }),
      'generation_config.json': text({}),
      'tokenizer.json': text({ version: '1.0' }),
      'tokenizer_config.json': text({}),
      'chat_template.jinja': text('{{ messages }}'),
      'vocab.json': text({}),
      'README.md': text('# A model'),
      'model.safetensors': weights,
      'pytorch_model.bin': text('pickled'),
      'tf_model.h5': text('h5'),
    },
  };
  home = join(root, String(serial++));
  process.env['HF_HOME'] = home;
  process.env['HF_ENDPOINT'] = hub.url;
  cache = join(home, 'hub', 'models--org--name');
});
afterEach(async () => {
  await hub.stop();
  for (const name of variables)
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
});

const incomplete = (): string[] => readdirSync(join(cache, 'blobs')).filter((name) => name.endsWith('.incomplete'));

describe('a download', () => {
  test('brings what a model needs, laid out as Hugging Face’s own cache is', async () => {
    const heard: DownloadProgress[] = [];
    const folder = await downloadModel('org/name', { onProgress: (progress) => heard.push(progress) });
    expect(folder).toBe(join(cache, 'snapshots', commit));
    expect(readdirSync(folder).toSorted()).toEqual([
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(readFileSync(join(cache, 'refs', 'main'), 'utf8')).toBe(commit);
    expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(`../../blobs/${sha256(weights)}`);
    expect(readlinkSync(join(folder, 'config.json'))).toBe(`../../blobs/${gitSha1(model.files['config.json']!)}`);
    for (const name of readdirSync(folder))
      expect(Buffer.compare(readFileSync(join(folder, name)), model.files[name]!)).toBe(0);
    expect(incomplete()).toEqual([]);
    const of = heard.filter(({ file }) => file === 'model.safetensors');
    expect(of[0]).toEqual({ file: 'model.safetensors', loaded: 0, total: weights.length });
    expect(of.at(-1)).toEqual({ file: 'model.safetensors', loaded: weights.length, total: weights.length });
    expect(of.every(({ loaded }, i) => i === 0 || loaded >= of[i - 1]!.loaded)).toBe(true);
  });

  test('isn’t repeated; a new commit brings only what has changed', async () => {
    await downloadModel('org/name');
    const first = hub.downloads.length;
    await downloadModel('org/name');
    expect(hub.downloads.length).toBe(first);
    model.commit = 'd'.repeat(40);
    model.files['config.json'] = text({ model_type: 'gpt2', n_layer: 1 });
    const folder = await downloadModel('org/name');
    expect(hub.downloads.slice(first)).toEqual([`GET /org/name/resolve/${model.commit}/config.json`]);
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toContain('n_layer');
    expect(readdirSync(join(cache, 'snapshots')).length).toBe(2);
  });

  test('brings shards that the index names', async () => {
    delete model.files['model.safetensors'];
    const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    model.files['model.safetensors.index.json'] = text({ weight_map: map });
    model.files[map.a] = text('one');
    model.files[map.b] = text('two');
    model.files['model-old.safetensors'] = text('not named');
    const folder = await downloadModel('org/name');
    expect(readFileSync(join(folder, map.a), 'utf8') + readFileSync(join(folder, map.b), 'utf8')).toBe('onetwo');
    expect(existsSync(join(folder, 'model-old.safetensors'))).toBe(false);
    model.files['model.safetensors.index.json'] = text({ weight_map: { a: '../../../../etc/passwd' } });
    model.commit = 'e'.repeat(40);
    await expect(downloadModel('org/name')).rejects.toThrow('needs the name of a file beside it');
    model.files['model.safetensors.index.json'] = text({ weight_map: { a: 'gone.safetensors' } });
    model.commit = 'f'.repeat(40);
    await expect(downloadModel('org/name')).rejects.toThrow('org/name lacks gone.safetensors, which its model.saf');
  });

  test('brings the folders of a sentence encoder’s modules', async () => {
    Object.assign(model.files, {
      'modules.json': text([]),
      'config_sentence_transformers.json': text({}),
      'sentence_bert_config.json': text({}),
      '1_Pooling/config.json': text({ word_embedding_dimension: 8 }),
      '2_Dense/config.json': text({}),
      '2_Dense/model.safetensors': text('dense'),
      '2_Dense/pytorch_model.bin': text('pickled'),
      'openvino/model.safetensors': text('not a module'),
    });
    const folder = await downloadModel('org/name');
    expect(readFileSync(join(folder, '1_Pooling', 'config.json'), 'utf8')).toContain('word_embedding_dimension');
    expect(readFileSync(join(folder, '2_Dense', 'model.safetensors'), 'utf8')).toBe('dense');
    expect(readdirSync(join(folder, '2_Dense')).toSorted()).toEqual(['config.json', 'model.safetensors']);
    expect(existsSync(join(folder, 'sentence_bert_config.json'))).toBe(true);
    expect(existsSync(join(folder, 'openvino'))).toBe(false);
    expect(await downloadModel('org/name', { offline: true })).toBe(folder);
  });

  test('brings a sentence encoder whose body is in a folder of its own', async () => {
    const { 'config.json': config, 'model.safetensors': own, ...others } = model.files;
    model.files = { 'README.md': others['README.md']!, 'modules.json': text([]), '0_Transformer/config.json': config! };
    Object.assign(model.files, { '0_Transformer/model.safetensors': own, '0_Transformer/vocab.txt': text('[PAD]') });
    const folder = await downloadModel('org/name');
    expect(readFileSync(join(folder, '0_Transformer', 'model.safetensors')).length).toBe(weights.length);
    expect(existsSync(join(folder, '0_Transformer', 'vocab.txt'))).toBe(true);
    expect(await downloadModel('org/name', { offline: true })).toBe(folder);
  });

  test('brings the tokenizer alone, older files where there is no tokenizer.json', async () => {
    delete model.files['tokenizer.json'];
    const folder = await downloadModel('org/name', { parts: ['tokenizer'] });
    expect(readdirSync(folder).toSorted()).toEqual(['chat_template.jinja', 'tokenizer_config.json', 'vocab.json']);
  });

  test('of a branch or a commit', async () => {
    expect(await downloadModel('org/name', { revision: 'refs/pr/1' })).toBe(join(cache, 'snapshots', commit));
    expect(readFileSync(join(cache, 'refs/refs/pr/1'), 'utf8')).toBe(commit);
    expect(await downloadModel('org/name', { revision: commit })).toBe(join(cache, 'snapshots', commit));
    expect(readdirSync(join(cache, 'refs'))).toEqual(['refs']);
  });

  test.each([
    ['HF_HUB_CACHE', 'models--org--name'],
    ['HUGGINGFACE_HUB_CACHE', 'models--org--name'],
    ['HF_HOME', 'hub/models--org--name'],
    ['XDG_CACHE_HOME', 'huggingface/hub/models--org--name'],
  ])('goes where %s says', async (name, below) => {
    delete process.env['HF_HOME'];
    process.env[name] = join(home, 'elsewhere');
    expect(await downloadModel('org/name')).toBe(join(home, 'elsewhere', below, 'snapshots', commit));
    const chosen = await downloadModel('org/name', { cacheDir: join(home, 'chosen') });
    expect(chosen).toBe(join(home, 'chosen', 'models--org--name', 'snapshots', commit));
  });
});

describe('an interrupted download', () => {
  const blob = (): string => join(cache, 'blobs', sha256(weights));

  test('goes on by itself where the connection ends', async () => {
    Object.assign(hub, { cutAfter: 300_000, cuts: 3 });
    const folder = await downloadModel('org/name');
    expect(Buffer.compare(readFileSync(join(folder, 'model.safetensors')), weights)).toBe(0);
    const ranges = hub.requests.filter((r) => r.startsWith('cdn')).map((r) => r.split('=')[1]);
    expect(ranges.length).toBe(4);
    expect(ranges[0]).toBe(undefined);
    expect(ranges.slice(1).every((range, i) => parseInt(range!) > 200_000 * i)).toBe(true);
  });

  test('is continued by the next run, also by one that Python began', async () => {
    mkdirSync(join(cache, 'blobs'), { recursive: true });
    writeFileSync(`${blob()}.incomplete`, weights.subarray(0, 700_001));
    await downloadModel('org/name');
    expect(hub.requests.filter((r) => r.startsWith('cdn'))[0]).toMatch(/bytes=700001-$/);
    expect(Buffer.compare(readFileSync(blob()), weights)).toBe(0);
    expect(incomplete()).toEqual([]);
  });

  test('that was stopped keeps what it has', async () => {
    const stop = new AbortController();
    hub.delay = 5;
    const onProgress = ({ file, loaded }: DownloadProgress): void => {
      if (file === 'model.safetensors' && loaded > 200_000) stop.abort(new Error('enough'));
    };
    await expect(downloadModel('org/name', { signal: stop.signal, onProgress })).rejects.toThrow('enough');
    expect(incomplete()).toEqual([`${sha256(weights)}.incomplete`]);
    expect(existsSync(join(cache, 'refs', 'main'))).toBe(false);
    hub.delay = 0;
    const kept = lstatSync(`${blob()}.incomplete`).size;
    expect(kept).toBeGreaterThan(200_000);
    await downloadModel('org/name');
    expect(hub.requests.filter((r) => r.startsWith('cdn')).at(-1)).toMatch(new RegExp(`bytes=${kept}-$`));
    expect(Buffer.compare(readFileSync(blob()), weights)).toBe(0);
  });

  test('begins anew where what was there is wrong, too long, or ranges aren’t known', async () => {
    mkdirSync(join(cache, 'blobs'), { recursive: true });
    writeFileSync(`${blob()}.incomplete`, new Uint8Array(500_000).fill(9));
    await downloadModel('org/name');
    expect(Buffer.compare(readFileSync(blob()), weights)).toBe(0);
    for (const [length, ignoresRanges] of [
      [1_000_001, false],
      [500_000, true],
    ] as const) {
      rmSync(cache, { recursive: true });
      mkdirSync(join(cache, 'blobs'), { recursive: true });
      writeFileSync(`${blob()}.incomplete`, weights.slice(0, length).fill(3, 0, ignoresRanges ? 1 : 0));
      if (length > weights.length) writeFileSync(`${blob()}.incomplete`, new Uint8Array(length));
      hub.ignoresRanges = ignoresRanges;
      await downloadModel('org/name');
      expect(Buffer.compare(readFileSync(blob()), weights)).toBe(0);
    }
  });

  test('ends where the connection brings nothing', async () => {
    Object.assign(hub, { cutAfter: 0, cuts: 1e9 });
    await expect(downloadModel('org/name')).rejects.toThrow(
      /org\/name\/model.safetensors: the connection fails \(0 of 1000000 bytes are there\); run again to continue, and org\/name is not in the cache/,
    );
  });

  test('waits for a hub that is busy', async () => {
    await downloadModel('org/name', { parts: ['config'] });
    hub.failing = { status: 503, times: 2 };
    await downloadModel('org/name');
    expect(Buffer.compare(readFileSync(blob()), weights)).toBe(0);
  });
});

describe('what isn’t what the hub says', () => {
  test.each(['model.safetensors', 'config.json'])('is an error, and nothing of it is kept: %s', async (name) => {
    const wrong = Uint8Array.from(model.files[name]!);
    wrong[2]! ^= 1;
    model.sent = { [name]: wrong };
    await expect(downloadModel('org/name')).rejects.toThrow(
      new RegExp(
        `org/name/${name}: what was received has the hash [0-9a-f]+, but the hub says .*nothing of it was kept`,
      ),
    );
    expect(incomplete()).toEqual([]);
    expect(existsSync(join(cache, 'snapshots', commit, name))).toBe(false);
    expect(existsSync(join(cache, 'refs', 'main'))).toBe(false);
  });

  test('a longer file is an error', async () => {
    model.sent = { 'model.safetensors': new Uint8Array(1_000_100) };
    await expect(downloadModel('org/name')).rejects.toThrow('is longer than the hub says');
    expect(incomplete()).toEqual([]);
  });

  test('links in the cache that lead in a circle, or to what was cut short, are replaced', async () => {
    const folder = join(cache, 'snapshots', commit);
    mkdirSync(folder, { recursive: true });
    symlinkSync('config.json', join(folder, 'config.json'));
    writeFileSync(join(folder, 'tokenizer.json'), 'cut');
    await downloadModel('org/name');
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('{"model_type":"gpt2"}');
    expect(readFileSync(join(folder, 'tokenizer.json'), 'utf8')).toBe('{"version":"1.0"}');
  });
});

describe('offline', () => {
  test.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', null])('only the cache is used: %s', async (name) => {
    const folder = await downloadModel('org/name');
    const asked = hub.requests.length;
    if (name) process.env[name] = '1';
    const options = name ? {} : { offline: true };
    expect(await downloadModel('org/name', options)).toBe(folder);
    rmSync(join(folder, 'model.safetensors'));
    const way = name ?? 'offline: true';
    await expect(downloadModel('org/name', options)).rejects.toThrow(
      `org/name lacks model.safetensors in the cache ${folder}, and downloads are off (${way}); run once without that`,
    );
    await expect(downloadModel('org/name', { ...options, revision: 'v1' })).rejects.toThrow(
      'at v1 is not in the cache',
    );
    await expect(downloadModel('org/other', options)).rejects.toThrow(/org\/other is not in the cache .*org--other/);
    expect(hub.requests.length).toBe(asked);
  });

  test('where the hub can’t be reached, a whole model in the cache is used; otherwise both are told', async () => {
    const folder = await downloadModel('org/name');
    process.env['HF_ENDPOINT'] = 'http://127.0.0.1:9';
    expect(await downloadModel('org/name')).toBe(folder);
    await expect(downloadModel('org/other')).rejects.toThrow(
      /http:\/\/127.0.0.1:9 can't be reached \(.+\), and org\/other is not in the cache/,
    );
  });

  test('a shard that is missing is named', async () => {
    delete model.files['model.safetensors'];
    model.files['model.safetensors.index.json'] = text({ weight_map: { a: 'a.safetensors', b: 'b.safetensors' } });
    model.files['a.safetensors'] = model.files['b.safetensors'] = text('same');
    const folder = await downloadModel('org/name');
    rmSync(join(folder, 'b.safetensors'));
    await expect(downloadModel('org/name', { offline: true })).rejects.toThrow('org/name lacks b.safetensors in');
  });
});

describe('refused, with the next step', () => {
  test('a gated model: no token, a token without the right, the right token', async () => {
    model.token = 'hf_right';
    await expect(downloadModel('org/name')).rejects.toThrow(
      `org/name is gated: accept the terms at ${hub.url}/org/name, make a token at`,
    );
    model.refusal = { status: 403, code: 'GatedRepo' };
    await expect(downloadModel('org/name', { token: 'hf_other' })).rejects.toThrow(
      'this token may not read it: accept',
    );
    model.refusal = { status: 401 };
    await expect(downloadModel('org/name')).rejects.toThrow('there is no such model, or it is private');
    process.env['HF_TOKEN'] = 'hf_wrong';
    await expect(downloadModel('org/name')).rejects.toThrow('doesn’t accept this token'.replace('’', "'"));
    await downloadModel('org/name', { token: 'hf_right' });
    expect(hub.leaked).toBe(0);
    rmSync(cache, { recursive: true });
    process.env['HF_TOKEN'] = 'hf_right';
    await downloadModel('org/name');
    delete process.env['HF_TOKEN'];
    rmSync(cache, { recursive: true });
    writeFileSync(join(home, 'token'), 'hf_right\n');
    await downloadModel('org/name');
  });

  test('a model, revision or name that isn’t there', async () => {
    await expect(downloadModel('org/none')).rejects.toThrow(`org/none: there is no such model on ${hub.url}`);
    await expect(downloadModel('org/name', { revision: 'v9' })).rejects.toThrow(
      'downloadModel: org/name has no revision "v9"; see the branches',
    );
    await expect(downloadModel('org/name', { revision: '../../x' })).rejects.toThrow('revision is "../../x"; needs');
    await expect(downloadModel('../x')).rejects.toThrow(`"../x" is no model's name`);
  });

  test.each([
    ['pytorch_model.bin', 'weights in pytorch_model.bin only'],
    ['tf_model.h5', 'weights in tf_model.h5 only, TensorFlow'],
    ['flax_model.msgpack', 'weights in flax_model.msgpack only, Flax'],
    ['model-q4.gguf', 'weights in model-q4.gguf only, llama.cpp'],
    ['README.md', 'has no model.safetensors; it has config.json, README.md'],
  ])('weights in %s alone, before anything is fetched', async (name, message) => {
    model.files = { 'config.json': text({}), [name]: text('x') };
    await expect(downloadModel('org/name')).rejects.toThrow(message);
    expect(hub.downloads).toEqual([]);
  });

  test('a hub that calls a revision or a file by something else than a hash', async () => {
    model.commit = '../../outside';
    await expect(downloadModel('org/name')).rejects.toThrow('the hub calls the revision "../../outside"');
  });
});

describe('a path or a name', () => {
  test('a folder is itself; what is neither is told so', async () => {
    expect(await resolveModel(root)).toBe(root);
    expect(await resolveModel('org/name')).toBe(join(cache, 'snapshots', commit));
    await expect(resolveModel('./no/such')).rejects.toThrow('resolveModel: there is no folder ./no/such');
    await expect(resolveModel('org/none')).rejects.toThrow('There is no folder org/none here either.');
    await expect(resolveModel(fileURLToPath(import.meta.url))).rejects.toThrow(
      'is a file; needs the folder of a model',
    );
  });

  test.each<[string, boolean]>([
    ['gpt2', true],
    ['openai-community/gpt2', true],
    ['Qwen/Qwen2.5-0.5B', true],
    ['./gpt2', false],
    ['../gpt2', false],
    ['/models/gpt2', false],
    ['models/a/b', false],
    ['a/..', false],
    ['a--b/c', false],
    ['', false],
    ['a b', false],
    ['C:\\models', false],
    ['~/models', false],
  ])('%s: a name on the hub? %s', (name, expected) => expect(isHubId(name)).toBe(expected));
});

test('processes that want one model at once download it once; one that is killed is taken over', async () => {
  hub.delay = 20;
  const script = `
    import { downloadModel } from ${JSON.stringify(moduleUrl('hub/download-model').href)};
    console.log(await downloadModel('org/name'));`;
  const run = (): PromiseWithChild<{ stdout: string }> =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env } });
  const killed = run();
  const died = killed.catch((error: { signal?: string }) => error.signal);
  await vi.waitFor(() => expect(hub.requests.some((r) => r.startsWith('cdn'))).toBe(true), { timeout: 60_000 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  killed.child.kill('SIGKILL');
  expect(await died).toBe('SIGKILL');
  const results = await Promise.all([run(), run(), downloadModel('org/name')]);
  expect(new Set(results.map((r) => (typeof r === 'string' ? r : r.stdout.trim())))).toEqual(
    new Set([join(cache, 'snapshots', commit)]),
  );
  expect(Buffer.compare(readFileSync(join(cache, 'blobs', sha256(weights))), weights)).toBe(0);
  expect(incomplete()).toEqual([]);
  // The killed one's, and one of the three's; a tie may cost another.
  expect(hub.requests.filter((r) => r.startsWith('cdn')).length).toBeLessThanOrEqual(3);
});
