// What is known of a file before it is read.
import { stat } from 'node:fs/promises';

/**
 * The bytes of a file.
 *
 * @param needs what it should be, for errors @throws where there is none, or it is a folder or a device.
 */
export async function fileSize(path: string, needs: string, name: string = path): Promise<number> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${name}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`, { cause: error });
  });
  if (!found.isFile()) throw new Error(`${name}: it is a ${found.isDirectory() ? 'folder' : 'device'}; needs ${needs}`);
  return found.size;
}
