// Frees memory that nobody uses any more now, rather than when the JavaScript engine next thinks of it.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | null = null;

/**
 * Collects garbage. The ONNX Runtime binding copies every output of a run, also those that were written in place, and
 * the copies of a large model's gradients are half a gigabyte a step, of which the JavaScript engine, to which an array
 * is but a few bytes, lets several pile up. Takes some milliseconds: for steps that take far longer.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose_gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
