import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lossCurve, toPng, writeLossCurve } from './loss-curve.ts';
import type { MetricsEntry } from './metrics.ts';

const folder = mkdtempSync(join(tmpdir(), 'brickwork-curve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const metrics = (steps: number, every: number): MetricsEntry[] =>
  Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricsEntry[] => [
    { step, loss: 4 / Math.sqrt(step) + 0.1 * Math.sin(step), rate: 1e-3, norm: 1 },
    ...(step % every ? [] : [{ step, validation: 4 / Math.sqrt(step) + 0.2, validationPerCharacter: 1 }]),
  ]);

test('the picture names its lines and axes, and the lowest validation loss', async () => {
  const svg = await lossCurve(metrics(500, 100), { title: 'A run' });
  for (const text of [
    'A run',
    'training, each step',
    'training, smoothed',
    'validation',
    'step',
    'loss (nats per token)',
  ])
    expect(svg).toContain(`>${text}<`);
  expect(svg).toContain(`lowest validation loss ${(4 / Math.sqrt(500) + 0.2).toFixed(4)} at step 500`);
  expect(svg).toMatch(/^<svg width="960" height="540"/);
});

test('without evaluations there is no line for them; one step is enough', async () => {
  const svg = await lossCurve(metrics(1, 2), { width: 400, height: 300 });
  expect(svg).not.toContain('validation');
  expect(svg).toMatch(/^<svg width="400" height="300"/);
});

test('the same metrics give the same bytes, and a long run no large file', async () => {
  const long = metrics(20_000, 1000);
  const [a, b] = [await lossCurve(long), await lossCurve(long)];
  expect(a === b).toBe(true);
  expect(a.length).toBeLessThan(100_000);
});

test('no losses are an error', async () => {
  await expect(lossCurve([])).rejects.toThrow('lossCurve: no losses yet');
});

test('the PNG has twice the size, with ink from a font that comes along', async () => {
  const png = Buffer.from(await toPng(await lossCurve(metrics(50, 10), { width: 400, height: 300 })));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([800, 600]);
  const text = (s: string): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><text x="5" y="25" font-family="DejaVu Sans">${s}</text></svg>`;
  expect(Buffer.from(await toPng(text('loss'))).equals(Buffer.from(await toPng(text(''))))).toBe(false);
});

test('both files are written to a run’s folder', async () => {
  writeFileSync(
    join(folder, 'metrics.jsonl'),
    metrics(10, 5)
      .map((e) => `${JSON.stringify(e)}\n`)
      .join(''),
  );
  expect(await writeLossCurve(folder)).toBe(join(folder, 'loss.png'));
  expect(readFileSync(join(folder, 'loss.svg'), 'utf8')).toMatch(/^<svg /);
  expect(existsSync(join(folder, 'loss.png'))).toBe(true);
});
