// What the hub answers where it doesn't give what was asked for, and what to do about it.
import { setTimeout as sleep } from 'node:timers/promises';

/** An answer that isn't the file. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
  /** Whether asking again may help: the hub is busy or broken, and the request isn't. */
  get isPassing(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

/** An answer as an error: what it means here, and the next step. */
export function refused(response: Response, o: { id: string; revision: string; hub: string; token: boolean }): Refused {
  const { status } = response;
  const code = response.headers.get('x-error-code') ?? '';
  const page = `${o.hub}/${o.id}`;
  const who = `downloadModel: ${o.id}`;
  const say = (text: string): Refused => new Refused(status, text);
  const settings = `${o.hub}/settings/tokens`;
  if (code === 'RevisionNotFound')
    return say(`${who} has no revision ${JSON.stringify(o.revision)}; see the branches at ${page}/tree/main`);
  if (code === 'GatedRepo' || (status === 403 && code === ''))
    return say(
      o.token
        ? `${who} is gated, and the account of this token may not read it: accept the terms at ${page}, then try again`
        : `${who} is gated: accept the terms at ${page}, make a token at ${settings}, and give it as HF_TOKEN or { token }`,
    );
  if (status === 401)
    return say(
      o.token
        ? `${who}: the hub doesn't accept this token, or there is no such model; see ${settings}`
        : `${who}: there is no such model, or it is private. Check the name at ${page}; for a private one give a token from ${settings} as HF_TOKEN or { token }`,
    );
  if (status === 404)
    return say(
      code === 'EntryNotFound'
        ? `${who}: the hub no longer has ${new URL(response.url).pathname}`
        : `${who}: there is no such model on ${o.hub}; check its name`,
    );
  if (status === 429) return say(`${who}: the hub asks to wait (too many requests); try again in a few minutes`);
  return say(`${who}: the hub answered ${status} ${response.statusText} to ${response.url}`.trimEnd());
}

/** Waits so many milliseconds. @throws the signal's reason where it is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
}
