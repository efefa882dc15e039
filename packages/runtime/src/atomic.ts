// Files that are never seen half-written: written under a temporary name beside the target, then renamed over it.
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

let serial = 0;

/** Writes a file through `write`, and puts it in place only once it is whole and on disk. */
export async function writeAtomic(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}-${serial++}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes text or bytes to a file that is either the old one or the new one, never a part. */
export function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  return writeAtomic(path, (file) => file.writeFile(data));
}
