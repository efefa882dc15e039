// A graph as the engine reads it: bytes, or a file where it is too large for those.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toOnnx, topologicalOrder, writeOnnx, type Tensor } from '@brickwork/graph';

/** What `compile` opens. */
export interface ModelSource {
  /** The bytes of a model, or the path of its file. */
  readonly model: Uint8Array | string;
  /** To be called once the engine has opened it. */
  release(): Promise<void>;
}

/** A model in one piece has fewer bytes than 2 GiB. */
const mostInside = 2 ** 31 - 2 ** 24;

/**
 * The ONNX model of named outputs. Constants of more bytes than `most` go to a file in the system's temporary folder, which
 * the engine maps into memory.
 *
 * @throws where there is no room for that file.
 */
export async function modelSource(
  outputs: Readonly<Record<string, Tensor>>,
  { most = mostInside, signal }: { readonly most?: number; readonly signal?: AbortSignal } = {},
): Promise<ModelSource> {
  const constants = new Set<Tensor>();
  for (const { inputs } of topologicalOrder(Object.values(outputs)))
    for (const x of inputs) if (x.data) constants.add(x);
  let bytes = 0;
  for (const { data } of constants) bytes += data!.byteLength;
  if (bytes <= most) return { model: toOnnx(outputs), release: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), 'brickwork-model-'));
  const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const model = join(folder, 'model.onnx');
    await writeOnnx(model, outputs, { externalData: { limit: 0 }, ...(signal && { signal }) });
    return { model, release };
  } catch (error) {
    await release();
    throw error;
  }
}
