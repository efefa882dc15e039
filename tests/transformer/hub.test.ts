// Models and tokenizers opened by their names on the hub, which is a server here; and Python's library finds what was
// downloaded, where it is installed.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { FakeHub } from '../../packages/runtime/src/hub/fake-hub.fixture.ts';
import { AutoModel, AutoTokenizer, type LoadProgress } from '../../packages/transformer/src/index.ts';

const root = mkdtempSync(join(tmpdir(), 'brickwork-hub-model-'));
afterAll(() => rmSync(root, { recursive: true }));
const config = {
  ...{ model_type: 'bert', architectures: ['BertForMaskedLM'], vocab_size: 7, hidden_size: 8, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, intermediate_size: 16, max_position_embeddings: 9 },
};
const commit = 'a'.repeat(40);
const variables = ['HF_ENDPOINT', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE', 'HF_TOKEN', 'HF_HOME'];
const before = variables.map((name) => [name, process.env[name]] as const);
let hub: FakeHub;
let serial = 0;
let cacheDir = '';
beforeEach(async () => {
  for (const name of variables) delete process.env[name];
  hub = await new FakeHub().start();
  cacheDir = join(root, `cache-${serial++}`);
  process.env['HF_ENDPOINT'] = hub.url;
  process.env['HF_HOME'] = join(root, 'home');
  const folder = join(root, `model-${serial}`);
  await AutoModel.fromConfig(config, { seed: 3 }).save(folder, { maxShardSize: 1000 });
  const files = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  hub.models['org/tiny'] = {
    commit,
    files: { ...files, 'vocab.txt': Buffer.from('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nyes\nno\n') },
  };
});
afterEach(async () => {
  await hub.stop();
  for (const [name, value] of before)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
});

test('a model in shards, as another class, and its tokenizer; the second time from the cache alone', async () => {
  const heard: LoadProgress[] = [];
  const options = { cacheDir, class: 'BertForSequenceClassification', missing: 'initialize' } as const;
  const model = await AutoModel.fromPretrained('org/tiny', { ...options, onProgress: (p) => heard.push(p) });
  expect(new Set(heard.map(({ stage }) => stage))).toEqual(new Set(['download', 'read']));
  expect(heard.filter(({ stage, loaded, total }) => stage === 'download' && loaded === total).length).toBeGreaterThan(
    3,
  );
  const original = AutoModel.fromConfig(config, { seed: 3 });
  for (const [name, { data }] of original.weights)
    if (model.weights.has(name)) expect(model.weights.get(name)!.data).toEqual(data);
  const tokenizer = await model.tokenizer();
  expect(tokenizer.encode('yes no').ids).toEqual([2, 5, 6, 3]);

  const asked = hub.requests.length;
  const again = await AutoModel.fromPretrained('org/tiny', { ...options, offline: true });
  expect([...again.weights.keys()]).toEqual([...model.weights.keys()]);
  expect((await AutoTokenizer.fromPretrained('org/tiny', { cacheDir, offline: true })).vocabularySize).toBe(7);
  expect(hub.requests.length).toBe(asked);
});

test('a tokenizer alone brings no weights', async () => {
  const tokenizer = await AutoTokenizer.fromPretrained('org/tiny', { cacheDir });
  expect(tokenizer.encode('no').ids).toEqual([2, 6, 3]);
  expect(hub.downloads.map((request) => request.split('/').at(-1))).toEqual(['vocab.txt']);
});

test('stopping a download stops opening', async () => {
  hub.delay = 50;
  const opened = AutoModel.fromPretrained('org/tiny', { cacheDir, signal: AbortSignal.timeout(30) });
  await expect(opened).rejects.toThrow(/timeout/);
});

const python = ['python3', '/usr/bin/python3'].find(
  (one) => spawnSync(one, ['-c', 'import huggingface_hub']).status === 0,
);
test.skipIf(!python)('Python’s huggingface_hub finds what was downloaded (needs it)', async () => {
  await AutoModel.fromPretrained('org/tiny', { cacheDir });
  const script = `
import json, sys, huggingface_hub as h
path = h.hf_hub_download('org/tiny', 'config.json', cache_dir=sys.argv[1], local_files_only=True)
folder = h.snapshot_download('org/tiny', cache_dir=sys.argv[1], local_files_only=True)
cache = h.scan_cache_dir(sys.argv[1])
repo = list(cache.repos)[0]
print(json.dumps([open(path).read(), folder, repo.repo_id, list(list(repo.revisions)[0].refs), len(cache.warnings)]))`;
  const { stdout } = await promisify(execFile)(python!, ['-c', script, cacheDir]);
  const [text, folder, id, refs, warnings] = JSON.parse(stdout) as [string, string, string, string[], number];
  expect(JSON.parse(text)).toMatchObject(config);
  expect(folder).toBe(join(cacheDir, 'models--org--tiny', 'snapshots', commit));
  expect([id, refs, warnings]).toEqual(['org/tiny', ['main'], 0]);
});
