import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, expect, test } from 'vitest';
import { input, matmul, mul, toOnnx, type Tensor } from '@brickwork/graph';
import { compile } from './compile.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';
import { moduleUrl } from './module-url.ts';
import type { Program } from './program.ts';
import { WorkerProgram } from './worker-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-worker-'));
afterAll(() => rmSync(folder, { recursive: true }));

// A run of a few hundred milliseconds.
const n = 400;
const x = input('x', ['B', n]);
const w = input('w', [n, n]);
const long: Tensor = Array.from({ length: 60 }).reduce<Tensor>((y) => matmul(y, w), x);
let serial = 0;
const zeros = (...shape: [number, number]): HostTensor => hostTensor(new Float32Array(shape[0] * shape[1]), shape);
let program: Program | null = null;
const open = async (): Promise<Program> => (program = await compile({ y: long }, { worker: true, threads: 1 }));
afterEach(async () => program?.dispose());

const ticks = async (work: Promise<unknown>): Promise<number> => {
  let count = 0;
  let done = false;
  const settled = work.finally(() => (done = true));
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    count++;
  }
  await settled;
  return count;
};

test('this thread goes on while the other computes; without one of its own, it stands', async () => {
  const { bind, run, dispose } = await compile({ y: long }, { threads: 1 }).then((p) => ({
    bind: p.bind.bind(p),
    run: p.run.bind(p),
    dispose: p.dispose.bind(p),
  }));
  await bind({ w: zeros(n, n) });
  const blocked = await ticks(run({ x: zeros(600, n) }));
  await dispose();
  const threaded = await open();
  await threaded.bind({ w: zeros(n, n) });
  const free = await ticks(threaded.run({ x: zeros(600, n) }));
  expect(blocked).toBeLessThan(20); // the run is one task among a few
  expect(free).toBeGreaterThan(100);
});

test('an abort rejects at once, while the thread still computes; the next run is right', async () => {
  const threaded = await open();
  await threaded.bind({
    w: hostTensor(
      Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
      [n, n],
    ),
  });
  let finished = false;
  const behind = { done: false };
  const controller = new AbortController();
  const reason = new Error('enough');
  const aborted = threaded.run({ x: zeros(600, n) }, undefined, { signal: controller.signal });
  const queued = threaded.run({ x: zeros(600, n) }, undefined, { signal: controller.signal });
  const next = threaded
    .run({ x: hostTensor(new Float32Array(n).fill(3), [1, n]) })
    .then((r) => ((behind.done = true), r));
  setImmediate(() => controller.abort(reason));
  await expect(aborted).rejects.toBe(reason);
  finished = behind.done;
  await expect(queued).rejects.toBe(reason);
  expect(finished).toBe(false); // the thread was still at the first
  expect((await next)['y']!.data).toEqual(new Float32Array(n).fill(3));
});

test('runs at once come back each with its own result', async () => {
  program = await compile({ y: mul(input('a', ['B']), input('b', ['B'])) }, { worker: true, threads: 1 });
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      program!.run({ a: hostTensor(Float32Array.of(i)), b: hostTensor(Float32Array.of(2)) }),
    ),
  );
  expect(results.map((r) => r['y']!.data[0])).toEqual(Array.from({ length: 50 }, (_, i) => 2 * i));
});

test('the tensors that were given stay as they are', async () => {
  program = await compile({ y: mul(input('a', [2]), input('b', [2])) }, { worker: true, threads: 1 });
  const [a, b] = [hostTensor(Float32Array.of(1, 2)), hostTensor(Float32Array.of(3, 4))];
  await program.bind({ b });
  await program.run({ a });
  expect([a.data, b.data]).toEqual([Float32Array.of(1, 2), Float32Array.of(3, 4)]);
});

const options = {
  providers: ['cpu'],
  threads: 1,
  memory: 'arena',
  spinning: true,
  allowInPlace: false,
  profile: false,
} as const;
const thread = (source: string): Worker => {
  const script = join(folder, `${serial++}.mjs`);
  writeFileSync(script, `import { parentPort } from 'node:worker_threads';\n${source}`);
  return new Worker(script);
};

test('a thread that dies rejects what it was doing and everything after', async () => {
  const dying = new WorkerProgram(
    thread(`parentPort.postMessage({ inputs: [], outputs: [] });
      parentPort.on('message', () => process.exit(7));`),
    options,
  );
  await dying.ready();
  const died = "run: the program's thread ended (exit code 7); compile it again";
  const pending = [dying.run({}), dying.run({})].map((run) => run.catch((error: Error) => error.message));
  expect(await Promise.all(pending)).toEqual([died, died]);
  await expect(dying.run({})).rejects.toThrow(died);
  await dying.dispose();
});

test('a thread that throws is an error', async () => {
  const throwing = new WorkerProgram(thread('throw new Error("no memory")'), options);
  await expect(throwing.ready()).rejects.toThrow("the program's thread failed: no memory");
});

test('a program that nobody disposed of lets the process end', () => {
  const [model, script] = [join(folder, 'model.onnx'), join(folder, 'left.mjs')];
  const a = input('a', [1]);
  writeFileSync(model, toOnnx({ y: mul(a, a) }));
  writeFileSync(
    script,
    `const { compile } = await import(${JSON.stringify(moduleUrl('compile').href)});
    const program = await compile(${JSON.stringify(model)}, { worker: true });
    const { y } = await program.run({ a: { data: Float32Array.of(3), shape: [1], dtype: 'float32' } });
    console.log(y.data[0]);`,
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 20_000 });
  expect([status, stdout, stderr]).toEqual([0, '9\n', '']);
});

// Without waiting for the engine this aborts (exit code 134).
test.each([0, 30, 150])('a process may exit after %s ms, while its thread opens a model or computes', (delay) => {
  const [model, script] = [join(folder, 'long.onnx'), join(folder, 'exit.mjs')];
  writeFileSync(model, toOnnx({ y: long }));
  writeFileSync(
    script,
    `const { compile } = await import(${JSON.stringify(moduleUrl('compile').href)});
    setTimeout(() => { console.log('exit'); process.exit(3); }, ${delay});
    const zeros = (a, b) => ({ data: new Float32Array(a * b), shape: [a, b], dtype: 'float32' });
    const program = await compile(${JSON.stringify(model)}, { worker: true, threads: 1 });
    for (;;) await program.run({ x: zeros(600, ${n}), w: zeros(${n}, ${n}) });`,
  );
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect([status, signal, stdout, stderr]).toEqual([3, null, 'exit\n', '']);
});
