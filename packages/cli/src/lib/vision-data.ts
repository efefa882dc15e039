// The pictures that the vision commands read: a folder with a folder for each class, a table, IDX files, or CIFAR's.
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ImageSet } from '@brickwork/vision';
import { usage } from './errors.ts';
import { flags } from './flags.ts';

/** What the flags hold. */
export interface ImageDataArgs {
  readonly data: readonly string[];
  readonly labels?: string;
  readonly format?: 'folder' | 'table' | 'idx' | 'cifar10' | 'cifar100';
  readonly pathColumn?: string;
  readonly labelColumn?: string;
  readonly skipBroken: boolean;
  readonly workers?: number;
}

/** `--data` and what says how it is read. */
export const imageDataFlags: ReturnType<typeof flags> = flags('Data', {
  data: {
    type: 'texts',
    alias: 'd',
    describe:
      'a folder with a folder of pictures for each class, a table of paths and classes, an IDX file of images (MNIST), or CIFAR’s .bin files',
  },
  format: {
    type: 'choice',
    choices: ['folder', 'table', 'idx', 'cifar10', 'cifar100'],
    describe: 'what it is; told from names unless given',
  },
  labels: { type: 'text', describe: 'IDX: the file of labels; found beside the images unless given' },
  'path-column': { type: 'text', describe: 'tables: the column of paths; path, file or image unless given' },
  'label-column': { type: 'text', describe: 'tables: the column of classes; label or class unless given' },
  'skip-broken': {
    type: 'switch',
    default: false,
    describe: 'name pictures that can’t be read and go on without them',
  },
  workers: {
    type: 'number',
    min: 0,
    max: 64,
    whole: true,
    describe: 'threads that read pictures; one less than there are cores unless given',
  },
});

/**
 * Reads what `--data` names.
 *
 * @param classes of a model, in its order; those of the data unless given
 * @throws where it can't be told what the data are, or they are broken.
 */
export async function readImageData(
  a: Omit<ImageDataArgs, 'skipBroken'>,
  {
    classes,
    paths = a.data,
  }: { readonly classes?: readonly string[] | undefined; readonly paths?: readonly string[] } = {},
): Promise<ImageSet> {
  const [first, ...more] = paths;
  if (first === undefined) throw usage('no pictures given', '--data FOLDER');
  const vision = await import('@brickwork/vision');
  const named = classes?.length ? { classes } : {};
  const format = a.format ?? formatOf(first);
  if (more.length && format !== 'cifar10' && format !== 'cifar100')
    throw usage(`--data was given ${paths.length} times; ${format} takes one`);
  switch (format) {
    case 'folder':
      return vision.imageFolder(first, named);
    case 'table':
      return vision.imageTable(first, {
        ...named,
        ...(a.pathColumn !== undefined && { path: a.pathColumn }),
        ...(a.labelColumn !== undefined && { label: a.labelColumn }),
      });
    case 'idx': {
      const labels = a.labels ?? labelsBeside(first);
      return vision.idxImages({ images: first, ...named, ...(labels !== null && { labels }) });
    }
    case 'cifar10':
      return vision.cifarImages(paths, named);
    case 'cifar100':
      return vision.cifarImages(paths, { ...named, labels: 2 });
  }
}

function formatOf(path: string): NonNullable<ImageDataArgs['format']> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw usage(`--data ${path}: there is no such file or folder`);
  if (found.isDirectory()) return 'folder';
  if (/idx\d?[-.]|ubyte/i.test(basename(path))) return 'idx';
  if (/\.(csv|tsv|jsonl|ndjson|parquet)(\.gz)?$/i.test(path)) return 'table';
  if (/\.bin(\.gz)?$/i.test(path)) return 'cifar10';
  throw usage(
    `--data ${path}: what it is can’t be told from its name`,
    '--format folder, table, idx, cifar10 or cifar100',
  );
}

// train-images-idx3-ubyte has its labels in train-labels-idx1-ubyte.
function labelsBeside(images: string): string | null {
  const name = basename(images).replace('images', 'labels').replace('idx3', 'idx1');
  const beside = join(dirname(images), name);
  return beside !== images && statSync(beside, { throwIfNoEntry: false })?.isFile() ? beside : null;
}

/** Pictures that are given by name: files, and all of folders. @throws where there are none. */
export async function pictureFiles(paths: readonly string[]): Promise<string[]> {
  const { findImages } = await import('@brickwork/vision');
  const found: string[] = [];
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) throw usage(`${path}: there is no such file or folder`);
    if (stat.isDirectory()) found.push(...(await findImages(path)));
    else found.push(path);
  }
  if (!found.length) throw usage('no pictures given', 'files, or folders of pictures');
  return found;
}
