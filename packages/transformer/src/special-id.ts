// Ids of special tokens as config.json gives them.

/**
 * The id in a config's field, such as `pad_token_id`: `standard` where the field is absent, null where it is null.
 *
 * @throws where it isn't an id of the vocabulary.
 */
export function specialId(
  architecture: string,
  config: Readonly<Record<string, unknown>>,
  field: string,
  { standard, vocabulary }: { readonly standard: number | null; readonly vocabulary: number },
): number | null {
  const id = config[field] === undefined ? standard : config[field];
  if (id === null) return null;
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id >= vocabulary)
    throw new Error(
      `${architecture} config: ${field} is ${JSON.stringify(id)}; needs null or a whole number from 0 below the vocabulary's size, ${vocabulary}`,
    );
  return id;
}
