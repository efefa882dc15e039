// Where Hugging Face's tools keep what they downloaded (https://huggingface.co/docs/huggingface_hub/guides/manage-cache):
// models--ORG--NAME/ with blobs/ (contents by their hash), snapshots/COMMIT/ (links to them) and refs/ (a branch's commit).
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

const variable = (name: string): string | undefined => process.env[name] || undefined;
const atHome = (path: string): string => path.replace(/^~(?=$|[/\\])/, () => homedir());

function home(): string {
  const cache = variable('XDG_CACHE_HOME') ?? join(homedir(), '.cache');
  return atHome(variable('HF_HOME') ?? join(cache, 'huggingface'));
}

/** The folder of all models, by the variables that Python's library reads: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME. */
export const cacheFolder = (given?: string): string =>
  atHome(given ?? variable('HF_HUB_CACHE') ?? variable('HUGGINGFACE_HUB_CACHE') ?? join(home(), 'hub'));

/** The folders of one model. */
export interface ModelCache {
  readonly folder: string;
  readonly blobs: string;
  /** The folder of a commit. */
  snapshot(commit: string): string;
  /** The file that says which commit a branch or tag was. */
  ref(revision: string): string;
}

/** Where a model lies. */
export function modelCache(id: string, cacheDir?: string): ModelCache {
  const folder = join(cacheFolder(cacheDir), `models--${id.replace('/', '--')}`);
  return {
    folder,
    blobs: join(folder, 'blobs'),
    snapshot: (commit) => join(folder, 'snapshots', commit),
    ref: (revision) => join(folder, 'refs', revision),
  };
}

/** Whether a text is a commit's hash. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** The variable that forbids downloads, or null. */
export const offlineVariable = (): string | null =>
  ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((name) =>
    ['1', 'ON', 'YES', 'TRUE'].includes((process.env[name] ?? '').toUpperCase()),
  ) ?? null;

/** The hub's address. */
export const hubAddress = (): string => (variable('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '');

/** The user's token: HF_TOKEN, or what `hf auth login` keeps; null where there is none. */
export async function storedToken(): Promise<string | null> {
  const given = variable('HF_TOKEN') ?? variable('HUGGING_FACE_HUB_TOKEN');
  if (given) return given.trim();
  const path = atHome(variable('HF_TOKEN_PATH') ?? join(home(), 'token'));
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim() || null;
}
