// Files that are never seen half-written: written under a temporary name beside the target, then renamed over it.
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

let serial = 0;

/** A name in the same folder that nobody else uses and that says whose it is: `.model.safetensors.host-4711-0.tmp`. */
export function temporaryName(path: string): string {
  const full = resolve(path);
  return join(dirname(full), `.${basename(full)}.${hostname()}-${process.pid}-${serial++}.tmp`);
}

/**
 * Writes a file through `write`, and puts it in place only once it is whole and on disk. Where anything fails, the
 * temporary file is removed and what was at `path` stays.
 */
export async function writeAtomic(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
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
  await syncFolder(dirname(resolve(path)));
}

/** Writes text or bytes to a file that is either the old one or the new one, never a part of either. */
export function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  return writeAtomic(path, (file) => file.writeFile(data));
}

/** Makes renames in a folder survive a power cut. Windows can't, and doesn't need to. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
