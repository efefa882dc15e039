// Checks that dependencies between packages point down only, and that every import is declared.
//
//   node scripts/check-packages.mjs [FOLDER]      (npm run check:packages)
//
// A package may import what package.json names under `dependencies` (tests also `devDependencies`, and the development
// tools of the root) and Node's own modules as `node:…`. Brickwork's packages are imported by name, from a lower layer.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const scope = '@brickwork/';

/** The layer of each package; a package imports from layers below its own. */
const layers = {
  graph: 0,
  tokenizer: 0,
  nn: 1,
  runtime: 1,
  transformer: 2,
  training: 3,
  embedding: 4,
  vision: 4,
  server: 5,
  cli: 6,
};

/** Libraries that belong to one package alone. */
const owners = {
  'onnxruntime-node': 'runtime',
  yargs: 'cli',
  hono: 'server',
  '@hono/node-server': 'server',
  zod: 'server',
  'prom-client': 'server',
  sharp: 'vision',
  '@huggingface/tokenizers': 'tokenizer',
  '@huggingface/hub': 'runtime',
  '@huggingface/jinja': 'tokenizer',
  '@eslint-community/regexpp': 'transformer',
};

/** A file longer than this is worth splitting by idea; said, but not an error. */
const longest = 300;

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    if (entry.isDirectory()) yield* files(join(folder, entry.name));
    else if (entry.name.endsWith('.ts')) yield join(folder, entry.name);
}

/** What a source imports: `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`, and in types. */
function importsOf(source) {
  const code = source.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const patterns = [
    /^\s*(?:import|export)\s[^'"`;()]*?from\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
  ];
  return [...new Set(patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1])))];
}

// '@scope/name/deep' is of the package '@scope/name'.
const packageOf = (specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

/** Checks one workspace folder. */
function checkPackages(root) {
  const errors = [];
  const warnings = [];
  const rootManifest = readJson(join(root, 'package.json'));
  const tools = new Set(Object.keys(rootManifest.devDependencies ?? {}));
  const names = readdirSync(join(root, 'packages')).filter((name) =>
    existsSync(join(root, 'packages', name, 'package.json')),
  );
  for (const name of names) {
    const folder = join(root, 'packages', name);
    const manifest = readJson(join(folder, 'package.json'));
    const say = (where, what) => errors.push(`packages/${name}/${where}: ${what}`);
    const layer = layers[name];
    if (layer === undefined) {
      say('', 'has no layer; name one in scripts/check-packages.mjs');
      continue;
    }
    if (manifest.name !== scope + name) say('package.json', `is called ${manifest.name}; needs ${scope}${name}`);

    /** Says what is wrong with depending on a package. */
    const checkDirection = (where, dependency) => {
      const owner = owners[dependency];
      if (owner !== undefined && owner !== name) say(where, `${dependency} belongs to ${scope}${owner} alone`);
      if (!dependency.startsWith(scope)) return;
      const other = layers[dependency.slice(scope.length)];
      if (other === undefined) say(where, `there is no package ${dependency}`);
      else if (other >= layer)
        say(where, `${dependency} (layer ${other}) is not below ${scope}${name} (layer ${layer})`);
    };

    const dependencies = new Set(Object.keys(manifest.dependencies ?? {}));
    const forTests = new Set([...dependencies, ...Object.keys(manifest.devDependencies ?? {}), ...tools]);
    for (const dependency of forTests) if (!tools.has(dependency)) checkDirection('package.json', dependency);

    // tsc builds what the references name, in that order.
    const { references = [] } = readJson(join(folder, 'tsconfig.json'));
    const referenced = new Set(references.map(({ path }) => scope + path.replace(/^\.\.\//, '')));
    const wanted = [...dependencies].filter((dependency) => dependency.startsWith(scope));
    for (const one of wanted) if (!referenced.has(one)) say('tsconfig.json', `references lack ${one}`);
    for (const one of referenced) if (!dependencies.has(one)) say('tsconfig.json', `${one} is not a dependency`);

    for (const file of files(join(folder, 'src'))) {
      const source = readFileSync(file, 'utf8');
      const where = relative(folder, file).split(sep).join('/');
      const isTest = where.endsWith('.test.ts');
      const lines = source.split('\n').length - 1;
      if (lines > longest && !/^\/\/ @generated/m.test(source))
        warnings.push(`packages/${name}/${where} has ${lines} lines; split it by idea`);
      for (const specifier of importsOf(source)) {
        if (specifier.startsWith('.')) {
          const target = resolve(dirname(file), specifier);
          if (!target.startsWith(folder + sep) && !(isTest && target.startsWith(join(root, 'tests') + sep)))
            say(where, `${specifier} leads out of the package; import it by its name`);
          else if (!specifier.endsWith('.ts') && !specifier.endsWith('.json'))
            say(where, `${specifier}: write the suffix .ts`);
        } else if (specifier.startsWith('node:')) continue;
        else if (builtinModules.includes(specifier)) say(where, `${specifier}: write node:${specifier}`);
        else {
          const dependency = packageOf(specifier);
          checkDirection(where, dependency);
          if (dependency.startsWith(scope) && specifier !== dependency)
            say(where, `${specifier}: import ${dependency}, which exports all that is public`);
          if (!(isTest ? forTests : dependencies).has(dependency))
            say(where, `${dependency} is not a dependency in package.json`);
        }
      }
    }
  }
  return { errors, warnings, packages: names.length };
}

const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const { errors, warnings, packages } = checkPackages(resolve(root));
for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
for (const error of errors) process.stderr.write(`${error}\n`);
process.stdout.write(`${packages} packages, ${errors.length} errors\n`);
if (errors.length) process.exitCode = 1;
