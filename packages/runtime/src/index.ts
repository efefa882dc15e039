export { assignWeights, type AssignWeightsOptions, type ExpectedWeight } from './assign-weights.ts';
export { writeAtomic, writeFileAtomic } from './atomic.ts';
export * from './checkpoint.ts';
export * from './compile.ts';
export { widen } from './half.ts';
export {
  downloadModel,
  isHubId,
  resolveModel,
  type DownloadOptions,
  type DownloadProgress,
} from './hub/download-model.ts';
export { tokenizerFileNames, type ModelPart } from './hub/needed-files.ts';
export { hostTensor, type HostTensor } from './host-tensor.ts';
export { findProvider, type FoundProvider } from './find-provider.ts';
export { modelSource, type ModelSource } from './model-source.ts';
export { moduleUrl } from './module-url.ts';
export type { OperatorTime, Placement } from './profile.ts';
export type * from './program.ts';
export type { Provider } from './providers.ts';
export { forgetGate, openGate, uninterrupted, type Gate } from './uninterrupted.ts';
export { usedBy } from './used-by.ts';
export { fromBlocks, toBlocks, type BlockMatrix } from './quantize/blocks.ts';
export { blocksConfig, type BlocksConfig, type StoredBlocks } from './quantize/stored-blocks.ts';
export { ConstantWeights, type ConstantWeightsOptions, type WeightFormat } from './quantize/constant-weights.ts';
export { recoverFolder, replaceFolder, type ReplaceFolderOptions } from './replace-folder.ts';
export * from './safetensors.ts';
export { SafetensorsError, type SafetensorsEntry, type SafetensorsHeader } from './safetensors-header.ts';
