// Which weights a run began with: what a resumed one must have in common.
import { createHash } from 'node:crypto';
import type { HostTensor } from '@brickwork/runtime';

/** SHA-256 of names and values. */
export function fingerprint(tensors: ReadonlyMap<string, HostTensor>): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of tensors) hash.update(`/${name}/`).update(data);
  return hash.digest('hex');
}
