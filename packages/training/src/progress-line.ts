// The line that shows how far training is: rewritten in place on a terminal, a line now and then elsewhere.
import type { TrainEvent } from './train-options.ts';

/** What the line is made from. */
export type StepEvent = Extract<TrainEvent, { type: 'step' }>;

/** Where and how often the line is written. */
export interface ProgressLineOptions {
  /** Steps of the whole run. */
  readonly steps: number;
  /** What is counted by the second; `tokens` unless given. */
  readonly unit?: string;
  /** Standard error unless given. */
  readonly stream?: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  /** Milliseconds between lines; 100 on a terminal and 5000 elsewhere unless given. */
  readonly interval?: number;
  /** The time in milliseconds. */
  readonly now?: () => number;
}

/** 75 is '1:15', 3675 is '1:01:15'. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** 'step 120/2000  loss 2.1234  rate 9.80e-4  norm 0.53  52,100 tokens/s  41% of peak  1:15 left'. */
export function progressText(e: StepEvent, steps: number, unit: string = 'tokens'): string {
  return [
    `step ${e.step}/${steps}`,
    `loss ${e.loss.toFixed(4)}`,
    `rate ${e.rate.toExponential(2)}`,
    `norm ${e.norm.toFixed(2)}`,
    `${Math.round(e.tokensPerSecond).toLocaleString('en')} ${unit}/s`,
    ...(e.shareOfPeak === undefined ? [] : [`${Math.round(100 * e.shareOfPeak)}% of peak`]),
    `${clock(e.secondsLeft)} left`,
  ].join('  ');
}

/** Shows steps as they come; `clear` removes the line before something else is written. */
export function progressLine(o: ProgressLineOptions): { show(event: StepEvent): void; clear(): void } {
  const { steps, stream = process.stderr, now = performance.now.bind(performance) } = o;
  const isTerminal = stream.isTTY === true;
  const interval = o.interval ?? (isTerminal ? 100 : 5000);
  let last = -Infinity;
  let isShown = false;
  return {
    show(event) {
      if (now() - last < interval && event.step !== steps) return;
      last = now();
      const text = progressText(event, steps, o.unit);
      // A line that wraps couldn't be rewritten.
      stream.write(isTerminal ? `\r\u001b[2K${text.slice(0, (stream.columns ?? 80) - 1)}` : `${text}\n`);
      isShown = isTerminal;
    },
    clear() {
      if (isShown) stream.write('\r\u001b[2K');
      isShown = false;
    },
  };
}
