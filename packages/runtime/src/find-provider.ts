// The fastest place to run that works on this machine, found by trying.
import { relu, input } from '@brickwork/graph';
import { compile } from './compile.ts';
import { hostTensor } from './host-tensor.ts';
import type { Provider } from './providers.ts';

/** What was found. */
export interface FoundProvider {
  readonly provider: Provider;
  /** Those that were tried before it, and why each can't be used. */
  readonly refused: readonly { readonly provider: Provider; readonly reason: string }[];
}

/** Runs a graph of one node on each provider in turn: the first that computes it; `cpu` where none does. */
export async function findProvider(
  candidates: readonly Provider[] = ['cuda', 'dml', 'coreml', 'webgpu'],
): Promise<FoundProvider> {
  const refused: { provider: Provider; reason: string }[] = [];
  for (const provider of candidates) {
    try {
      const program = await compile({ y: relu(input('x', [4])) }, { providers: [provider] });
      try {
        await program.run({ x: hostTensor(Float32Array.of(-1, 2, -3, 4), [4]) });
        if (program.providers[0] === provider) return { provider, refused };
        refused.push({ provider, reason: `its nodes ran on ${program.providers.join(', ')}` });
      } finally {
        await program.dispose();
      }
    } catch (error) {
      refused.push({ provider, reason: (error as Error).message });
    }
  }
  return { provider: 'cpu', refused };
}
