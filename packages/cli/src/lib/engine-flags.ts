// Where and with how many threads the engine runs: flags of every command that uses it.
import type { CompileOptions } from '@brickwork/runtime';
import { flags } from './flags.ts';
import type { Io } from './io.ts';

/** What the flags hold. */
export interface EngineArgs {
  provider: NonNullable<CompileOptions['providers']>[number];
  threads?: number;
}

/** `--provider` and `--threads`. */
export const engineFlags: ReturnType<typeof flags> = flags('Engine', {
  provider: {
    type: 'choice',
    alias: 'device',
    choices: ['cpu', 'webgpu', 'cuda', 'dml', 'coreml', 'auto'],
    default: 'cpu',
    describe: 'where it runs, auto being the first of cuda, dml, coreml and webgpu that works here',
  },
  threads: {
    type: 'number',
    alias: 't',
    min: 1,
    max: 1024,
    whole: true,
    describe: 'threads; one per core unless given',
  },
});

/** The arguments with a provider in place of `auto`; which one, is told. */
export async function chooseProvider<A extends object>(args: A, io: Io): Promise<A> {
  if ((args as { provider?: string }).provider !== 'auto') return args;
  const { findProvider } = await import('@brickwork/runtime');
  const { provider, refused } = await findProvider();
  const why = refused.map((one) => `${one.provider} can't be used here`).join(', ');
  io.note(`device: ${provider}${why ? ` (${why})` : ''}`);
  return { ...args, provider };
}

/** The flags as options of `compile`. */
export const engineOptions = ({ provider, threads }: EngineArgs): CompileOptions => ({
  providers: [provider],
  ...(threads === undefined ? {} : { threads }),
});
