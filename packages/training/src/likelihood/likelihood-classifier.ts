// Classes told by the likelihood of a text under a language model of each (authorship: Peng et al., 2003; Ge et al., 2016):
// whose words would the text rather be?
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFolder, writeFileAtomic, type CompileOptions } from '@brickwork/runtime';
import { Scorer, type Scored } from '@brickwork/transformer';
import { openAll, type ClassMember, type TextScorer } from './class-member.ts';
import { checkLabels, folderNames, normalised, sharesOf } from './class-labels.ts';
import { trainClassModels, type ClassModelOptions } from './class-models.ts';
import { readClassifierFile, type CalibrationNote, type ClassifierFile } from './classifier-file.ts';
import { alignScores, evidence, totals } from './evidence.ts';
import type { JudgedText } from './evidence-page.ts';
import { examplesOf, judgeReport, type JudgeReport } from './judge-report.ts';
import { cutPassages, holdOut } from './passages.ts';
import { calibration, fitTemperature, negativeLogLikelihood, posterior } from './posterior.ts';

/** How texts are judged. */
export interface JudgeOptions {
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  /** Called with how many texts are scored, by all models together, of how many. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** A text whose class is known. */
export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

/** How a classifier is trained. */
export interface TrainClassifierOptions extends Omit<ClassModelOptions, 'resume'> {
  /** Where runs are kept while they last, so that one that was interrupted goes on with `resume`. */
  readonly run: string;
  readonly resume?: boolean;
  /** Share of each class's text, its end, that ends training in time and fits the temperature; 0.1 unless given. */
  readonly validation?: number;
  /** Longer texts held out are cut into passages of so many words; 100 unless given. */
  readonly passageWords?: number;
  /** Share of each class; `equal` unless given, `frequency`: as many as it has texts. */
  readonly priors?: 'equal' | 'frequency' | Readonly<Record<string, number>>;
}

// Scoring more of them takes long and moves a temperature little.
const mostPassages = 250;

/**
 * Tells classes by the likelihood of texts under a language model of each. Tokenizers may differ: what is compared is ln p of
 * the whole text. The temperature fits texts as long as those that it was fitted to; of much shorter ones the class is surer
 * than its probability says.
 *
 * ```ts
 * import { evidencePage, LikelihoodClassifier } from '@brickwork/training';
 *
 * const classifier = await LikelihoodClassifier.train({ austen: emma, doyle: holmes }, { run: 'authors.run' });
 * await classifier.save('authors');
 * const judged = await classifier.classify(['My dear Watson, you astonish me.']);
 * await writeFile('why.html', evidencePage(judged));
 * ```
 */
export class LikelihoodClassifier {
  readonly labels: readonly string[];
  readonly priors: readonly number[];
  readonly #scorers: readonly TextScorer[];
  // Files of a model that came from no folder.
  readonly #files: Readonly<Record<string, string>>;
  #temperature: number;
  #note: CalibrationNote | null;

  /** @throws where there are fewer than two classes, two have one name, or a share makes no sense. */
  constructor(
    members: readonly ClassMember[],
    o: {
      readonly temperature?: number;
      readonly note?: CalibrationNote | null;
      readonly files?: Readonly<Record<string, string>>;
    } = {},
  ) {
    this.labels = members.map(({ label }) => label);
    checkLabels(this.labels);
    this.#scorers = members.map(({ scorer }) => scorer);
    this.priors = normalised(
      members.map(({ prior = 1 }) => prior),
      this.labels,
    );
    const { temperature = 1, note = null, files = {} } = o;
    if (!(temperature > 0 && temperature < Infinity))
      throw new Error(`LikelihoodClassifier: temperature is ${temperature}; needs a number above 0`);
    this.#temperature = temperature;
    this.#note = note;
    this.#files = files;
  }

  /** What log-likelihoods are divided by; 1 where nothing was calibrated. */
  get temperature(): number {
    return this.#temperature;
  }

  /** What calibration found, and on how many texts; null where there was none. */
  get calibrated(): CalibrationNote | null {
    return this.#note;
  }

  /**
   * Trains a language model for each class and calibrates their comparison on what was held out.
   *
   * @param texts of each class: one text, or several
   * @throws where there is one class alone, one has no text or too little, or the signal's reason.
   */
  static async train(
    texts: Readonly<Record<string, string | readonly string[]>>,
    o: TrainClassifierOptions,
  ): Promise<LikelihoodClassifier> {
    const { run, validation = 0.1, passageWords = 100, priors = 'equal', ...options } = o;
    const labels = Object.keys(texts);
    checkLabels(labels);
    const lists = new Map(labels.map((label) => [label, [texts[label]!].flat().filter((text) => text.trim())]));
    for (const [label, list] of lists)
      if (!list.length) throw new Error(`class ${label}: no text; needs some to train on`);
    const shares = sharesOf(priors, lists);
    const parts = new Map([...lists].map(([label, list]) => [label, holdOut(list, validation)]));
    const { models, tokenizer, files } = await trainClassModels(parts, run, options);
    const members = labels.map((label, c) => ({
      label,
      scorer: new Scorer(models.get(label)!, tokenizer),
      prior: shares[c]!,
    }));
    const classifier = new LikelihoodClassifier(members, { files });
    const passages = labels.flatMap((label) => {
      const all = parts.get(label)!.held.flatMap((text) => cutPassages(text, passageWords));
      return spread(all, mostPassages).map((text) => ({ text, label }));
    });
    if (passages.length)
      await classifier.calibrate(passages, {
        ...(o.signal && { signal: o.signal }),
        onProgress: ({ done, total }) => o.onProgress?.({ stage: 'calibration', step: done, steps: total }),
      });
    return classifier;
  }

  /**
   * Opens a folder that {@link save} wrote.
   *
   * @throws where it isn't one, or a model in it can't be read.
   */
  static async load(
    folder: string,
    o: { readonly signal?: AbortSignal; readonly compile?: CompileOptions } = {},
  ): Promise<LikelihoodClassifier> {
    const { classes, temperature, calibration: note } = await readClassifierFile(folder);
    const members = await openAll(
      classes.map((c) => ({ ...c, folder: join(folder, c.folder) })),
      o,
    );
    return new LikelihoodClassifier(members, { temperature, note });
  }

  /** Opens language models by folder or name on the hub, as classes; their tokenizers may differ. */
  static async fromModels(
    classes: readonly { readonly label: string; readonly folder: string; readonly prior?: number }[],
    o: { readonly signal?: AbortSignal; readonly compile?: CompileOptions } = {},
  ): Promise<LikelihoodClassifier> {
    checkLabels(classes.map(({ label }) => label));
    return new LikelihoodClassifier(await openAll(classes, o));
  }

  /**
   * The class of each text, how probable it is, and what in the text speaks for it; in order.
   *
   * @throws where a text is empty or so short that no token of it is scored, or the signal's reason.
   */
  async classify(texts: readonly string[], o: JudgeOptions = {}): Promise<JudgedText[]> {
    texts.forEach((text, i) => {
      if (typeof text !== 'string' || !text.trim())
        throw new Error(`classify: text ${i + 1} of ${texts.length} is empty; there is nothing to compare`);
    });
    const total = texts.length * this.#scorers.length;
    const scored: Scored[][] = [];
    for (const [c, scorer] of this.#scorers.entries())
      scored.push(
        await scorer.score(texts, {
          ...(o.batchSize !== undefined && { batchSize: o.batchSize }),
          ...(o.signal && { signal: o.signal }),
          onProgress: ({ done }) => o.onProgress?.({ done: c * texts.length + done, total }),
        }),
      );
    return texts.map((text, i) => {
      const pieces = alignScores(scored.map((own) => own[i]!));
      if (scored.every((own) => own[i]!.count === 0))
        throw new Error(
          `classify: nothing predicts ${JSON.stringify(text.slice(0, 40))}: the models score a text from its second token on; give a longer one`,
        );
      const logLikelihoods = totals(pieces, this.labels.length);
      const probabilities = this.#posterior(logLikelihoods);
      const best = probabilities.indexOf(Math.max(...probabilities));
      return {
        label: this.labels[best]!,
        classes: this.labels.map((label, c) => ({
          label,
          logLikelihood: logLikelihoods[c]!,
          probability: probabilities[c]!,
        })),
        evidence: evidence(pieces, best, this.priors),
      };
    });
  }

  /**
   * Fits the temperature to texts that no model was trained on, so that probabilities say how often the class is right.
   *
   * @throws where there are none, or one has a class that isn't known.
   */
  async calibrate(labelled: readonly LabelledText[], o: JudgeOptions = {}): Promise<CalibrationNote> {
    if (!labelled.length) throw new Error('calibrate: no texts; needs some that no model was trained on');
    const actual = labelled.map(({ label }) => this.#numberOf(label));
    const judged = await this.classify(
      labelled.map(({ text }) => text),
      o,
    );
    const examples = examplesOf({ judged, actual });
    const { priors } = this;
    const temperature = fitTemperature(examples, priors);
    this.#temperature = temperature;
    const probabilities = examples.map(({ logLikelihoods }) => this.#posterior(logLikelihoods));
    const tops = probabilities.map((own) => Math.max(...own));
    const right = probabilities.map((own, i) => own.indexOf(tops[i]!) === actual[i]);
    this.#note = {
      texts: labelled.length,
      temperature,
      accuracy: right.filter(Boolean).length / right.length,
      negative_log_likelihood_before: negativeLogLikelihood(examples, { priors }),
      negative_log_likelihood: negativeLogLikelihood(examples, { priors, temperature }),
      expected_calibration_error: calibration(tops, right).error,
    };
    return this.#note;
  }

  /** Judges texts whose classes are known. @throws as {@link classify}, and where a class isn't known. */
  async evaluate(labelled: readonly LabelledText[], o: JudgeOptions = {}): Promise<JudgeReport> {
    if (!labelled.length) throw new Error('evaluate: no texts; needs one or more with their classes');
    const actual = labelled.map(({ label }) => this.#numberOf(label));
    const judged = await this.classify(
      labelled.map(({ text }) => text),
      o,
    );
    return judgeReport({ judged, actual, labels: this.labels, priors: this.priors }, this.#temperature);
  }

  /**
   * Writes a folder: classifier.json, and a folder in the Hugging Face layout for each class's model. One that is there is
   * replaced, as a whole or not at all.
   *
   * @throws where a class's model isn't one of these, or something can't be written; then nothing has changed.
   */
  async save(folder: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const folders = folderNames(this.labels);
    const file: ClassifierFile = {
      format: 1,
      classes: this.labels.map((label, c) => ({ label, folder: folders[c]!, prior: this.priors[c]! })),
      temperature: this.#temperature,
      calibration: this.#note,
    };
    await replaceFolder(
      folder,
      async (temporary) => {
        for (const [c, scorer] of this.#scorers.entries()) {
          signal?.throwIfAborted();
          if (!(scorer instanceof Scorer))
            throw new Error(`save: class ${this.labels[c]} is scored by no model that can be written; needs a Scorer`);
          await mkdir(join(temporary, folders[c]!));
          const files = scorer.model.folder === null ? this.#files : {};
          await scorer.model.save(join(temporary, folders[c]!), { files, ...(signal && { signal }) });
        }
        await writeFileAtomic(join(temporary, 'classifier.json'), `${JSON.stringify(file, null, 2)}\n`);
      },
      { proof: 'classifier.json', drop: (name) => name === 'classifier.json' },
    );
  }

  /** Frees the engine's memory. */
  async dispose(): Promise<void> {
    for (const scorer of this.#scorers) await scorer.dispose?.();
  }

  #posterior(logLikelihoods: readonly number[]): number[] {
    return posterior(logLikelihoods, { priors: this.priors, temperature: this.#temperature });
  }

  #numberOf(label: string): number {
    const found = this.labels.indexOf(label);
    if (found < 0) throw new Error(`no class ${JSON.stringify(label)}; there are ${this.labels.join(', ')}`);
    return found;
  }
}

// At most so many of a list, from all over it.
const spread = <T>(list: readonly T[], most: number): T[] =>
  list.length <= most ? [...list] : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!);
