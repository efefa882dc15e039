// Joins each package's compiled modules into dist/bundle.js, the file that package.json's exports name: Node starts lm a
// quarter sooner with seven files than with three hundred. Types and the single modules stay beside it, and other
// packages stay imports. rolldown comes with vitest. The server's page is built beside its bundle.
//
//   node scripts/bundle.mjs      (scripts/run.mjs does it after each compilation)
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { build } from 'vite';

const packages = fileURLToPath(new URL('../packages/', import.meta.url));

// Pure JavaScript that only one package uses and that has many small files.
const inlined = ['@bufbuild/protobuf', '@huggingface/tokenizers'];
const isInlined = (id) => inlined.some((name) => id === name || id.startsWith(`${name}/`));
const isOwn = (id) => /^[./]/.test(id) || /^[a-z]:[\\/]/i.test(id);

for (const name of readdirSync(packages)) {
  const folder = join(packages, name);
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (exports['.'].default !== './dist/bundle.js') continue;
  const bundle = await rolldown({
    input: join(folder, 'dist', 'index.js'),
    platform: 'node',
    external: (id) => !isOwn(id) && !isInlined(id),
  });
  await bundle.write({
    file: join(folder, 'dist', 'bundle.js'),
    format: 'esm',
    codeSplitting: false,
    comments: { legal: true },
  });
  await bundle.close();
}

// The page that the server offers.
await build({
  root: join(packages, 'server', 'page'),
  configFile: false,
  logLevel: 'warn',
  build: { outDir: join(packages, 'server', 'dist', 'page'), emptyOutDir: true, assetsInlineLimit: 0 },
});
