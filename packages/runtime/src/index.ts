export * from './atomic.ts';
export * from './checkpoint.ts';
export * from './compile.ts';
export * from './host-tensor.ts';
export * from './safetensors.ts';
export * from './widen.ts';
