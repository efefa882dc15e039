// What a list of checks looks like: by the operator's exported name, then by what is checked.

/** Checks by operator and title. */
export type Cases = Readonly<Record<string, Readonly<Record<string, () => Promise<void> | void>>>>;

/** That `f` throws an error whose message holds every one of the parts. */
export function throws(f: () => unknown, ...parts: string[]): void {
  let message: string | null = null;
  try {
    f();
  } catch (e) {
    message = (e as Error).message;
  }
  if (message === null) throw new Error(`no error, where one with '${parts.join("', '")}' was needed`);
  for (const part of parts) if (!message.includes(part)) throw new Error(`'${message}' doesn't say '${part}'`);
}
