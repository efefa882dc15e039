// classifier.json: which models a classifier by likelihood compares, and how sure their comparison may be.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What calibration found; numbers are in nats and shares. */
export interface CalibrationNote {
  /** Texts that it was fitted to. */
  readonly texts: number;
  readonly temperature: number;
  readonly accuracy: number;
  /** Mean −ln p of the true class with temperature 1, and with the one found. */
  readonly negative_log_likelihood_before: number;
  readonly negative_log_likelihood: number;
  readonly expected_calibration_error: number;
}

/** What classifier.json holds. */
export interface ClassifierFile {
  readonly format: 1;
  /** Folders are names in the classifier's own. */
  readonly classes: readonly { readonly label: string; readonly folder: string; readonly prior: number }[];
  readonly temperature: number;
  readonly calibration: CalibrationNote | null;
}

/**
 * Reads and checks a folder's classifier.json.
 *
 * @throws where there is none, or it isn't what this version writes.
 */
export async function readClassifierFile(folder: string): Promise<ClassifierFile> {
  const path = join(folder, 'classifier.json');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === 'ENOENT' ? 'there is none; needs a folder that a classifier was saved to' : cause.message;
    throw new Error(`${path}: ${why}`, { cause });
  });
  const fail = (why: string, cause?: unknown): never => {
    throw new Error(`${path}: ${why}; needs what lm compare train wrote`, { cause });
  };
  let value: Partial<ClassifierFile> | null = null;
  try {
    value = JSON.parse(text) as Partial<ClassifierFile> | null;
  } catch (cause) {
    fail(`not JSON (${(cause as Error).message})`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('not a JSON object');
  const { format, classes, temperature, calibration = null } = value;
  if (format !== 1) return fail(`format is ${JSON.stringify(format)}, needs 1`);
  if (!Array.isArray(classes) || classes.length < 2) return fail('classes is no list of two or more');
  const checked = classes as readonly unknown[];
  checked.forEach((one, c) => {
    const { label, folder: name, prior } = (one ?? {}) as Record<string, unknown>;
    if (typeof label !== 'string' || !label) fail(`class ${c} has no label`);
    if (typeof name !== 'string' || !/^[\w-]+$/.test(name)) fail(`class ${c} has no plain name of a folder`);
    if (!(typeof prior === 'number' && prior > 0)) fail(`class ${c} has the prior ${JSON.stringify(prior)}`);
  });
  if (!(typeof temperature === 'number' && temperature > 0 && temperature < Infinity))
    return fail(`temperature is ${JSON.stringify(temperature)}`);
  return { format, classes, temperature, calibration };
}
