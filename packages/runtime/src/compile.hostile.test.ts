import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { add, constant, input, matmul, mul, softmax, toOnnx } from '@brickwork/graph';
import { moduleUrl } from './module-url.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Models from strangers go to the engine's C++: in a process of its own, so that a crash would be seen.
test('a model with bytes changed, or cut short anywhere, is an error or runs; the process lives', () => {
  const a = input('a', ['B', 4]);
  const b = input('b', [4, 3]);
  const bytes = toOnnx({
    y: mul(softmax(add(matmul(a, b), constant(Float32Array.of(1, 2, 3)))), constant(Float32Array.of(2))),
  });
  const model = join(folder, 'sound.onnx');
  writeFileSync(model, bytes);
  const script = join(folder, 'mutate.mjs');
  writeFileSync(
    script,
    `import { readFileSync } from 'node:fs';
    const { compile } = await import(${JSON.stringify(moduleUrl('compile').href)});
    const sound = readFileSync(${JSON.stringify(model)});
    const ones = (...shape) => ({ data: new Float32Array(shape[0] * shape[1]).fill(1), shape, dtype: 'float32' });
    let seed = 1;
    const random = (n) => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8) % n;
    const counts = { refused: 0, ran: 0, failed: 0 };
    const attempt = async (bytes) => {
      let program;
      try {
        program = await compile(bytes, { threads: 1 });
      } catch (error) {
        if (!/^compile: /.test(error.message)) throw error;
        counts.refused++;
        return;
      }
      await program.run({ a: ones(2, 4), b: ones(4, 3) }).then(() => counts.ran++, () => counts.failed++);
      await program.dispose();
    };
    for (let n = 0; n < sound.length; n++) await attempt(sound.subarray(0, n));
    for (let i = 0; i < 1500; i++) {
      const bytes = Uint8Array.from(sound);
      for (let k = 1 + random(3); k > 0; k--) bytes[random(bytes.length)] = random(256);
      await attempt(bytes);
    }
    console.log(JSON.stringify(counts));`,
  );
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect([status, signal, stderr]).toEqual([0, null, '']);
  const counts = JSON.parse(stdout) as { refused: number; ran: number; failed: number };
  expect(counts.refused).toBeGreaterThan(1000);
  expect(counts.ran).toBeGreaterThan(10); // a changed name in the file's own notes does no harm
}, 60_000);
