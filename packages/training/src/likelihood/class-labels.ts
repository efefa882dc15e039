// Names and shares of classes, checked.

/** @throws where there are fewer than two classes, or two have one name. */
export function checkLabels(labels: readonly string[]): void {
  if (labels.length < 2)
    throw new Error(
      `LikelihoodClassifier: ${labels.length === 1 ? `one class alone (${labels[0]})` : 'no classes'}; needs two or more to compare`,
    );
  const twice = labels.find((label, i) => labels.indexOf(label) < i);
  if (twice !== undefined) throw new Error(`LikelihoodClassifier: two classes are called ${JSON.stringify(twice)}`);
}

/** Shares that add up to 1. @throws where one makes no sense. */
export function normalised(priors: readonly number[], labels: readonly string[]): number[] {
  priors.forEach((prior, c) => {
    if (!(prior > 0 && prior < Infinity))
      throw new Error(`LikelihoodClassifier: the prior of ${labels[c]} is ${prior}; needs a number above 0`);
  });
  const total = priors.reduce((a, b) => a + b, 0);
  return priors.map((prior) => prior / total);
}

/** Shares as training was told them. @throws where one is missing, or of no class. */
export function sharesOf(
  priors: 'equal' | 'frequency' | Readonly<Record<string, number>>,
  lists: ReadonlyMap<string, readonly string[]>,
): number[] {
  if (priors === 'equal') return [...lists].map(() => 1);
  if (priors === 'frequency') return [...lists.values()].map((list) => list.length);
  const unknown = Object.keys(priors).find((label) => !lists.has(label));
  if (unknown !== undefined)
    throw new Error(`LikelihoodClassifier: a prior for ${unknown}; the classes are ${[...lists.keys()].join(', ')}`);
  return [...lists.keys()].map((label) => {
    const share = Object.hasOwn(priors, label) ? priors[label] : undefined;
    if (share === undefined) throw new Error(`LikelihoodClassifier: no prior for ${label}; give one for each class`);
    return share;
  });
}

/** Names of folders, of labels that may be any text. */
export const folderNames = (labels: readonly string[]): string[] => {
  const plain = labels.map((label) => label.toLowerCase());
  const isPlain = plain.every((name, i) => /^[a-z0-9][\w-]{0,60}$/.test(name) && plain.indexOf(name) === i);
  return isPlain ? plain : labels.map((_, c) => `class-${c}`);
};
