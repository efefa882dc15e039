// Where and with how many threads the engine runs: flags of every command that uses it.
import type { CompileOptions } from '@brickwork/runtime';
import { flags } from './flags.ts';

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
    choices: ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'],
    default: 'cpu',
    describe: 'where it runs',
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

/** The flags as options of `compile`. */
export const engineOptions = ({ provider, threads }: EngineArgs): CompileOptions => ({
  providers: [provider],
  ...(threads === undefined ? {} : { threads }),
});
