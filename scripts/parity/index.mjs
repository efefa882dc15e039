// npm run parity -- DIR [--json]: every reference checkpoint below DIR against PyTorch's numbers, a row each.
import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { architectures } from '@brickwork/transformer';
import { visionArchitectures } from '@brickwork/vision';
import { checkCheckpoint, tolerance } from './check-checkpoint.mjs';
import { showRows } from './show-rows.mjs';

const usage = `npm run parity -- DIR [--json]

Runs every reference below DIR: folders with expected.json beside a checkpoint (config.json, model.safetensors), or
beside an adapter and its base (adapter/, base/), and with inputs.safetensors, expected.safetensors and
grads.safetensors as PyTorch computed them. Prints a row each, and exits with 1 if any fails.
`;

const known = { ...architectures, ...visionArchitectures };

/** The folders below one that hold a reference, itself included, by name. */
async function* references(folder) {
  if (existsSync(join(folder, 'expected.json'))) yield folder;
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    if (entry.isDirectory()) yield* references(join(folder, entry.name));
}

/**
 * Checks all reference checkpoints below a folder, one after the other.
 *
 * @param {string} folder
 * @param {AbortSignal} [signal]
 */
export async function* parity(folder, signal) {
  for await (const one of references(resolve(folder)))
    yield await checkCheckpoint(one, relative(resolve(folder), one) || basename(one), known, signal);
}

/**
 * The command.
 *
 * @param {readonly string[]} args what stands after its name
 * @param {{ write(text: string): unknown }} stdout
 * @param {{ write(text: string): unknown }} stderr
 * @returns {Promise<number>} the exit code: 0 where all pass, 1 where any fails, 2 where the arguments are wrong
 */
export async function main(args, stdout, stderr) {
  let parsed;
  try {
    const options = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } };
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    stderr.write(`parity: ${error.message}\n\n${usage}`);
    return 2;
  }
  const { values, positionals } = parsed;
  if (values.help) {
    stdout.write(usage);
    return 0;
  }
  if (positionals.length !== 1) {
    stderr.write(`parity: ${positionals.length} folders given; needs one\n\n${usage}`);
    return 2;
  }
  const [folder] = positionals;
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    stderr.write(`parity: ${folder} is not a folder; needs one with reference checkpoints below it\n`);
    return 2;
  }
  const rows = [];
  for await (const row of parity(folder)) {
    rows.push(row);
    stderr.write(`${row.pass ? 'pass' : 'FAIL'} ${row.name}\n`);
  }
  if (!rows.length) {
    stderr.write(`parity: no reference checkpoint (a folder with expected.json) below ${folder}\n`);
    return 1;
  }
  const passed = rows.filter((row) => row.pass).length;
  if (values.json)
    stdout.write(`${JSON.stringify({ checkpoints: rows, passed, failed: rows.length - passed, tolerance })}\n`);
  else stdout.write(showRows(rows));
  return passed === rows.length ? 0 : 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href)
  process.exitCode = await main(process.argv.slice(2), process.stdout, process.stderr);
