// model.safetensors.index.json: which file of a checkpoint in shards holds which tensor.
import type { HostTensor } from './host-tensor.ts';

/** The file of weights, where there is one. */
export const singleFile = 'model.safetensors';
/** The index of the shards, where there are several. */
export const indexFile = 'model.safetensors.index.json';

/** A name of a file in the folder, and nothing that leads out of it. */
export const isPlainName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\\\0:]/.test(name);

/**
 * The names of the tensors in each shard, in the index's order.
 *
 * @param path of the index, for messages
 * @throws where it isn't an index, or names a file outside of the folder.
 */
export function shardsOf(index: Readonly<Record<string, unknown>>, path: string): Map<string, string[]> {
  const map = index['weight_map'];
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new Error(`${path} has no weight_map from tensor names to files`);
  const shards = new Map<string, string[]>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !isPlainName(file))
      throw new Error(
        `${path}: ${JSON.stringify(name)} is in ${JSON.stringify(file)}; needs the name of a file beside it`,
      );
    const names = shards.get(file);
    if (names) names.push(name);
    else shards.set(file, [name]);
  }
  return shards;
}

/**
 * The files of a checkpoint's weights by name: one, or shards in the order of the tensors and their index. A tensor that
 * is larger than a shard may be has one of its own.
 *
 * @param most bytes of tensors in one file
 */
export function splitIntoShards(
  tensors: ReadonlyMap<string, HostTensor>,
  most: number,
): Record<string, ReadonlyMap<string, HostTensor> | string> {
  if (!(most > 0)) throw new Error(`saveCheckpoint: maxShardSize is ${most}; needs a number of bytes above 0`);
  const shards: Map<string, HostTensor>[] = [];
  let room = 0;
  let total = 0;
  for (const [name, tensor] of tensors) {
    const { byteLength } = tensor.data;
    if (!shards.length || (byteLength > room && shards.at(-1)!.size)) {
      shards.push(new Map());
      room = most;
    }
    shards.at(-1)!.set(name, tensor);
    room -= byteLength;
    total += byteLength;
  }
  if (shards.length < 2) return { [singleFile]: tensors };
  const digits = (n: number): string => String(n).padStart(5, '0');
  const files = shards.map((_, i) => `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`);
  const map = shards.flatMap((shard, i) => [...shard.keys()].map((name) => [name, files[i]!] as const));
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(map) };
  return {
    ...Object.fromEntries(shards.map((shard, i) => [files[i]!, shard])),
    [indexFile]: `${JSON.stringify(index, null, 2)}\n`,
  };
}
