import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { input, mul, toOnnx } from '@brickwork/graph';
import { moduleUrl } from './module-url.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-telemetry-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([false, true])('the engine leaves nothing in HOME or the temporary folder; worker: %s', (worker) => {
  const home = join(folder, `home-${worker}`);
  const [model, script] = [join(folder, 'model.onnx'), join(folder, 'run.mjs')];
  mkdirSync(home);
  const x = input('x', [1]);
  writeFileSync(model, toOnnx({ y: mul(x, x) }));
  writeFileSync(
    script,
    `const { compile } = await import(${JSON.stringify(moduleUrl('compile').href)});
    const program = await compile(${JSON.stringify(model)}, { worker: ${worker}, profile: true });
    await program.run({ x: { data: Float32Array.of(3), shape: [1], dtype: 'float32' } });
    await program.placement();
    await program.dispose();`,
  );
  const { ORT_DISABLE_TELEMETRY: _, ...rest } = process.env;
  const env = { ...rest, HOME: home, TMPDIR: home, TEMP: home, XDG_CACHE_HOME: home };
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8', env });
  expect([status, stderr]).toEqual([0, '']);
  expect(readdirSync(home)).toEqual([]);
});
