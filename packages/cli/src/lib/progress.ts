// The line that shows how far a long run is: rewritten in place on a terminal, a line now and then elsewhere.
import process from 'node:process';

interface Step {
  readonly step: number;
  readonly loss: number;
  readonly rate: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

/** 75 is '1:15', 3675 is '1:01:15'. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** Shows progress on stderr; elsewhere than on a terminal a line every ten seconds. */
export function progressLine(): { show(step: Step, steps: number): void; clear(): void } {
  const terminal = process.stderr.isTTY;
  let last = 0;
  return {
    show(s, steps) {
      const now = Date.now();
      if (now - last < (terminal ? 100 : 10_000)) return;
      last = now;
      const text = `step ${s.step}/${steps}  loss ${s.loss.toFixed(4)}  rate ${s.rate.toExponential(2)}  ${Math.round(s.tokensPerSecond).toLocaleString('en')} tokens/s  ${clock(s.secondsLeft)} left`;
      process.stderr.write(terminal ? `\r\u001b[2K${text}` : `${text}\n`);
    },
    clear() {
      if (terminal) process.stderr.write('\r\u001b[2K');
    },
  };
}
