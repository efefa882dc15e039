// The roles of special tokens: where a text begins and ends, what fills a batch.

/** A role that a special token can have. */
export type SpecialRole = 'bos' | 'eos' | 'unk' | 'sep' | 'pad' | 'cls' | 'mask';
/** The tokens that have a role. */
export type SpecialTokens = Readonly<Partial<Record<SpecialRole, { readonly id: number; readonly content: string }>>>;

const roles: readonly SpecialRole[] = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'];

/** The token of each role that a tokenizer_config.json names, as text or with its `content`, and the vocabulary has. */
export function specialTokensOf(
  config: Readonly<Record<string, unknown>>,
  ids: ReadonlyMap<string, number>,
  unknownToken: string | undefined,
): SpecialTokens {
  const found: Partial<Record<SpecialRole, { id: number; content: string }>> = {};
  for (const role of roles) {
    const value = config[`${role}_token`];
    const content = typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
    const name = content ?? (role === 'unk' ? unknownToken : undefined);
    const id = typeof name === 'string' ? ids.get(name) : undefined;
    if (id !== undefined) found[role] = { id, content: name as string };
  }
  return found;
}
