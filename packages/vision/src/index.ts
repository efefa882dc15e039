export * from './adaptive-avg-pool-2d.ts';
export * from './architectures/alexnet.ts';
export * from './architectures/cifar-resnet.ts';
export * from './architectures/classics.ts';
export * from './architectures/clip.ts';
export * from './architectures/conv-net.ts';
export * from './architectures/conv-vae.ts';
export * from './architectures/index.ts';
export * from './architectures/lenet.ts';
export * from './architectures/resnet.ts';
export * from './architectures/torchvision-resnet.ts';
export * from './architectures/vgg.ts';
export * from './architectures/vit-mae.ts';
export * from './architectures/vit.ts';
export * from './attacks/attack.ts';
export * from './attacks/pixel-space.ts';
export * from './avg-pool-2d.ts';
export * from './batch-norm-2d.ts';
export * from './conv-2d.ts';
export * from './conv-transpose-2d.ts';
export * from './data/cifar-images.ts';
export * from './data/idx-images.ts';
export { imageBatches, type ImageBatches, type ImageBatchesOptions } from './data/image-batches.ts';
export * from './data/image-files.ts';
export * from './data/image-set.ts';
export * from './data/image-statistics.ts';
export type { ReadImages } from './data/in-order.ts';
export { storedImage } from './data/read-image.ts';
export * from './explain/deconvnet.ts';
export * from './explain/enlarge.ts';
export * from './explain/filters.ts';
export { featureMaps, gradCam, type GradCam, type GradCamOptions } from './explain/grad-cam.ts';
export * from './explain/integrated-gradients.ts';
export * from './explain/layer-tensors.ts';
export {
  ImageClassifier,
  type ImageClassifierParts,
  type Scores,
  type Targets,
  type TracedImages,
} from './explain/image-classifier.ts';
export * from './explain/occlusion.ts';
export * from './explain/pixel-gradients.ts';
export * from './explain/strongest.ts';
export * from './flatten.ts';
export * from './image-model.ts';
export * from './image-processor.ts';
export * from './images/decode-image.ts';
export * from './images/encode-image.ts';
export * from './images/normalize.ts';
export * from './images/pixels.ts';
export * from './images/resize.ts';
export * from './local-response-norm.ts';
export * from './max-pool-2d.ts';
export * from './max-unpool-2d.ts';
export * from './patch-projection.ts';
export * from './pictures/colours.ts';
export * from './pictures/sheet.ts';
export * from './search/similar-images.ts';
export * from './sine-cosine.ts';
export { adversarialBatch, type AdversarialOptions } from './train/adversarial.ts';
export {
  evaluateImages,
  readImages,
  type EvaluateImagesOptions,
  type ImageEvaluation,
  type ReadImagesOptions,
} from './train/evaluate-images.ts';
export { noiseInputs, textInputs, type ExtraInputs, type TextInputsOptions } from './train/extra-inputs.ts';
export * from './train/image-features.ts';
export * from './train/image-loss.ts';
export * from './train/last-hidden.ts';
export * from './train/linear-probe.ts';
export * from './train/sim-clr.ts';
export * from './train/train-classifier.ts';
export * from './train/zero-shot.ts';
export type { AffineTransform, Warp } from './transforms/affine.ts';
export { warp } from './transforms/affine.ts';
export type { BlurTransform } from './transforms/blur.ts';
export type { ColorJitterTransform } from './transforms/color-jitter.ts';
export { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './transforms/color-jitter.ts';
export type { CenterCropTransform, RandomCropTransform } from './transforms/crop.ts';
export type { CutoutTransform } from './transforms/cutout.ts';
export type { SizeField } from './transforms/fields.ts';
export type { FlipTransform } from './transforms/flip.ts';
export type { GrayscaleTransform } from './transforms/grayscale.ts';
export type { ColorDirections, LightingTransform } from './transforms/lighting.ts';
export * from './transforms/mixup.ts';
export type { RandomResizedCropTransform } from './transforms/random-resized-crop.ts';
export type { ResizeTransform } from './transforms/resize-to.ts';
export * from './transforms/ten-crop.ts';
export { applyTransforms, checkTransforms, type Transform } from './transforms/transform.ts';
