// The flag that names a tokenizer, and what it leads to.
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Flag } from './flags.ts';
import { modelFlag, tokenizerPath } from './model-folder.ts';

/** `-m/--model`. */
export const tokenizerFlag: Flag = { ...modelFlag, describe: 'a tokenizer.json, or a folder with one' };

/** Loads it. @throws where there is none, or it isn't one. */
export async function tokenizerAt(path: string): Promise<Tokenizer> {
  const found = tokenizerPath(path);
  const { loadTokenizer } = await import('@brickwork/tokenizer');
  return await loadTokenizer(found);
}
