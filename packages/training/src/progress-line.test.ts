import { describe, expect, test } from 'vitest';
import { clock, progressLine, progressText, type StepEvent } from './progress-line.ts';

const event = (step: number, more: Partial<StepEvent> = {}): StepEvent => ({
  type: 'step',
  step,
  loss: 2.12345,
  rate: 9.8e-4,
  norm: 0.531,
  tokensPerSecond: 52_100.4,
  secondsLeft: 75,
  ...more,
});

test('the line has step, loss, rate, norm, tokens a second, share of peak and time left', () => {
  expect(progressText(event(120, { shareOfPeak: 0.412 }), 2000)).toBe(
    'step 120/2000  loss 2.1235  rate 9.80e-4  norm 0.53  52,100 tokens/s  41% of peak  1:15 left',
  );
  expect(progressText(event(120), 2000)).not.toContain('peak');
});

test('times are told as minutes or hours', () => {
  expect([0, 59.6, 75, 3599.4, 3675, 360_000, -3].map(clock)).toEqual([
    '0:00',
    '1:00',
    '1:15',
    '59:59',
    '1:01:15',
    '100:00:00',
    '0:00',
  ]);
});

describe('progressLine', () => {
  function recorder(
    isTTY: boolean,
    columns?: number,
  ): { text: string[]; time: { now: number }; line: ReturnType<typeof progressLine> } {
    const text: string[] = [];
    const time = { now: 0 };
    const stream = { isTTY, ...(columns && { columns }), write: (s: string) => text.push(s) };
    return { text, time, line: progressLine({ steps: 100, stream, now: () => time.now }) };
  }

  test('rewrites one line on a terminal, at most ten times a second, and no wider than it', () => {
    const { text, time, line } = recorder(true, 30);
    line.show(event(1));
    time.now = 50;
    line.show(event(2));
    time.now = 120;
    line.show(event(3));
    expect(text).toHaveLength(2);
    expect(text[1]).toBe(`\r\u001b[2K${progressText(event(3), 100).slice(0, 29)}`);
    line.clear();
    line.clear();
    expect(text.slice(2)).toEqual(['\r\u001b[2K']);
  });

  test('elsewhere writes whole lines, one in five seconds and the last', () => {
    const { text, time, line } = recorder(false);
    for (let step = 1; step <= 100; step++) {
      time.now = step * 100;
      line.show(event(step));
      line.clear();
    }
    expect(text).toEqual([1, 51, 100].map((step) => `${progressText(event(step), 100)}\n`));
  });
});
