// lm serve as a process: it says where it is, answers, and ends in order.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { lm } from './lm.ts';

const program = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url));

describe.skipIf(!existsSync(program))('as a process (needs a build)', () => {
  test('an address on stdout, answers, and exit code 130 after Ctrl-C', async () => {
    const child = spawn(process.execPath, [program, 'serve', '--port', '0', '--json', '--images', 'none'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let notes = '';
    child.stderr.on('data', (data) => (notes += String(data)));
    const { url, models } = JSON.parse(
      await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data)))),
    ) as { url: string; models: string[] };
    expect(models).toEqual(['models/shakespeare', 'models/sentences']);
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'models/shakespeare', prompt: 'ROMEO:', max_tokens: 5 }),
    });
    expect(((await response.json()) as { choices: { text: string }[] }).choices[0]!.text).toHaveLength(5);
    expect((await fetch(url)).headers.get('content-security-policy')).toContain("default-src 'self'");
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(130);
    expect(notes).toContain('running requests are finished first');
  });
});

test.each([
  [['serve', '--port', '70000'], "--port is '70000'"],
  [['serve', '-m', 'none', '--embeddings', 'none', '--images', 'none'], 'no model is left to serve'],
  [['serve', '-m', 'nowhere'], 'no model in nowhere'],
  [['serve', '--template', 'missing.jinja'], '--template missing.jinja'],
  [['serve', '--api-key', ''], '--api-key is empty'],
])('%j is refused', async (args, message) => {
  const { code, stdout, stderr } = await lm(args);
  expect(stderr).toContain(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('a port that is taken is said, with what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  const args = ['--port', String(port), '--embeddings', 'none', '--images', 'none'];
  const { code, stderr } = await lm(['serve', ...args]);
  taken.close();
  expect(code).toBe(1);
  expect(stderr).toContain(`port ${port} of 127.0.0.1 is taken\n  try: --port 0`);
});
