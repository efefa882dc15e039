// One file of the hub into the cache: continued where it was interrupted, compared with its hash, and only then renamed
// to the name under which it is found. Any number of processes may want the same file.
import { createHash, type Hash } from 'node:crypto';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pause, Unreachable } from './refused.ts';

/** What is to be fetched. */
export interface BlobSource {
  /** The file's name, for messages. */
  readonly file: string;
  readonly size: number;
  /** SHA-256 of its content (64 digits), or git's SHA-1 of a blob (40 digits). */
  readonly hash: string;
  /** Asks for the file from a byte on; throws Refused or Unreachable. */
  readonly fetch: (from: number, signal: AbortSignal | undefined) => Promise<Response>;
}

/** How to fetch it. */
export interface DownloadBlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears how many bytes are there. */
  readonly onBytes?: ((loaded: number) => void) | undefined;
}

/** What was received isn't what the hub says it has. */
class WrongContent extends Error {
  /** How much of it was there before. */
  began = 0;
}

/** Connections in a row that may bring nothing. */
const tries = 5;
/** A file of a process that is still there, but hasn't written for so long, is taken over. */
const patience = 120_000;
let serial = 0;

/**
 * Downloads a file to `path`, whose name is its hash. Where another process is at it, waits for that one, and takes over
 * if it ends. What was received stays as `HASH.incomplete` where this fails, unless it is wrong.
 */
export async function downloadBlob(path: string, source: BlobSource, o: DownloadBlobOptions): Promise<void> {
  for (let again = true; ;) {
    o.signal?.throwIfAborted();
    if ((await stat(path).catch(() => null))?.size === source.size) return o.onBytes?.(source.size);
    const claimed = await claim(path);
    if ('waitsFor' in claimed) {
      const other = await stat(claimed.waitsFor).catch(() => null);
      if (other) o.onBytes?.(Math.min(other.size, source.size));
      await pause(200, o.signal);
      continue;
    }
    try {
      const file = await open(claimed.working, 'r+');
      try {
        await receive(file, source, o);
        await file.sync();
      } finally {
        await file.close();
      }
      return await rename(claimed.working, path);
    } catch (error) {
      if (!(error instanceof WrongContent)) {
        await rename(claimed.working, `${path}.incomplete`).catch(() => {});
        throw error;
      }
      await rm(claimed.working, { force: true });
      // What was there before may have been wrong: once more, from the beginning.
      if (!again || !error.began) throw error;
      again = false;
    }
  }
}

// Takes what another process left, or begins a new file; each is written by the one process that its name says. Renaming
// is atomic, so of two that want the same leftover one gets it.
async function claim(path: string): Promise<{ working: string } | { waitsFor: string }> {
  const folder = dirname(path);
  const hash = basename(path);
  const own = (): string => join(folder, `${hash}.${hostname()}-${process.pid}-${serial++}.incomplete`);
  for (;;) {
    const left: string[] = [];
    for (const name of await readdir(folder)) {
      if (!name.startsWith(`${hash}.`) || !name.endsWith('.incomplete')) continue;
      const whose = name.slice(hash.length + 1, -'.incomplete'.length);
      const at = join(folder, name);
      if (whose && (await isAtWork(at, whose))) return { waitsFor: at };
      left.push(at);
    }
    const working = own();
    if (!left.length) {
      await (await open(working, 'wx')).close();
      return { working };
    }
    const taken = await rename(left[0]!, working).then(
      () => true,
      () => false,
    );
    if (taken) return { working };
  }
}

async function isAtWork(path: string, whose: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (!found || Date.now() - found.mtimeMs > patience) return false;
  const pid = whose.startsWith(`${hostname()}-`) ? /-(\d+)-\d+$/.exec(whose)?.[1] : undefined;
  if (pid === undefined) return true; // on another machine, which shares this disk
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

// Fills the file from where it ends.
async function receive(file: FileHandle, source: BlobSource, { signal, onBytes }: DownloadBlobOptions): Promise<void> {
  let hash = hashOf(source);
  let at = (await file.stat()).size;
  if (at > source.size) await file.truncate((at = 0));
  const began = at;
  const fail = (what: string): never => {
    const text = `downloadModel: ${source.file}: what was received ${what}; nothing of it was kept. Try again; is there a proxy in between?`;
    throw Object.assign(new WrongContent(text), { began });
  };
  await hashExisting(file, at, hash, signal);
  onBytes?.(at);
  for (let failures = 0; at < source.size;) {
    const before = at;
    try {
      const response = await source.fetch(at, signal);
      if (response.status !== 206 && at) {
        // The whole file, though only its end was asked for.
        at = 0;
        hash = hashOf(source);
        await file.truncate(0);
      }
      for await (const bytes of response.body ?? []) {
        signal?.throwIfAborted();
        if (at + bytes.length > source.size) fail('is longer than the hub says');
        for (let i = 0; i < bytes.length;) i += (await file.write(bytes, i, bytes.length - i, at + i)).bytesWritten;
        hash.update(bytes);
        at += bytes.length;
        onBytes?.(at);
      }
      if (at < source.size) throw new Unreachable('the connection ended');
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TypeError || error instanceof Unreachable)) throw error; // fetch throws TypeErrors
      failures = at > before ? 0 : failures + 1;
      if (failures === tries)
        throw new Unreachable(
          `downloadModel: ${source.file}: the connection fails (${at} of ${source.size} bytes are there); run again to continue`,
          { cause: error },
        );
      if (failures) await pause(100 * 2 ** failures, signal);
    }
  }
  const digest = hash.digest('hex');
  if (digest !== source.hash) fail(`has the hash ${digest}, but the hub says ${source.hash}`);
}

function hashOf({ hash, size }: BlobSource): Hash {
  if (hash.length === 64) return createHash('sha256');
  return createHash('sha1').update(`blob ${size}\0`); // as git names its blobs
}

async function hashExisting(file: FileHandle, length: number, hash: Hash, signal?: AbortSignal): Promise<void> {
  const piece = new Uint8Array(Math.min(length, 2 ** 22));
  for (let at = 0; at < length;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, length - at), at);
    if (!bytesRead) throw new WrongContent('downloadModel: the unfinished file became shorter');
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
}
