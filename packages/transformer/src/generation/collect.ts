// Runs an iterator to its end for those who want the result, not the steps.

/**
 * The return value of an async generator, which a `for await` loop drops.
 *
 * @example const [{ text }] = await collect(generateText(decoder, tokenizer, 'Once'));
 * @param each is given every item on the way.
 */
export async function collect<Item, Result>(
  generator: AsyncGenerator<Item, Result, undefined>,
  each: (item: Item) => void = () => {},
): Promise<Result> {
  for (;;) {
    const next = await generator.next();
    if (next.done) return next.value;
    each(next.value);
  }
}
