// Which layers see the whole text and which only a window of it: `layer_types` in config.json.

/**
 * How many positions back each layer sees: `window` where its type is sliding_attention, null where full_attention.
 *
 * @param slides what holds where the config has no `layer_types`
 * @throws where `layer_types` has another length or other types.
 */
export function layerWindows(
  architecture: string,
  config: Readonly<Record<string, unknown>>,
  {
    layers,
    window,
    slides,
  }: { readonly layers: number; readonly window: number | null; readonly slides: (layer: number) => boolean },
): (number | null)[] {
  const types: unknown = config['layer_types'] ?? null;
  if (types === null) return Array.from({ length: layers }, (_, i) => (slides(i) ? window : null));
  if (!Array.isArray(types) || types.length < layers)
    throw new Error(
      `${architecture} config: layer_types is ${JSON.stringify(types)}; needs a type for each of ${layers} layers`,
    );
  return types.slice(0, layers).map((type: unknown, i) => {
    if (type !== 'sliding_attention' && type !== 'full_attention')
      throw new Error(
        `${architecture} config: layer_types has ${JSON.stringify(type)} for layer ${i}; there are full_attention and sliding_attention`,
      );
    return type === 'sliding_attention' ? window : null;
  });
}
