// A request's body: JSON in UTF-8, of a size that can be held.
import { HttpError, invalid } from './http-error.ts';

/**
 * The body as JSON: an object.
 *
 * @param most bytes
 * @throws where it says that it is something else than JSON, is too large, cut off, no UTF-8, or no JSON object.
 */
export async function readJson(request: Request, most: number): Promise<Record<string, unknown>> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type))
    throw new HttpError(
      415,
      'invalid_request_error',
      `The body is ${type ? JSON.stringify(type.slice(0, 80)) : 'of no type'}; needs Content-Type: application/json.`,
    );
  const tooLarge = (): HttpError =>
    new HttpError(
      413,
      'invalid_request_error',
      `The body has more than ${most} bytes, which is the most that is read.`,
      {
        // What is left of it isn't read.
        headers: { connection: 'close' },
      },
    );
  if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body)
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > most) throw tooLarge();
      chunks.push(chunk);
    }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw invalid('The body is not text in UTF-8.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`The body is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The body is not a JSON object.');
  return value as Record<string, unknown>;
}
