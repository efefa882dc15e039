// The thread of a decoder that has one: opens its graphs here, keeps the rows' cache, and answers decoder-thread.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { compile, uninterrupted, usedBy, type CompileOptions, type Gate, type Program } from '@brickwork/runtime';
import { CachedRows, type Passed, type RowsShape } from './cached-rows.ts';

/** What the thread starts with. */
export interface DecoderStart {
  readonly more: Uint8Array | string;
  readonly first: Uint8Array | string | null;
  readonly shape: RowsShape;
  readonly compile: CompileOptions;
  readonly gate: Gate;
}

/** What it is asked; what it is told, it doesn't answer. */
export type DecoderRequest =
  | { readonly prefill: readonly (readonly number[])[] }
  | { readonly join: readonly (readonly number[])[] }
  | { readonly append: readonly (readonly number[])[] }
  | { readonly reorder: readonly number[] }
  | { readonly truncate: readonly number[] }
  | { readonly clear: true }
  | 'abort'
  | 'dispose';

/** What it answers: first once it is ready, then once for each pass. */
export interface DecoderReply {
  readonly error?: unknown;
  readonly passed?: Passed;
}

async function main(): Promise<void> {
  const { more, first, shape, compile: options, gate } = workerData as DecoderStart;
  const port = parentPort!;
  const programs: Partial<Record<'first' | 'more', Program>> = {};
  try {
    await uninterrupted(gate, async () => {
      programs.more = await compile(more, options);
      if (first) programs.first = await compile(first, options);
    });
  } catch (error) {
    return port.postMessage({ error } satisfies DecoderReply);
  }
  const rows = new CachedRows(async (name, feeds) => {
    const program = programs[name]!;
    return await uninterrupted(gate, () => program.run(usedBy(program, feeds)));
  }, shape);
  let abort = new AbortController();

  async function answer(request: Exclude<DecoderRequest, string>): Promise<void> {
    if ('reorder' in request) return rows.reorder(request.reorder);
    if ('truncate' in request) return rows.truncate(request.truncate);
    if ('clear' in request) return rows.clear();
    try {
      const passed =
        'append' in request
          ? await rows.append(request.append)
          : 'join' in request
            ? await rows.join(request.join, abort.signal)
            : await rows.prefill(request.prefill, abort.signal);
      port.postMessage({ passed } satisfies DecoderReply);
    } catch (error) {
      port.postMessage({ error } satisfies DecoderReply);
    }
  }

  // One after the other, in their order.
  let last = Promise.resolve();
  port.on('message', (request: DecoderRequest) => {
    if (request === 'abort') {
      abort.abort();
      const stopped = abort;
      last = last.then(() => {
        if (abort === stopped) abort = new AbortController();
      });
    } else if (request === 'dispose')
      last = last.then(async () => {
        for (const program of Object.values(programs)) await program.dispose();
        port.close();
      });
    else last = last.then(() => answer(request));
  });
  port.postMessage({} satisfies DecoderReply);
}

await main();
