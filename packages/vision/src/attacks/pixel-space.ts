// Images as people see them and as networks get them: an attack's ε is a part of the range from black to white, while pixels
// were normalised by mean and deviation.

/** How pixels were normalised before they came to the network: (x - mean) / std, one number for all channels or one each. */
export interface PixelSpaceOptions {
  /** 0 unless given. */
  readonly mean?: number | readonly number[];
  /** 1 unless given. */
  readonly std?: number | readonly number[];
  /** What black and white are before normalising; [0, 1] unless given. */
  readonly range?: readonly [number, number];
}

/** What an attack has to keep to, of each channel, in the network's numbers. */
export interface PixelSpace {
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** The network's numbers for one unit of the range. */
  readonly scale: readonly number[];
}

/** @throws where there aren't as many means and deviations as channels, or the range is empty. */
export function pixelSpace(
  channels: number,
  { mean = 0, std = 1, range = [0, 1] }: PixelSpaceOptions = {},
): PixelSpace {
  const each = (name: string, given: number | readonly number[]): number[] => {
    const all = typeof given === 'number' ? Array.from({ length: channels }, () => given) : [...given];
    if (all.length !== channels || !all.every(Number.isFinite))
      throw new Error(
        `attack: ${name} is ${JSON.stringify(given)}; needs a number, or one for each of ${channels} channels`,
      );
    return all;
  };
  const [means, deviations] = [each('mean', mean), each('std', std)];
  if (deviations.some((d) => d <= 0)) throw new Error(`attack: std is ${JSON.stringify(std)}; needs numbers above 0`);
  const [black, white] = range;
  if (!(black < white)) throw new Error(`attack: the range is [${range.join(', ')}]; needs black below white`);
  const to = (x: number): number[] => means.map((m, c) => (x - m) / deviations[c]!);
  return { low: to(black), high: to(white), scale: deviations.map((d) => 1 / d) };
}
