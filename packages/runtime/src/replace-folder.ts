// Replaces a whole folder so that a crash at any moment leaves the old one or the new one complete, never a mixture.
//
// The new folder is written beside the target as `.NAME.HOST-PID-N.tmp`; once all of it is on disk it becomes
// `.NAME.new`. A target that doesn't exist yet (or is empty) is then made by one rename, which is atomic. No file
// system call that Node has swaps two folders, so an existing target takes two renames: the old to `.NAME.old`, the new
// into its place. A crash between these two leaves both complete under those names, and `recoverFolder`, which every
// load and save of a checkpoint calls first, finishes what was begun: the new one goes into place.
import { existsSync, renameSync, type Dirent } from 'node:fs';
import { copyFile, link, lstat, mkdir, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { syncFolder, temporaryName } from './atomic.ts';

/** How to replace a folder. */
export interface ReplaceFolderOptions {
  /** Which files of the old folder go with it; the rest are kept in the new one. Folders in it are always kept. */
  readonly drop: (name: string) => boolean;
  /** A folder that exists, holds something, but not this file is refused: it is someone's, not ours to replace. */
  readonly proof: string;
}

const newName = (folder: string): string => join(dirname(folder), `.${basename(folder)}.new`);
const oldName = (folder: string): string => join(dirname(folder), `.${basename(folder)}.old`);

/**
 * Fills a new folder through `write` and puts it in the place of `path`.
 *
 * @throws what `write` throws, with nothing changed; an Error where the target is no folder, is not ours, or is in use.
 */
export async function replaceFolder(
  path: string,
  write: (temporary: string) => Promise<void>,
  o: ReplaceFolderOptions,
): Promise<void> {
  await recoverFolder(path);
  const target = await resolved(path);
  const existing = await entries(target);
  if (existing?.length && !existing.some((e) => e.name === o.proof))
    throw new Error(
      `${path} is not empty and has no ${o.proof}; give a new folder, so that nothing of yours is replaced`,
    );
  if (existing && `${process.cwd()}${sep}`.startsWith(`${target}${sep}`))
    throw new Error(
      `${path} is the folder that this process works in, or holds it, and can't be replaced; give a folder inside it`,
    );
  const made = await mkdir(dirname(target), { recursive: true });
  await tidy(target);
  const temporary = temporaryName(target);
  const ready = newName(target);
  try {
    await mkdir(temporary);
    await write(temporary);
    for (const entry of existing ?? [])
      if (entry.isFile() && !o.drop(entry.name)) await keep(target, temporary, entry.name);
    await syncFolder(temporary);
    await rm(ready, { recursive: true, force: true });
    await rename(temporary, ready);
    swap(ready, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    await rm(ready, { recursive: true, force: true });
    if (made) await removeEmpty(dirname(target), made);
    throw error;
  }
  await syncFolder(dirname(target));
  await tidy(target);
}

// Synchronous, so that nothing of this process comes between the two renames.
function swap(ready: string, target: string): void {
  try {
    return renameSync(ready, target); // there was none, or an empty one
  } catch (error) {
    if (!existsSync(target)) throw error;
  }
  renameSync(target, oldName(target));
  try {
    renameSync(ready, target);
  } catch (error) {
    // A reader may have found the target missing and brought the new one forward itself.
    if (!existsSync(ready) && existsSync(target)) return;
    renameSync(oldName(target), target);
    throw error;
  }
}

/**
 * Finishes a replacement that a crash interrupted between its two renames. Where there was none, which is nearly
 * always, it looks once and does nothing. Readers may call it while another process replaces the folder.
 */
export async function recoverFolder(path: string): Promise<void> {
  const target = await resolved(path);
  if (await entries(target)) return;
  // The new folder is complete, and goes forward. Without it, the old goes back.
  for (const from of [newName(target), oldName(target)])
    try {
      return await rename(from, target);
    } catch (error) {
      if (existsSync(target)) return; // its writer was faster
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
}

// Removes what is left of earlier replacements: the old folder, and unfinished new ones of processes that were killed.
async function tidy(target: string): Promise<void> {
  const old = oldName(target);
  const left = await entries(old);
  if (left) {
    // Folders inside the old one weren't part of what was replaced: they move to the new one.
    const there = new Set((await entries(target))?.map((e) => e.name));
    for (const entry of left)
      if (entry.isDirectory() && !there.has(entry.name)) await rename(join(old, entry.name), join(target, entry.name));
    await rm(old, { recursive: true, force: true });
  }
  const start = `.${basename(target)}.${hostname()}-`;
  for (const { name } of (await entries(dirname(target))) ?? []) {
    const pid = name.startsWith(start) && /^(\d+)-\d+\.tmp$/.exec(name.slice(start.length))?.[1];
    if (pid && !isRunning(Number(pid))) await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}

// Removes the folders from `path` up to `top` that hold nothing.
async function removeEmpty(path: string, top: string): Promise<void> {
  try {
    for (let folder = path; ; folder = dirname(folder)) {
      await rmdir(folder);
      if (resolve(folder) === resolve(top)) return;
    }
  } catch {
    // Someone has put something there meanwhile: it stays.
  }
}

// A link costs nothing and keeps files that are being appended to; file systems without links get a copy.
async function keep(from: string, to: string, name: string): Promise<void> {
  if (await lstat(join(to, name)).catch(() => null)) return;
  await link(join(from, name), join(to, name)).catch(() => copyFile(join(from, name), join(to, name)));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

// A link to a folder stays one: what it points at is replaced.
const resolved = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

// The entries of a folder, or null where there is none.
async function entries(path: string): Promise<Dirent[] | null> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw code === 'ENOTDIR' ? new Error(`${path} is a file; needs a folder`) : error;
  }
}
