// Pictures in folders, one for each class, or listed in a table.
import { readdir } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, sep } from 'node:path';
import { readRows } from '@brickwork/training';
import { imageEndings } from '../images/decode-image.ts';
import type { ImageSet } from './image-set.ts';

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const isImage = (name: string): boolean => imageEndings.includes(extname(name).toLowerCase()) && !name.startsWith('.');

/** All pictures below a folder, by name. @throws where the folder can't be read. */
export async function findImages(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Error(`${folder}: ${error.code === 'ENOENT' ? 'there is no such folder' : error.message}`, {
        cause: error,
      });
    },
  );
  return entries
    .filter((entry) => !entry.isDirectory() && isImage(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted(byName);
}

/**
 * Pictures in a folder that has a folder for each class, whose name is the class's; deeper ones count as the same class.
 *
 * @param o the classes in the order of their numbers, so that another set agrees with the first; by name unless given
 * @throws where there are no such folders, one of them is empty, or a class is missing from those given.
 */
export async function imageFolder(
  folder: string,
  { classes }: { readonly classes?: readonly string[] } = {},
): Promise<ImageSet> {
  const paths = await findImages(folder);
  const classOf = (path: string): string | null => {
    const inside = path.slice(join(folder, sep).length);
    return inside.includes(sep) ? inside.slice(0, inside.indexOf(sep)) : null;
  };
  const labelled = paths.flatMap((path) => {
    const name = classOf(path);
    return name === null ? [] : [{ path, name }];
  });
  if (!labelled.length)
    throw new Error(
      paths.length
        ? `${folder}: its ${paths.length} pictures stand in no folder of a class; needs ${join(folder, 'CLASS', 'picture.jpg')}`
        : `${folder}: there are no pictures below it (${imageEndings.join(', ')})`,
    );
  const names = classes ?? [...new Set(labelled.map(({ name }) => name))].toSorted(byName);
  return labelledSet(folder, labelled, names);
}

/** Which columns of a table name pictures and classes. */
export interface ImageTableOptions {
  /** The column of the pictures' paths, from the table's folder on; `path`, `file` or `image` unless given. */
  readonly path?: string;
  /** The column of the classes; `label` or `class` unless given, and none where there is neither. */
  readonly label?: string;
  /** The classes in the order of their numbers; those of the table by name unless given. */
  readonly classes?: readonly string[];
}

/**
 * Pictures listed in a table: CSV, TSV, JSON lines or Parquet, as for texts.
 *
 * @throws where a row has no path, or a class is missing from those given.
 */
export async function imageTable(file: string, o: ImageTableOptions = {}): Promise<ImageSet> {
  const found: { path: string; name: string | null }[] = [];
  for await (const { values: row, line } of readRows(file)) {
    const pick = (given: string | undefined, usual: readonly string[]): unknown =>
      row[given ?? usual.find((name) => row[name] !== undefined) ?? usual[0]!];
    const path = pick(o.path, ['path', 'file', 'image']);
    if (typeof path !== 'string' || !path)
      throw new Error(
        `${file}: line ${line} has no path in ${o.path ?? 'path, file or image'}; its columns are ${Object.keys(row).join(', ')}`,
      );
    const label = pick(o.label, ['label', 'class']);
    if (o.label !== undefined && label === undefined)
      throw new Error(`${file}: line ${line} has no ${o.label}; its columns are ${Object.keys(row).join(', ')}`);
    found.push({
      path: isAbsolute(path) ? path : join(dirname(file), path),
      name: label === undefined || label === null ? null : String(label),
    });
  }
  if (!found.length) throw new Error(`${file}: it lists no pictures`);
  const unlabelled = found.findIndex(({ name }) => name === null);
  if (unlabelled >= 0 && found.some(({ name }) => name !== null))
    throw new Error(`${file}: row ${unlabelled + 1} has no class, but others have`);
  if (unlabelled >= 0)
    return filesSet(
      file,
      found.map(({ path }) => path),
    );
  const labelled = found as { path: string; name: string }[];
  const names = o.classes ?? [...new Set(labelled.map(({ name }) => name))].toSorted(byName);
  return labelledSet(file, labelled, names);
}

/** Pictures without classes. */
export const filesSet = (name: string, paths: readonly string[]): ImageSet => ({
  name,
  count: paths.length,
  items: { kind: 'files', paths },
  labels: null,
  classes: [],
});

function labelledSet(
  name: string,
  labelled: readonly { readonly path: string; readonly name: string }[],
  classes: readonly string[],
): ImageSet {
  const numbers = new Map(classes.map((one, i) => [one, i]));
  const labels = Int32Array.from(labelled, (one) => {
    const number = numbers.get(one.name);
    if (number === undefined) throw new Error(`${one.path}: its class ${one.name} is not among ${classes.join(', ')}`);
    return number;
  });
  return {
    ...filesSet(
      name,
      labelled.map(({ path }) => path),
    ),
    labels,
    classes,
  };
}
