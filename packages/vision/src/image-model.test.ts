// Classifiers as folders: saved and opened, given other classes, and what their images go through.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { channelsOf, classFields, ImageModel } from './image-model.ts';
import { ImageProcessor } from './image-processor.ts';
import { pixels } from './images/pixels.ts';
import { visionArchitectures } from './architectures/index.ts';
import { AutoModel } from '@brickwork/transformer';

const root = mkdtempSync(join(tmpdir(), 'brickwork-image-model-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const image = pixels(20, 16, 3);
image.data.forEach((_, i) => (image.data[i] = (i * 31) % 256));

const processor = new ImageProcessor({
  transforms: [
    { type: 'resize', size: 10, kernel: 'bicubic' },
    { type: 'centerCrop', size: [8, 8] },
  ],
  normalization: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
});
const config = {
  ...{ model_type: 'vit', hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 },
  ...{ image_size: 8, patch_size: 4 },
  ...classFields(['ant', 'bee']),
};

describe('ImageModel', () => {
  test('saved and opened it names pictures as before', async () => {
    const model = ImageModel.fromConfig(config, processor, { seed: 3 });
    const before = await model.classify([image], { topK: 2 });
    const folder = join(root, 'saved');
    await model.save(folder);
    const opened = await ImageModel.fromPretrained(folder);
    expect(opened.classes).toEqual(['ant', 'bee']);
    expect(opened.processor).toEqual(processor);
    expect(await opened.classify([image], { topK: 2 })).toEqual(before);
    expect(before[0]!.map(({ probability }) => probability).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(await opened.classify([])).toEqual([]);
    await opened.dispose();
    await model.dispose();
  });

  test('other classes get a new last layer, and nothing else', () => {
    const model = ImageModel.fromConfig(config, processor, { seed: 3 });
    expect(model.withClasses(['ant', 'bee'])).toBe(model);
    const other = model.withClasses(['cat', 'dog', 'fish']);
    expect(other.classes).toEqual(['cat', 'dog', 'fish']);
    expect(other.model.initialized).toEqual(['classifier.weight', 'classifier.bias']);
    for (const [name, tensor] of model.model.weights)
      if (!name.startsWith('classifier.')) expect(other.model.weights.get(name)).toBe(tensor);
    // Two other classes are other classes, too.
    expect(model.withClasses(['cat', 'dog']).model.initialized).toHaveLength(2);
  });

  test('a masked autoencoder gives its encoder', () => {
    const mae = ImageModel.fromConfig(
      {
        ...config,
        model_type: 'vit_mae',
        decoder_hidden_size: 8,
        decoder_num_hidden_layers: 1,
        decoder_num_attention_heads: 2,
      },
      processor,
      { seed: 3 },
    );
    const classifier = mae.withClasses(['ant', 'bee']);
    expect(classifier.model.className).toBe('ViTForImageClassification');
    expect(classifier.model.initialized).toEqual(['classifier.weight', 'classifier.bias']);
    const name = 'vit.encoder.layer.0.attention.attention.query.weight';
    expect(classifier.model.weights.get(name)).toBe(mae.model.weights.get(name));
  });

  test('where nothing is said of sizes, pictures are brought to the network’s', async () => {
    const plain = new ImageProcessor({ normalization: { mean: [0.5, 0.5, 0.5] } });
    const folder = join(root, 'plain');
    await ImageModel.fromConfig(config, plain).save(folder);
    const opened = await ImageModel.fromPretrained(folder);
    expect(opened.processor.transforms).toEqual([
      { type: 'resize', size: 8 },
      { type: 'centerCrop', size: [8, 8] },
    ]);
    expect((await opened.classify([image]))[0]).toHaveLength(2);
    await opened.dispose();
  });

  test('a model of no images has no channels', () => {
    const model = AutoModel.fromConfig({ model_type: 'gpt2', n_embd: 8, n_layer: 1, n_head: 1, vocab_size: 16 });
    expect(() => channelsOf(model)).toThrow('it takes input_ids');
    expect(channelsOf(AutoModel.fromConfig(config, { architectures: visionArchitectures }))).toBe(3);
  });
});

describe('ImageProcessor', () => {
  const read = (c: object, channels: 1 | 3 = 3): Pick<ImageProcessor, 'transforms' | 'normalization'> => {
    const { transforms, normalization } = ImageProcessor.fromConfig(c as never, channels);
    return { transforms, normalization };
  };
  const imageNet = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
  test('as ViT, CLIP and ResNet have it at Hugging Face, old files and new', () => {
    expect(read({ do_resize: true, size: 224, resample: 2, do_normalize: true, ...imageNet })).toEqual({
      transforms: [{ type: 'resize', size: [224, 224], kernel: 'bilinear' }],
      normalization: { mean: imageNet.image_mean, std: imageNet.image_std },
    });
    expect(
      read({
        ...{ do_resize: true, size: { shortest_edge: 224 }, resample: 3, do_center_crop: true },
        ...{ crop_size: { height: 224, width: 224 }, do_rescale: true, rescale_factor: 1 / 255, do_normalize: true },
        ...imageNet,
      }).transforms,
    ).toEqual([
      { type: 'resize', size: 224, kernel: 'bicubic' },
      { type: 'centerCrop', size: [224, 224] },
    ]);
    expect(read({ do_resize: true, size: 224, do_center_crop: true, crop_size: 224, ...imageNet }).transforms).toEqual([
      { type: 'resize', size: 224, kernel: 'bilinear' },
      { type: 'centerCrop', size: [224, 224] },
    ]);
    expect(
      read({ feature_extractor_type: 'ConvNextFeatureExtractor', size: 224, crop_pct: 0.875, resample: 3, ...imageNet })
        .transforms,
    ).toEqual([
      { type: 'resize', size: 256, kernel: 'bicubic' },
      { type: 'centerCrop', size: 224 },
    ]);
  });
  test('other factors than 1/255 are part of the means', () => {
    // (x / 127.5 - 1) is (x / 255 - 0.5) / 0.5.
    const { normalization } = read({ rescale_factor: 1 / 127.5, image_mean: [1, 1, 1], image_std: [1, 1, 1] });
    expect(normalization.mean!.map((v) => Number(v.toFixed(6)))).toEqual([0.5, 0.5, 0.5]);
    expect(normalization.std!.map((v) => Number(v.toFixed(6)))).toEqual([0.5, 0.5, 0.5]);
    expect(read({ do_normalize: false, do_rescale: false }).normalization.std![0]).toBeCloseTo(1 / 255, 8);
  });
  test('what isn’t implemented or makes no sense is said', async () => {
    const bad =
      (c: object): (() => unknown) =>
      () =>
        read(c);
    expect(bad({ resample: 4 })).toThrow('resample is 4; known are 0 (nearest)');
    expect(bad({ do_pad: true })).toThrow('do_pad is true');
    expect(bad({ do_resize: true })).toThrow('there is no size');
    expect(bad({ do_resize: true, size: { longest_edge: 10 } })).toThrow('needs height and width, or shortest_edge');
    expect(bad({ do_center_crop: true })).toThrow('there is no crop_size');
    expect(bad({ image_mean: [0.5] })).toThrow('image_mean has 1 numbers for 3 channels');
    expect(() => new ImageProcessor({ transforms: [{ type: 'flip' }] }).toConfig()).toThrow('flip have no place');
    await expect(ImageProcessor.fromFolder(root)).rejects.toThrow('there is no such file, so how');
    writeFileSync(join(root, 'preprocessor_config.json'), '[1]');
    await expect(ImageProcessor.fromFolder(root)).rejects.toThrow('it holds no object');
    writeFileSync(join(root, 'preprocessor_config.json'), '{');
    await expect(ImageProcessor.fromFolder(root)).rejects.toThrow('it is no JSON');
  });
});
