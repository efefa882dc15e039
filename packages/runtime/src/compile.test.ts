import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { cast, gather, input, matmul, mul, softmax, sum, toOnnx, type DType } from '@brickwork/graph';
import { compile, type CompileOptions } from './compile.ts';
import { hostTensor, type HostTensor } from './host-tensor.ts';
import type { Feeds, Outputs, Program } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-compile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const x = input('x', ['B', 'T']);
const m = input('mask', ['B', 'T']);
const w = input('w', [3]);
const graph = { y: sum(mul(x, m), [1]), z: mul(w, w) };
const ones = (...shape: number[]): HostTensor =>
  hostTensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);
const feeds = { x: ones(2, 4), mask: ones(2, 4), w: ones(3) };

// Everything that a program promises holds in this thread and in one of its own.
describe.each([false, true])('with worker: %s', (worker) => {
  const open = (model: Parameters<typeof compile>[0] = graph, o: CompileOptions = {}): Promise<Program> =>
    compile(model, { worker, threads: 1, ...o });
  const opened = open();
  afterAll(async () => (await opened).dispose());
  const run = async (f: unknown, o?: unknown): Promise<Record<string, HostTensor>> =>
    (await opened).run(f as Feeds, o as Outputs);

  test('inputs and outputs with their shapes and types', async () => {
    const { inputs, outputs, providers } = await opened;
    expect(inputs).toEqual([
      { name: 'x', shape: ['B', 'T'], dtype: 'float32' },
      { name: 'mask', shape: ['B', 'T'], dtype: 'float32' },
      { name: 'w', shape: [3], dtype: 'float32' },
    ]);
    expect(outputs.map((o) => o.name)).toEqual(['y', 'z']);
    expect(providers).toEqual(['cpu']);
  });

  test('all outputs, some, or into given tensors; from an object or a map', async () => {
    const all = { y: hostTensor(Float32Array.of(4, 4)), z: ones(3) };
    expect(await run(feeds)).toEqual(all);
    expect(await run(new Map(Object.entries(feeds)), ['z'])).toEqual({ z: all.z });
    const y = hostTensor(new Float32Array(2));
    const written = await run(feeds, { y });
    expect(written).toEqual({ y: all.y });
    expect(written['y']).toBe(y);
    expect(y.data).toEqual(Float32Array.of(4, 4));
  });

  test('views on a larger buffer, fed and written', async () => {
    const buffer = Float32Array.from({ length: 20 }, (_, i) => i);
    const view = hostTensor(buffer.subarray(1, 9), [2, 4]);
    expect((await run({ ...feeds, x: view }, ['y']))['y']!.data).toEqual(Float32Array.of(10, 26));
    const y = hostTensor(buffer.subarray(10, 12));
    await run({ ...feeds, x: view }, { y });
    expect([...buffer.subarray(9, 13)]).toEqual([9, 10, 26, 12]);
  });

  test('sizes by name may differ from run to run, and be 0', async () => {
    expect((await run({ x: ones(1, 7), mask: ones(1, 7), w: ones(3) }, ['y']))['y']).toEqual(
      hostTensor(Float32Array.of(7)),
    );
    expect((await run({ x: ones(0, 7), mask: ones(0, 7), w: ones(3) }, ['y']))['y']).toEqual(
      hostTensor(new Float32Array(0)),
    );
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a missing input', { w: undefined }, 'run: missing input w; needs float32 (3)'],
    ['an unknown input', { v: ones(3) }, 'run: no input v; there are x, mask, w'],
    [
      'another type',
      { w: hostTensor(new Float64Array(3)) },
      'run: input w is float64 (3); needs float32 (3): another type',
    ],
    ['more axes', { w: ones(1, 3) }, 'run: input w is float32 (1, 3); needs float32 (3): 1 axis'],
    ['a scalar', { w: ones() }, 'run: input w is float32 (); needs float32 (3): 1 axis'],
    ['another size', { w: ones(4) }, 'run: input w is float32 (4); needs float32 (3): axis 0 is 4, not 3'],
    [
      'a name with two sizes',
      { mask: ones(2, 5) },
      'run: input mask is float32 (2, 5); needs float32 (B, T): T is 5 here and 4 in x',
    ],
    [
      'too little data',
      { w: { data: new Float32Array(2), shape: [3], dtype: 'float32' } },
      "run: input w: 2 values don't fill (3), which holds 3",
    ],
    [
      'too much data',
      { w: { data: new Float32Array(4), shape: [3], dtype: 'float32' } },
      "run: input w: 4 values don't fill (3)",
    ],
    [
      'another type’s data',
      { w: { data: new Float64Array(3), shape: [3], dtype: 'float32' } },
      'run: input w: the data is Float64Array; float32 needs Float32Array',
    ],
    [
      'a typed array',
      { w: new Float32Array(3) },
      'run: input w is Float32Array; needs a tensor: hostTensor(data, shape)',
    ],
    ['a number', { w: 3 }, 'run: input w is Number; needs a tensor'],
  ])('%s is refused', async (_, change, message) => {
    await expect(run({ ...feeds, ...change })).rejects.toThrow(message);
  });

  test.each<[string, unknown, RegExp]>([
    ['an unknown output', ['y', 'u'], /^run: no output u; there are y, z$/],
    ['an unknown output to write', { u: ones(1) }, /^run: no output u; there are y, z$/],
    ['an output of another size', { y: ones(3) }, /^run: .*\boutput '?y/],
    ['an output of another type', { y: hostTensor(new Float64Array(2)) }, /run: .*(double|float64)/],
    [
      'an output with too little data',
      { y: { data: new Float32Array(1), shape: [2], dtype: 'float32' } },
      /run: output y: 1 values don't fill \(2\)/,
    ],
  ])('%s is refused', async (_, outputs, message) => {
    await expect(run(feeds, outputs)).rejects.toThrow(message);
  });

  test('a buffer as input and output is refused, unless allowed', async () => {
    await expect(run(feeds, { z: feeds.w })).rejects.toThrow(
      'run: input w and output z share memory, which gives wrong results; use another buffer',
    );
    const buffer = new Float32Array(4);
    await expect(
      run({ ...feeds, w: hostTensor(buffer.subarray(0, 3)) }, { z: hostTensor(buffer.subarray(1)) }),
    ).rejects.toThrow('share memory');
    const apart = new Float32Array(6); // one after the other in one buffer
    apart.fill(2, 0, 3);
    await run({ ...feeds, w: hostTensor(apart.subarray(0, 3)) }, { z: hostTensor(apart.subarray(3)) });
    expect(apart).toEqual(Float32Array.of(2, 2, 2, 4, 4, 4));
    const program = await open({ z: mul(w, w) }, { allowInPlace: true });
    const own = hostTensor(Float32Array.of(1, 2, 3));
    await program.run({ w: own }, { z: own });
    expect(own.data).toEqual(Float32Array.of(1, 4, 9));
    await program.dispose();
  });

  test('inputs that are bound need not be given again, and can be', async () => {
    const program = await open();
    await program.bind({ w: hostTensor(Float32Array.of(2, 3, 4)) });
    expect((await program.run({ x: ones(1, 2), mask: ones(1, 2) }))['z']!.data).toEqual(Float32Array.of(4, 9, 16));
    expect((await program.run({ x: ones(1, 2), mask: ones(1, 2), w: ones(3) }))['z']!.data).toEqual(
      Float32Array.of(1, 1, 1),
    );
    await program.bind(
      new Map([
        ['w', hostTensor(Float32Array.of(5, 6, 7))],
        ['x', ones(3, 2)],
      ]),
    );
    expect(await program.run({ mask: ones(3, 2) })).toEqual({
      y: hostTensor(Float32Array.of(2, 2, 2)),
      z: hostTensor(Float32Array.of(25, 36, 49)),
    });
    await expect(program.run({ mask: ones(4, 2) })).rejects.toThrow(
      'run: input mask is float32 (4, 2); needs float32 (B, T): B is 4 here and 3 in x',
    );
    await expect(program.run({})).rejects.toThrow('run: missing input mask');
    await expect(program.run({ mask: ones(3, 2), u: ones(1) })).rejects.toThrow('run: no input u');
    await expect(program.bind({ w: ones(4) })).rejects.toThrow(
      'bind: input w is float32 (4); needs float32 (3): axis 0 is 4, not 3',
    );
    await expect(program.bind({ v: ones(4) })).rejects.toThrow('bind: no input v; there are x, mask, w');
    await expect(program.bind({ w: { data: new Float32Array(1), shape: [3], dtype: 'float32' } })).rejects.toThrow(
      "bind: input w: 1 values don't fill (3)",
    );
    await program.dispose();
  });

  test('every type goes in and comes out', async () => {
    const types: [DType, HostTensor['data']][] = [
      ['float64', Float64Array.of(0.1, -0)],
      ['float16', Uint16Array.of(0x3c00, 0x7e01)],
      ['int64', BigInt64Array.of(-(2n ** 63n), 7n)],
      ['int32', Int32Array.of(-(2 ** 31), 7)],
      ['int8', Int8Array.of(-128, 7)],
      ['uint8', Uint8Array.of(255, 7)],
      ['uint64', BigUint64Array.of(2n ** 64n - 1n, 7n)],
      ['bool', Uint8Array.of(1, 0)],
    ];
    const inputs = types.map(([dtype]) => input(dtype, [2], dtype));
    const same = Object.fromEntries(
      inputs.map((t, i) => [`${types[i]![0]} out`, cast(cast(t, types[i]![0]), types[i]![0])]),
    );
    const program = await open(same);
    const given = Object.fromEntries(types.map(([dtype, data]) => [dtype, hostTensor(data, [2], dtype)]));
    const results = await program.run(given);
    for (const [dtype, data] of types) expect(results[`${dtype} out`]).toEqual({ data, shape: [2], dtype });
    await program.dispose();
  });

  test('what the engine refuses while it runs is an error, and the program goes on', async () => {
    const program = await open({ y: gather(w, input('ids', ['N'], 'int64')) });
    const ids = (...values: bigint[]): Feeds => ({ w: ones(3), ids: hostTensor(BigInt64Array.from(values)) });
    await expect(program.run(ids(0n, 3n))).rejects.toThrow(/^run: ONNX Runtime failed: .*out of data bounds/s);
    expect((await program.run(ids(0n, 2n)))['y']!.data).toEqual(Float32Array.of(1, 1));
    await program.dispose();
  });

  test('after dispose there is nothing to run; twice is once', async () => {
    const program = await open();
    await program.dispose();
    await program.dispose();
    await expect(program.run(feeds)).rejects.toThrow('run: the program was disposed; compile it again');
    await expect(program.bind({ w: ones(3) })).rejects.toThrow('bind: the program was disposed');
    await expect(program.placement()).rejects.toThrow('placement: the program was disposed');
  });

  test('a run that dispose overtakes is rejected', async () => {
    const program = await open();
    const pending = program.run(feeds).catch((error: Error) => error.message);
    await program.dispose();
    expect(await pending).toBe('run: the program was disposed; compile it again');
  });

  test('an aborted run ends with the signal’s reason, and the program goes on', async () => {
    const program = await open();
    const reason = new Error('enough');
    await expect(program.run(feeds, undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const pending = program.run(feeds, undefined, { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort(reason);
    expect(await pending).toBe(reason);
    expect((await program.run(feeds, ['z'], { signal: new AbortController().signal }))['z']!.data[0]).toBe(1);
    await program.dispose();
  });

  test('an aborted compile ends with the signal’s reason', async () => {
    const reason = new Error('enough');
    await expect(open(graph, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const pending = open(graph, { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort(reason);
    expect(await pending).toBe(reason);
  });

  test('a profile says where each node ran, and leaves no file', async () => {
    const temporary = join(folder, `temporary-${worker}`);
    mkdirSync(temporary);
    vi.stubEnv('TMPDIR', temporary).stubEnv('TEMP', temporary);
    const program = await open({ y: softmax(matmul(input('a', [2, 3]), input('b', [3, 4]))) }, { profile: true });
    await expect(program.placement()).rejects.toThrow('placement: nothing ran yet; call run first');
    for (let i = 0; i < 3; i++) await program.run({ a: ones(2, 3), b: ones(3, 4) });
    const placement = await program.placement();
    expect(placement.nodes).toEqual({ cpu: 2 });
    expect(
      placement.operators.map(({ operator, provider, nodes, runs }) => [operator, provider, nodes, runs]).sort(),
    ).toEqual([
      ['MatMul', 'cpu', 1, 3],
      ['Softmax', 'cpu', 1, 3],
    ]);
    for (const { milliseconds } of placement.operators) expect(milliseconds).toBeGreaterThan(0);
    expect(program.providers).toEqual(['cpu']);
    expect(await program.placement()).toEqual(placement);
    await program.dispose();
    const unused = await open(graph, { profile: true });
    await unused.dispose();
    expect(readdirSync(temporary)).toEqual([]);
    vi.unstubAllEnvs();
  });

  test('without a profile there is no placement', async () => {
    await expect((await opened).placement()).rejects.toThrow('compile with { profile: true }');
  });

  test('bytes, a path and a graph give the same program', async () => {
    const bytes = toOnnx(graph);
    const path = join(folder, `model-${worker}.onnx`);
    writeFileSync(path, bytes);
    for (const model of [bytes, Buffer.concat([Buffer.of(0), bytes]).subarray(1), path]) {
      const program = await open(model);
      expect((await program.run(feeds))['y']!.data).toEqual(Float32Array.of(4, 4));
      await program.dispose();
    }
    expect(bytes.length).toBeGreaterThan(0); // a thread got a copy
  });

  test('memory asked for each time gives the same results', async () => {
    const program = await open(graph, { memory: 'plain', spinning: false });
    expect((await program.run(feeds))['y']!.data).toEqual(Float32Array.of(4, 4));
    await program.dispose();
  });

  describe('what is no model is refused', () => {
    const bytes = toOnnx(graph);
    const files = { empty: '', 'text.onnx': 'This is not a model.\n', 'cut.onnx': bytes.subarray(0, bytes.length - 9) };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    mkdirSync(join(folder, 'folder'), { recursive: true });
    test.each<[string, Uint8Array | string, RegExp]>([
      ['no bytes', new Uint8Array(0), /^compile: the model is 0 bytes long; needs an ONNX model/],
      ['no path', '', /^compile: the model is an empty path/],
      [
        'text',
        new TextEncoder().encode('This is not a model.'),
        /^compile: ONNX Runtime refused a model of 20 bytes: /,
      ],
      ['zeros', new Uint8Array(1000), /^compile: ONNX Runtime refused a model of 1000 bytes: /],
      ['half a model', bytes.subarray(0, bytes.length >> 1), /^compile: ONNX Runtime refused a model of \d+ bytes: /],
      ['an empty file', join(folder, 'empty'), /^compile: ONNX Runtime refused .*empty: /],
      ['a text file', join(folder, 'text.onnx'), /^compile: ONNX Runtime refused .*text.onnx: /],
      ['a file cut short', join(folder, 'cut.onnx'), /^compile: ONNX Runtime refused .*cut.onnx: /],
      ['a folder', join(folder, 'folder'), /^compile: ONNX Runtime refused .*folder: /],
      [
        'a file that isn’t there',
        join(folder, 'none.onnx'),
        /^compile: ONNX Runtime refused .*none.onnx: .*(exist|system)/is,
      ],
    ])('%s', async (_, model, message) => {
      await expect(open(model)).rejects.toThrow(message);
    });
  });
});

test('shared memory is refused where the engine would have to read it, and copied to a thread', async () => {
  const shared = { ...feeds, w: hostTensor(new Float32Array(new SharedArrayBuffer(12)).fill(3)) };
  const here = await compile(graph);
  await expect(here.run(shared)).rejects.toThrow('run: input w is in a SharedArrayBuffer, which the engine refuses');
  await here.dispose();
  const there = await compile(graph, { worker: true });
  expect((await there.run(shared, ['z']))['z']!.data).toEqual(Float32Array.of(9, 9, 9));
  await there.dispose();
});

test.each<[string, object, string]>([
  ['an option', { provider: 'cpu' }, 'compile: no option provider; there are providers, threads'],
  ['no threads', { threads: 0 }, 'compile: threads is 0; needs a whole number above 0'],
  ['half a thread', { threads: 1.5 }, 'compile: threads is 1.5'],
  ['another memory', { memory: 'none' }, `compile: memory is "none"; needs 'arena' or 'plain'`],
])('%s that isn’t known is refused', async (_, options, message) => {
  await expect(compile(graph, options)).rejects.toThrow(message);
});
