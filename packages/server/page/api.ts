// The server's interface as the page uses it.

/** One token of a text that is written. */
export interface Written {
  readonly text: string;
  readonly token: string | null;
  readonly logprob: number;
  readonly alternatives: readonly (readonly [token: string, logprob: number])[];
}

let key = '';
/** The key that requests give. */
export function setKey(given: string): void {
  key = given;
}

const headers = (): Record<string, string> => ({
  'content-type': 'application/json',
  ...(key && { authorization: `Bearer ${key}` }),
});

async function ask(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(path, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
  if (response.ok) return response;
  const { error } = (await response.json()) as { error: { message: string } };
  throw new Error(error.message);
}

interface CompletionEvent {
  readonly error?: { readonly message: string };
  readonly choices?: readonly {
    readonly text: string;
    readonly logprobs: {
      readonly tokens: readonly string[];
      readonly token_logprobs: readonly number[];
      readonly top_logprobs: readonly Readonly<Record<string, number>>[];
    } | null;
  }[];
}

/** Continues a prompt, token by token. */
export async function* write(
  body: { prompt: string; max_tokens: number; temperature: number; seed?: number },
  signal: AbortSignal,
): AsyncGenerator<Written, void, undefined> {
  const response = await ask('/v1/completions', { ...body, stream: true, logprobs: 5 }, signal);
  for await (const data of events(response.body!)) {
    const { error, choices } = JSON.parse(data) as CompletionEvent;
    if (error) throw new Error(error.message);
    for (const { text, logprobs } of choices ?? []) {
      const top = Object.entries(logprobs?.top_logprobs[0] ?? {}).toSorted((a, b) => b[1] - a[1]);
      yield { text, token: logprobs?.tokens[0] ?? null, logprob: logprobs?.token_logprobs[0] ?? 0, alternatives: top };
    }
  }
}

// The data of Server-Sent Events, up to [DONE].
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      for (let at = rest.indexOf('\n\n'); at >= 0; at = rest.indexOf('\n\n')) {
        const data = rest.slice('data: '.length, at);
        rest = rest.slice(at + 2);
        if (data === '[DONE]') return;
        yield data;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** A vector for each text, of length one. */
export async function embed(texts: readonly string[]): Promise<number[][]> {
  const response = await ask('/v1/embeddings', { input: texts, encoding_format: 'float' });
  const { data } = (await response.json()) as { data: { embedding: number[] }[] };
  return data.map(({ embedding }) => {
    const size = Math.hypot(...embedding) || 1;
    return embedding.map((x) => x / size);
  });
}

/** What a picture shows. */
export interface Classified {
  readonly classes: readonly { readonly label: string; readonly probability: number }[];
  readonly grad_cam: string;
}

/** @param image a data: URL */
export async function classify(image: string): Promise<Classified> {
  return (await (await ask('/classify', { image, grad_cam: true, top_k: 5 })).json()) as Classified;
}
