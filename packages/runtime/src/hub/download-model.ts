// Models from the Hugging Face hub, in the cache that Hugging Face's own tools share: what they fetched is found here, and
// the reverse. @huggingface/hub asks the hub what there is; its downloads don't resume, nor compare hashes, so files are
// fetched here.
import type { Stats } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../atomic.ts';
import { recoverFolder } from '../replace-folder.ts';
import { indexFile, shardsOf, singleFile } from '../shards.ts';
import { hubAddress, isCommit, modelCache, offlineVariable, storedToken, type ModelCache } from './cache-paths.ts';
import { downloadBlob } from './download-blob.ts';
import { isModuleFolder, neededFiles, type ModelPart } from './needed-files.ts';
import { pause, refused, Refused, Unreachable } from './refused.ts';

/** How far a file is. */
export interface DownloadProgress {
  readonly file: string;
  /** Bytes that are there. */
  readonly loaded: number;
  /** Bytes in all. */
  readonly total: number;
}

/** What to fetch, and how. */
export interface DownloadOptions {
  /** A branch, a tag, or a commit's hash; `main` unless given. */
  readonly revision?: string;
  /** What of the model is wanted: all of it unless given. */
  readonly parts?: readonly ModelPart[];
  /** Uses only what the cache holds; what HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE say unless given. */
  readonly offline?: boolean;
  /** The folder of all models; as HF_HUB_CACHE and HF_HOME say unless given. */
  readonly cacheDir?: string;
  /** For private and gated models; HF_TOKEN, or what `hf auth login` kept, unless given. */
  readonly token?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

const allParts: readonly ModelPart[] = ['config', 'tokenizer', 'weights'];

/** Whether a text can be a model's name on the hub: `org/name`, or a name alone. */
export const isHubId = (text: string): boolean =>
  text.length <= 96 &&
  /^[A-Za-z0-9](?:[\w.-]*\/[\w.-]+|[\w.-]*)$/.test(text) &&
  !/--|\.\.|[.-]$|\/[.-]|\.git$/.test(text);

/**
 * The folder of a model: the path itself where it is a folder, otherwise that of a download.
 *
 * @throws where there is neither such a folder nor such a model on the hub; see {@link downloadModel}.
 */
export async function resolveModel(pathOrId: string, options: DownloadOptions = {}): Promise<string> {
  const look = (): Promise<Stats | null> => stat(pathOrId).catch(() => null);
  let found = await look();
  if (!found) {
    await recoverFolder(pathOrId);
    found = await look();
  }
  if (found?.isDirectory()) return pathOrId;
  if (found)
    throw new Error(`resolveModel: ${pathOrId} is a file; needs the folder of a model, or its name on the hub`);
  if (!isHubId(pathOrId)) throw new Error(`resolveModel: there is no folder ${pathOrId}`);
  try {
    return await downloadModel(pathOrId, options);
  } catch (error) {
    if (error instanceof Refused || error instanceof Missing)
      throw new Error(`${error.message} (There is no folder ${pathOrId} here either.)`, { cause: error });
    throw error;
  }
}

/**
 * Downloads what a model needs, if the cache doesn't have it yet, and gives the folder that holds it: config.json,
 * the tokenizer's files, and weights in safetensors, whole or in shards.
 *
 * Files are continued where an earlier run was interrupted, and compared with their hashes before they count. Where the
 * hub can't be reached, a model that the cache has whole is used.
 *
 * @throws where the hub refuses (the message says why and what to do), it has no weights that can be read here, what it
 *   sends is not what it says, or, offline, the cache lacks something.
 */
export async function downloadModel(id: string, options: DownloadOptions = {}): Promise<string> {
  const { revision = 'main', parts = allParts, cacheDir, signal } = options;
  signal?.throwIfAborted();
  if (!isHubId(id)) throw new Error(`downloadModel: ${JSON.stringify(id)} is no model's name; needs org/name`);
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(revision) || revision.split('/').some((part) => /^\.+$/.test(part)))
    throw new Error(`downloadModel: revision is ${JSON.stringify(revision)}; needs a branch, a tag or a commit`);
  const cache = modelCache(id, cacheDir);
  const forbidden = options.offline === undefined ? offlineVariable() : null;
  if (options.offline || forbidden) {
    const found = await inCache(cache, revision, parts);
    if (found.missing === null) return found.folder;
    throw new Missing(
      `downloadModel: ${id} ${found.missing}, and downloads are off (${forbidden ?? 'offline: true'}); run once without that`,
    );
  }
  try {
    return await update(id, revision, parts, cache, options);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const found = await inCache(cache, revision, parts);
    if (found.missing === null) return found.folder;
    throw new Error(`${error.message}, and ${id} ${found.missing}`, { cause: error });
  }
}

/** Not in the cache. */
class Missing extends Error {}

interface Entry {
  readonly path: string;
  readonly size: number;
  readonly hash: string;
}

async function update(
  id: string,
  revision: string,
  parts: readonly ModelPart[],
  cache: ModelCache,
  { token, signal, onProgress }: DownloadOptions,
): Promise<string> {
  const hub = hubAddress();
  const secret = token ?? (await storedToken());
  const askOnce: typeof fetch = async (url, init) => {
    const headers = new Headers(init?.headers);
    if (secret) headers.set('authorization', `Bearer ${secret}`); // fetch drops it where it is sent elsewhere
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers, ...(signal && { signal }) });
    } catch (cause) {
      signal?.throwIfAborted();
      const why = (cause as { cause?: { code?: string; message?: string } }).cause;
      throw new Unreachable(`downloadModel: ${hub} can't be reached (${why?.code ?? why?.message ?? String(cause)})`, {
        cause,
      });
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw refused(response, { id, revision, hub, token: secret !== null });
  };
  const ask: typeof fetch = async (url, init) => {
    for (let wait = 250; ; wait *= 2)
      try {
        return await askOnce(url, init);
      } catch (error) {
        if (!(error instanceof Refused && error.isPassing) || wait > 2000) throw error;
        await pause(wait, signal);
      }
  };
  // Loaded where it is needed: a start without it is faster.
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  const commit = isCommit(revision)
    ? revision
    : (await modelInfo({ name: id, revision, hubUrl: hub, additionalFields: ['sha'], fetch: ask })).sha;
  if (typeof commit !== 'string' || !isCommit(commit))
    throw new Error(`downloadModel: ${id}: the hub calls the revision ${JSON.stringify(commit)}, which is no commit`);
  const entries = new Map<string, Entry>();
  const folders: string[] = [];
  const list = async (within?: string): Promise<void> => {
    const where = {
      repo: id,
      revision: commit,
      hubUrl: hub,
      fetch: ask,
      ...(within !== undefined && { path: within }),
    };
    for await (const { type, path, size, oid, lfs } of listFiles(where)) {
      const hash = lfs?.oid ?? oid;
      if (type === 'directory') folders.push(path);
      if (type === 'file' && typeof hash === 'string' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash))
        entries.set(path, { path, size: lfs?.size ?? size, hash });
    }
  };
  await list();
  const names = new Set(entries.keys());
  for (const path of folders.filter((one) => isModuleFolder(one, names))) await list(path);
  const folder = cache.snapshot(commit);
  await mkdir(folder, { recursive: true });
  await mkdir(cache.blobs, { recursive: true });
  const get = async (name: string): Promise<void> => {
    const entry = entries.get(name);
    if (!entry) throw new Error(`downloadModel: ${id} lacks ${name}, which its ${indexFile} names`);
    const { size: total, hash } = entry;
    const onBytes = onProgress && ((loaded: number): void => onProgress({ file: name, loaded, total }));
    if (!(await isThere(join(folder, name), total))) {
      const url = `${hub}/${id}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`;
      const from = (at: number): Promise<Response> =>
        ask(url, { headers: { 'accept-encoding': 'identity', ...(at && { range: `bytes=${at}-` }) } });
      await downloadBlob(
        join(cache.blobs, hash),
        { file: `${id}/${name}`, size: total, hash, fetch: from },
        { signal, onBytes },
      );
      const up = '../'.repeat(name.split('/').length - 1);
      if (up) await mkdir(dirname(join(folder, name)), { recursive: true });
      await place(join(cache.blobs, hash), join(folder, name), `${up}../../blobs/${hash}`, total);
    }
  };
  const needed = neededFiles(new Set(entries.keys()), parts, `downloadModel: ${id}`);
  for (const name of needed) await get(name);
  if (needed.includes(indexFile)) {
    const path = join(folder, indexFile);
    for (const name of shardsOf(await readIndex(path), path).keys()) await get(name);
  }
  if (revision !== commit) {
    await mkdir(dirname(cache.ref(revision)), { recursive: true });
    await writeFileAtomic(cache.ref(revision), commit);
  }
  return folder;
}

const isThere = async (path: string, size: number): Promise<boolean> =>
  (await stat(path).catch(() => null))?.size === size;

// A relative link, so that the cache can be moved; a copy where the system allows none (Windows).
async function place(blob: string, path: string, target: string, size: number): Promise<void> {
  for (;;)
    try {
      return await symlink(target, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') return await copyFile(blob, path);
      if (await isThere(path, size)) return; // another process was faster
      await rm(path, { force: true });
    }
}

async function readIndex(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8');
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new Error(`${path} is not JSON with an object`);
}

// The folder of a revision in the cache, and what keeps it from being used.
async function inCache(
  cache: ModelCache,
  revision: string,
  parts: readonly ModelPart[],
): Promise<{ folder: string; missing: string | null }> {
  const commit = isCommit(revision) ? revision : (await readFile(cache.ref(revision), 'utf8').catch(() => '')).trim();
  const folder = cache.snapshot(commit);
  const names = isCommit(commit) ? await readdir(folder).catch(() => null) : null;
  if (!names)
    return { folder, missing: `${revision === 'main' ? '' : `at ${revision} `}is not in the cache ${cache.folder}` };
  const there = new Set<string>();
  for (const name of names) if ((await stat(join(folder, name)).catch(() => null))?.isFile()) there.add(name);
  const missing: string[] = [];
  // The body of a sentence encoder may be in a folder of its own, with its config.json and weights.
  const isApart = there.has('modules.json') && !there.has('config.json');
  if (parts.includes('config') || parts.includes('weights'))
    if (!there.has('config.json') && !isApart) missing.push('config.json');
  if (parts.includes('weights') && !there.has(singleFile) && !isApart) {
    if (!there.has(indexFile)) missing.push(singleFile);
    else {
      const path = join(folder, indexFile);
      missing.push(...[...shardsOf(await readIndex(path), path).keys()].filter((name) => !there.has(name)));
    }
  }
  const what = missing.length ? `lacks ${missing.join(', ')} in the cache ${folder}` : null;
  return { folder, missing: what };
}
