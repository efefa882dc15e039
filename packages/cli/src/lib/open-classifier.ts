// The language models that lm compare compares: a classifier's folder, or models, each with the name of its class.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LikelihoodClassifier } from '@brickwork/training';
import { labelled, sharesOf } from './class-files.ts';
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import { usage } from './errors.ts';
import type { Io } from './io.ts';
import { modelPath } from './open-model.ts';

/** What the flags hold. */
export interface ClassifierArgs extends EngineArgs {
  readonly model: readonly string[];
  readonly prior?: readonly string[];
  readonly offline: boolean;
}

/** Opens it. @throws where there is one model alone, two have one name, or one can't be read. */
export async function openClassifier(a: ClassifierArgs, io: Io, signal: AbortSignal): Promise<LikelihoodClassifier> {
  if (!a.model?.length)
    throw usage('--model is missing', '-m FIRST -m SECOND, or a folder that lm compare train wrote');
  const { LikelihoodClassifier } = await import('@brickwork/training');
  const o = { signal, compile: engineOptions(a) };
  const [first] = a.model as [string];
  if (a.model.length === 1) {
    if (!existsSync(join(first, 'classifier.json')))
      throw usage(
        existsSync(first) ? `${first} is one model alone` : `there is no folder ${first}`,
        '-m FIRST -m SECOND, or a folder that lm compare train wrote',
      );
    if (a.prior) throw usage('--prior is for models; a classifier has its own', 'lm compare train --prior …');
    return LikelihoodClassifier.load(first, o);
  }
  const classes = a.model.map((text) => labelled(text, 'model'));
  const labels = classes.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) < i);
  if (twice !== undefined) throw usage(`two models are called ${twice}`, `-m first=${classes[0]!.value} -m second=…`);
  const priors = sharesOf(a.prior, labels);
  const folders: { label: string; folder: string; prior?: number }[] = [];
  for (const { label, value } of classes) {
    const folder = await modelPath({ model: value, offline: a.offline }, io, signal);
    folders.push({ label, folder, ...(priors && { prior: priors[label]! }) });
  }
  return LikelihoodClassifier.fromModels(folders, o);
}
