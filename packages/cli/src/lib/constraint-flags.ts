// --regex and --json-schema: what a generated text must be.
import { readFile } from 'node:fs/promises';
import type { Tokenizer } from '@brickwork/tokenizer';
import type { Constraint } from '@brickwork/transformer';
import { usage } from './errors.ts';

/**
 * The constraint that the flags ask for; null where they don't.
 *
 * @throws where both are given, a file can't be read, or the expression or schema isn't valid or not supported.
 */
export async function constraintOf(
  { regex, jsonSchema }: { readonly regex?: string; readonly jsonSchema?: string },
  tokenizer: Tokenizer,
): Promise<Constraint | null> {
  if (regex === undefined && jsonSchema === undefined) return null;
  if (regex !== undefined && jsonSchema !== undefined)
    throw usage('--regex and --json-schema were given', 'leave one of them out');
  const { jsonSchemaConstraint, regexConstraint } = await import('@brickwork/transformer');
  try {
    if (regex !== undefined) return regexConstraint(tokenizer, regex);
    return jsonSchemaConstraint(tokenizer, JSON.parse(await schemaText(jsonSchema!)));
  } catch (error) {
    throw usage(`${regex === undefined ? '--json-schema' : '--regex'}: ${(error as Error).message}`);
  }
}

async function schemaText(given: string): Promise<string> {
  if (/^\s*[{[tf]/.test(given) && !/^\S+\.json$/.test(given)) return given;
  return readFile(given, 'utf8');
}
