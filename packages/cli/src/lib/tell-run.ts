// What every training command tells of its run: steps as they come, pictures and warnings, and how it ended.
import process from 'node:process';
import type { TrainEvent } from '@brickwork/training';
import type { Io } from './io.ts';
import { bytes } from './progress.ts';
import type { RunOutput } from './run-output.ts';

type Event<T extends TrainEvent['type']> = Extract<TrainEvent, { readonly type: T }>;

/** Where and how it is told. */
export interface TellRunOptions {
  readonly steps: number;
  /** What is counted by the second; tokens unless given. */
  readonly unit?: string;
  /** Events as lines of JSON on stdout. */
  readonly json: boolean;
  readonly output: RunOutput;
}

/** Tells of a run. */
export interface RunTeller {
  /** To machines, where they listen. */
  tell(event: object): Promise<void>;
  /** To people. */
  note(text: string): void;
  /** Events that are the same in every run. */
  other(event: Event<'step' | 'checkpoint' | 'picture' | 'warning'>): Promise<void>;
  /**
   * The end of a run.
   *
   * @param finish leaves what the run was for; not called where it was stopped @param result what stdout then names
   */
  end(event: Event<'end'>, finish: () => Promise<void>, result: string): Promise<void>;
}

/** Tells of a run on the command's streams. */
export async function tellRun(io: Io, { steps, unit, json, output }: TellRunOptions): Promise<RunTeller> {
  const { progressLine } = await import('@brickwork/training');
  const line = progressLine({ steps, ...(unit !== undefined && { unit }), stream: io.stderr });
  const tell = async (event: object): Promise<void> => (json ? await io.writeJson(event) : undefined);
  const note = (text: string): void => {
    line.clear();
    io.note(text);
  };
  return {
    tell,
    note,
    async other(event) {
      await tell(event);
      if (event.type === 'step') line.show(event);
      else if (event.type === 'picture') note(`losses: ${event.path}`);
      else if (event.type === 'warning') note(event.message);
    },
    async end(event, finish, result) {
      if (event.aborted) {
        await tell(event);
        note(
          event.step
            ? `Stopped after step ${event.step}; the checkpoint is in ${output.run}. To go on: the same command with --resume`
            : 'Stopped before the first step; nothing was written.',
        );
        return;
      }
      if (event.stoppedEarly) note(`stopped early, after step ${event.step}: validation got no better`);
      await finish();
      const peak = process.resourceUsage().maxRSS * 1024;
      note(`memory: ${bytes(peak)} at its peak`);
      if (!json) await io.write(`${result}\n`);
      await tell({ ...event, peakMemory: peak });
    },
  };
}
