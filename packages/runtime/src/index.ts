export { assignWeights, type AssignWeightsOptions, type ExpectedWeight } from './assign-weights.ts';
export { writeAtomic, writeFileAtomic } from './atomic.ts';
export * from './checkpoint.ts';
export * from './compile.ts';
export { widen } from './half.ts';
export { hostTensor, type HostTensor } from './host-tensor.ts';
export * from './safetensors.ts';
export { SafetensorsError, type SafetensorsEntry, type SafetensorsHeader } from './safetensors-header.ts';
