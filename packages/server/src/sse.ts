// Answers that come piece by piece (Server-Sent Events, https://html.spec.whatwg.org/multipage/server-sent-events.html), as
// OpenAI's API sends them.
import { HttpError, internal } from './http-error.ts';
import type { StreamEnds } from './served.ts';

/**
 * A response whose events are the JSON of what a generator gives, and `[DONE]` at the end. The first piece is waited for, so that
 * an error before it is a response of its own.
 */
export async function eventStream(
  pieces: AsyncGenerator<object, void, undefined>,
  { onLeave, onError, onEnd }: StreamEnds,
): Promise<Response> {
  const encoder = new TextEncoder();
  const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);
  const first = await pieces.next();
  let left = false;
  // What is written doesn't wait for who reads it: those who write together would wait for the slowest reader. A text has an end,
  // so what waits has one.
  async function pump(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      for (let next = first; !next.done && !left; next = await pieces.next())
        controller.enqueue(event(JSON.stringify(next.value)));
      if (left) return;
      controller.enqueue(event('[DONE]'));
      onEnd();
    } catch (error) {
      if (left) return;
      onError(error);
      // The status is sent already: the error is the last event.
      const told = error instanceof HttpError ? error : internal(error);
      controller.enqueue(event(JSON.stringify(told.body)));
    }
    controller.close();
  }
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      void pump(controller);
    },
    async cancel() {
      left = true;
      onLeave();
      await pieces.return(undefined);
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Proxies must not collect them.
      'x-accel-buffering': 'no',
    },
  });
}
