// Promises of the package check (scripts/check-packages.mjs), each broken on purpose in a small workspace.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../scripts/check-packages.mjs', import.meta.url));
const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

interface Package {
  readonly dependencies?: readonly string[];
  readonly references?: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

/** Checks a workspace of the given packages; references follow from the dependencies unless given. */
function check(packages: Readonly<Record<string, Package>>): { status: number | null; stdout: string; stderr: string } {
  const root = mkdtempSync(join(tmpdir(), 'brickwork-packages-'));
  folders.push(root);
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  write('package.json', JSON.stringify({ devDependencies: { vitest: '1' } }));
  for (const [name, { dependencies = [], references, files }] of Object.entries(packages)) {
    const own = dependencies.filter((d) => d.startsWith('@brickwork/')).map((d) => d.replace('@brickwork/', '../'));
    write(
      `packages/${name}/package.json`,
      JSON.stringify({
        name: `@brickwork/${name}`,
        dependencies: Object.fromEntries(dependencies.map((d) => [d, '1'])),
      }),
    );
    write(
      `packages/${name}/tsconfig.json`,
      JSON.stringify({ references: (references ?? own).map((path) => ({ path })) }),
    );
    for (const [file, content] of Object.entries(files)) write(`packages/${name}/src/${file}`, content);
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const graph: Package = { files: { 'index.ts': 'export const one = 1;\n' } };

test('a package may import a lower one that it declares, and Node as node:…', () => {
  const source = `import { readFileSync } from 'node:fs';\nimport { one } from '@brickwork/graph';\nexport { one, readFileSync };\n`;
  const nn: Package = { dependencies: ['@brickwork/graph'], files: { 'index.ts': source } };
  expect(check({ graph, nn })).toEqual({ status: 0, stdout: '2 packages, 0 errors\n', stderr: '' });
});

const broken: [what: string, packages: Record<string, Package>, message: string][] = [
  [
    'an import from a higher layer',
    { graph: { dependencies: ['@brickwork/nn'], files: { 'a.ts': `export * from '@brickwork/nn';` } } },
    'packages/graph/src/a.ts: @brickwork/nn (layer 1) is not below @brickwork/graph (layer 0)',
  ],
  [
    'an import from the same layer',
    { runtime: { dependencies: ['@brickwork/nn'], files: { 'a.ts': `import type { X } from '@brickwork/nn';` } } },
    'packages/runtime/src/a.ts: @brickwork/nn (layer 1) is not below @brickwork/runtime (layer 1)',
  ],
  [
    'an import that is not declared',
    { nn: { files: { 'a.ts': `import {\n  one,\n} from '@brickwork/graph';` } } },
    'packages/nn/src/a.ts: @brickwork/graph is not a dependency in package.json',
  ],
  [
    'a dynamic import that is not declared',
    { cli: { files: { 'a.ts': `const x = await import('@brickwork/training');` } } },
    'packages/cli/src/a.ts: @brickwork/training is not a dependency in package.json',
  ],
  [
    'a development tool outside of tests',
    { nn: { files: { 'a.test.ts': `import 'vitest';`, 'b.ts': `import 'vitest';` } } },
    'packages/nn/src/b.ts: vitest is not a dependency in package.json',
  ],
  [
    'the engine outside of runtime',
    { nn: { dependencies: ['onnxruntime-node'], files: { 'a.ts': `import * as ort from 'onnxruntime-node';` } } },
    'packages/nn/src/a.ts: onnxruntime-node belongs to @brickwork/runtime alone',
  ],
  [
    'a path into another package',
    { nn: { files: { 'a.ts': `export * from '../../graph/src/index.ts';` } } },
    'packages/nn/src/a.ts: ../../graph/src/index.ts leads out of the package; import it by its name',
  ],
  [
    'a part of a package',
    {
      nn: {
        dependencies: ['@brickwork/graph'],
        files: { 'a.ts': `export * from '@brickwork/graph/dist/tensor.js';` },
      },
    },
    'packages/nn/src/a.ts: @brickwork/graph/dist/tensor.js: import @brickwork/graph, which exports all that is public',
  ],
  [
    'a reference that is missing',
    { nn: { dependencies: ['@brickwork/graph'], references: [], files: { 'a.ts': '' } } },
    'packages/nn/tsconfig.json: references lack @brickwork/graph',
  ],
  [
    'a module of Node without its prefix',
    { nn: { files: { 'a.ts': `import fs from 'fs';` } } },
    'packages/nn/src/a.ts: fs: write node:fs',
  ],
  ['a package without a layer', { plumbing: { files: { 'a.ts': '' } } }, 'packages/plumbing/: has no layer'],
];

test.each(broken)('refuses %s', (_, packages, message) => {
  const { status, stderr } = check(packages);
  expect(stderr).toContain(message);
  expect(status).toBe(1);
});

test('what a comment imports doesn’t count', () => {
  const source = `/**\n * @example\n * import { x } from '@brickwork/training';\n */\n// import 'yargs';\nexport {};\n`;
  expect(check({ nn: { files: { 'a.ts': source } } }).status).toBe(0);
});
