// Plain Node, no dependencies: usable on a bare clone.
// node scripts/run.mjs setup | cuda | lm <args…> | start [args…]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...p) => join(root, ...p);
const pnpm = JSON.parse(readFileSync(at('package.json'), 'utf8')).packageManager;

// npm exports its own config to scripts through npm_* variables; pnpm must not take them for its settings.
export function cleanEnv(extra = {}) {
  const env = { ...process.env, ...extra };
  for (const k of Object.keys(env))
    if (
      /^npm_(config_(?!registry|cafile|https?_proxy|noproxy|cache|userconfig|globalconfig|prefix)|lifecycle|package|command|execpath)/i.test(
        k,
      )
    )
      delete env[k];
  return env;
}

function fingerprint() {
  const h = createHash('sha256').update(process.version.split('.')[0] + process.platform + process.arch);
  const manifests = readdirSync(at('packages'))
    .map((d) => `packages/${d}/package.json`)
    .filter((f) => existsSync(at(f)));
  for (const f of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', ...manifests])
    h.update(readFileSync(at(f)));
  return h.digest('hex');
}

function sh(command, args, env) {
  const r = spawnSync(command, args, { cwd: root, env, stdio: ['inherit', 2, 2], shell: process.platform === 'win32' });
  if (r.error) throw r.error;
  if (r.status !== 0) {
    process.stderr.write(
      `\n${[command, ...args].join(' ')} failed (exit ${r.status ?? r.signal}). Run it yourself for details, then retry.\n`,
    );
    process.exit(1);
  }
}

export function ensureInstalled() {
  const stamp = at('node_modules', '.brickwork-stamp');
  const want = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  process.stderr.write(`Installing dependencies with ${pnpm} (first run or lockfile changed)…\n`);
  sh(
    'npx',
    ['--yes', pnpm, 'install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn'],
    cleanEnv({ npm_config_update_notifier: 'false', npm_config_loglevel: 'error' }),
  );
  writeFileSync(stamp, want);
}

/** Compiles when a source is newer than the last good build: 2 ms when fresh, ~0.1 s incremental. */
export function ensureBuilt() {
  const stamp = at('node_modules', '.brickwork-built');
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  const newer = (p) => {
    const s = statSync(p, { throwIfNoEntry: false });
    return (
      s !== undefined && (s.mtimeMs >= built || (s.isDirectory() && readdirSync(p).some((c) => newer(join(p, c)))))
    );
  };
  const packages = readdirSync(at('packages')).map((d) => at('packages', d));
  if (
    packages.every((p) => existsSync(join(p, 'dist')) || !existsSync(join(p, 'src'))) &&
    ![
      at('tsconfig.base.json'),
      at('node_modules/.brickwork-stamp'),
      ...packages.flatMap((p) => [join(p, 'src'), join(p, 'tsconfig.json')]),
    ].some(newer)
  )
    return;
  const start = Date.now();
  sh(process.execPath, [at('node_modules/typescript/bin/tsc'), '-b', root], process.env);
  writeFileSync(stamp, `${start}`);
}

const [task] = process.argv.slice(2);
const agent = process.env.npm_config_user_agent ?? '';
// Root postinstall: pnpm has just installed everything, so record it; npm installs only the root, so hand over to pnpm.
if (task === 'postinstall' && agent.startsWith('pnpm/'))
  writeFileSync(at('node_modules', '.brickwork-stamp'), fingerprint());
else {
  ensureInstalled();
  if (task === 'setup') ensureBuilt();
  else if (task === 'cuda') {
    const ort = at('packages/runtime/node_modules/onnxruntime-node');
    sh(process.execPath, [join(ort, 'script/install.js')], cleanEnv({ ONNXRUNTIME_NODE_INSTALL: 'cuda12' }));
  } else if (task === 'lm' || task === 'start') {
    ensureBuilt();
    // `npm start` alone shows what the model that ships can do; with arguments it is the lm command.
    const args = process.argv.slice(3);
    const demo = [
      'generate',
      'ROMEO:',
      '-m',
      'models/shakespeare',
      '-n',
      '300',
      '--temperature',
      '0.8',
      '--top-p',
      '0.95',
    ];
    process.argv.splice(1, process.argv.length, at('lm'), ...(task === 'start' && !args.length ? demo : args));
    await import(pathToFileURL(at('packages/cli/dist/bin.js')).href);
  }
}
