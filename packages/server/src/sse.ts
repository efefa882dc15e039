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
  let next: IteratorResult<object, void> | null = await pieces.next();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          next ??= await pieces.next();
          if (next.done) {
            controller.enqueue(event('[DONE]'));
            controller.close();
            onEnd();
          } else controller.enqueue(event(JSON.stringify(next.value)));
          next = null;
        } catch (error) {
          onError(error);
          // The status is sent already: the error is the last event.
          const told = error instanceof HttpError ? error : internal(error);
          controller.enqueue(event(JSON.stringify(told.body)));
          controller.close();
        }
      },
      async cancel() {
        onLeave();
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 16 },
  );
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Proxies must not collect them.
      'x-accel-buffering': 'no',
    },
  });
}
