// A model repository for Triton Inference Server: NAME/config.pbtxt and NAME/1/model.onnx.
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeFileAtomic } from '@brickwork/runtime';
import { tritonConfig, type ExportedFile } from '@brickwork/transformer';

/**
 * Adds an exported file, called after its folder.
 *
 * @returns the model's folder in the repository
 */
export async function writeTriton(repository: string, exported: string, one: ExportedFile): Promise<string> {
  const file = basename(one.file, '.onnx');
  const name = `${basename(resolve(exported))}${file === 'model' ? '' : `-${file}`}`;
  const folder = join(repository, name);
  const version = join(folder, '1');
  await mkdir(version, { recursive: true });
  for (const other of await readdir(dirname(one.file)))
    // Data keep their name, by which the model finds them.
    if (other === `${basename(one.file)}_data`) await copyFile(join(dirname(one.file), other), join(version, other));
  await copyFile(one.file, join(version, 'model.onnx'));
  await writeFileAtomic(join(folder, 'config.pbtxt'), tritonConfig(name, one));
  return folder;
}
