export * from './adaptive-avg-pool-2d.ts';
export * from './architectures/alexnet.ts';
export * from './architectures/cifar-resnet.ts';
export * from './architectures/clip.ts';
export * from './architectures/index.ts';
export * from './architectures/lenet.ts';
export * from './architectures/resnet.ts';
export * from './architectures/vgg.ts';
export * from './architectures/vit-mae.ts';
export * from './architectures/vit.ts';
export * from './attacks/attack.ts';
export * from './attacks/pixel-space.ts';
export * from './avg-pool-2d.ts';
export * from './batch-norm-2d.ts';
export * from './conv-2d.ts';
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
export * from './flatten.ts';
export * from './max-pool-2d.ts';
export * from './patch-projection.ts';
export * from './sine-cosine.ts';
