// What a run was really started with, for those who want to know or to repeat it: every option with its value, and the
// versions of what it ran on.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';

/** The versions of what a run depends on, and the machine. */
export interface Versions {
  readonly brickwork: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
}

const versionOf = (path: string): string => (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;

/** What runs here. */
export function versions(): Versions {
  const [cpu] = cpus();
  return {
    brickwork: versionOf(fileURLToPath(new URL('../package.json', import.meta.url))),
    node: process.versions.node,
    onnxruntime: engineVersion(),
    platform: `${process.platform} ${process.arch}`,
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
  };
}

// The engine is the runtime package's.
function engineVersion(): string {
  try {
    const runtime = createRequire(createRequire(import.meta.url).resolve('@brickwork/runtime/package.json'));
    return versionOf(runtime.resolve('onnxruntime-node/package.json'));
  } catch {
    return 'unknown';
  }
}

/** Options as they can be written: functions, signals and values of other kinds left out. */
export function writable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(writable);
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value;
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const entries = Object.entries(value).map(([key, own]) => [key, writable(own)] as const);
  return Object.fromEntries(entries.filter(([, own]) => own !== undefined));
}
