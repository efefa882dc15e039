// Several generators as one.

/** What each gives as it comes, with the generator's number; ends after the last. */
export async function* merge<T, R>(
  generators: readonly AsyncGenerator<T, R, undefined>[],
): AsyncGenerator<[number, T], R[], undefined> {
  const results: R[] = [];
  const next = (i: number): Promise<{ i: number; result: IteratorResult<T, R> }> =>
    generators[i]!.next().then((result) => ({ i, result }));
  const pending = new Map(generators.map((_, i) => [i, next(i)]));
  try {
    while (pending.size) {
      const { i, result } = await Promise.race(pending.values());
      if (result.done) {
        results[i] = result.value;
        pending.delete(i);
      } else {
        yield [i, result.value];
        pending.set(i, next(i));
      }
    }
    return results;
  } finally {
    for (const promise of pending.values()) promise.catch(() => {}); // one error is told
    await Promise.all(generators.map((one) => one.return(undefined as never).catch(() => {})));
  }
}
