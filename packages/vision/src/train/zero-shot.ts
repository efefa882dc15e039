// Classes told apart that nobody trained for: CLIP compares an image with what each class is called (Radford et al., 2021,
// section 3.1).
import { evaluating } from '@brickwork/nn';
import { input } from '@brickwork/graph';
import { compile, usedBy, type HostTensor, type Program } from '@brickwork/runtime';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Model } from '@brickwork/transformer';
import { largest, softmax } from '../explain/image-classifier.ts';
import { paddedTexts } from './extra-inputs.ts';

/** What classes are called. */
export interface ZeroShotOptions {
  readonly classes: readonly string[];
  /** Texts with {} where a class stands; what counts is the mean of their vectors. `a photo of a {}` unless given. */
  readonly templates?: readonly string[];
  /** Most tokens of a text; as many as the model has positions unless given. */
  readonly maxLength?: number;
}

/** What was found in some images. */
export interface ZeroShotScores {
  /** Cosines of each image and each class. */
  readonly similarities: Float32Array[];
  /** Softmax of the cosines times the model's scale. */
  readonly probabilities: Float32Array[];
  readonly predicted: number[];
}

/** A classifier made of a CLIP model and the names of classes. */
export class ZeroShotClassifier {
  readonly classes: readonly string[];
  /** Unit vectors of the classes, (classes, dimension). */
  readonly vectors: Float32Array;
  readonly #scale: number;
  readonly #images: Program;

  private constructor(classes: readonly string[], vectors: Float32Array, scale: number, images: Program) {
    this.classes = classes;
    this.vectors = vectors;
    this.#scale = scale;
    this.#images = images;
  }

  /** @throws where the model isn't CLIP's with both encoders, there are no classes, or a template has no {}. */
  static async open(model: Model, tokenizer: Tokenizer, o: ZeroShotOptions): Promise<ZeroShotClassifier> {
    const { classes, templates = ['a photo of a {}'] } = o;
    const { network, weights } = model;
    const scale = weights.get('logit_scale');
    if (!scale || !network.inputs['input_ids'] || !network.inputs['pixel_values'])
      throw new Error(`zero-shot: the model is a ${model.className}; needs a CLIPModel, with both encoders`);
    if (!classes.length) throw new Error('zero-shot: there are no classes; name two or more');
    for (const template of templates)
      if (!template.includes('{}')) throw new Error(`zero-shot: the template ${JSON.stringify(template)} has no {}`);
    const most = o.maxLength ?? network.longest?.['T'] ?? 77;
    const texts = classes.flatMap((name) => templates.map((template) => template.replace('{}', name)));
    const given = paddedTexts(texts.map((text) => tokenizer.encode(text, { maxLength: most }).ids));
    const texted = await programOf(model, 'text_embeds');
    const { text_embeds: found } = await texted.run(given);
    await texted.dispose();
    const D = found!.shape[1]!;
    const vectors = new Float32Array(classes.length * D);
    const n = templates.length;
    classes.forEach((_, c) => {
      const own = vectors.subarray(c * D, (c + 1) * D);
      for (let k = 0; k < n; k++) for (let d = 0; d < D; d++) own[d]! += Number(found!.data[(c * n + k) * D + d]) / n;
      const length = Math.hypot(...own);
      for (let d = 0; d < D; d++) own[d]! /= length;
    });
    return new ZeroShotClassifier(
      classes,
      vectors,
      Math.exp(Number(scale.data[0])),
      await programOf(model, 'image_embeds'),
    );
  }

  /** @param pixels (B, C, H, W), normalised as the model's images were */
  async classify(pixels: HostTensor): Promise<ZeroShotScores> {
    const { image_embeds: found } = await this.#images.run({ pixel_values: pixels });
    const [B, D] = found!.shape as [number, number];
    const similarities = Array.from({ length: B }, (_, b) =>
      Float32Array.from(this.classes, (__, c) => {
        let sum = 0;
        for (let d = 0; d < D; d++) sum += Number(found!.data[b * D + d]) * this.vectors[c * D + d]!;
        return sum;
      }),
    );
    const probabilities = similarities.map((row) => softmax(row.map((cosine) => this.#scale * cosine)));
    return { similarities, probabilities, predicted: similarities.map(largest) };
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.#images.dispose();
  }
}

// One encoder of the two: what the other would read is left out of the graph.
async function programOf({ network, weights, compileOptions }: Model, output: string): Promise<Program> {
  const inputs = Object.fromEntries(
    Object.entries(network.inputs)
      .filter(([name]) => name === 'pixel_values' || name === 'input_ids' || name === 'attention_mask')
      .map(([name, { shape, dtype }]) => [name, input(name, shape, dtype)]),
  );
  const program = await compile({ [output]: network.trace(inputs, evaluating())[output]!() }, compileOptions);
  await program.bind(usedBy(program, weights));
  return program;
}
