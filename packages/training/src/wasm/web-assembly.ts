// The part of WebAssembly's interface (https://webassembly.github.io/spec/js-api) that the kernels use: Node has it,
// and the types of the "dom" library, which would bring a whole browser, are left out here.

/** Memory that a module works on. Its buffer is an ordinary ArrayBuffer for everyone else. */
export interface Memory {
  readonly buffer: ArrayBuffer;
}

export interface Interface {
  readonly Memory: new (size: { initial: number; maximum: number; shared?: boolean }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}

/** Node's WebAssembly. */
export const WebAssembly: Interface = (globalThis as unknown as { WebAssembly: Interface }).WebAssembly;
