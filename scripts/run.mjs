// Sets the workspace up and runs its tools. Plain Node without dependencies, so that it works on a bare clone.
//
//   node scripts/run.mjs setup            installs and builds what is out of date
//   node scripts/run.mjs lm ARGS          … and runs the lm command
//   node scripts/run.mjs start ARGS       the same; without arguments it shows what the model that ships can do
//   node scripts/run.mjs test ARGS        … and runs the tests
//   node scripts/run.mjs node FILE ARGS   … and runs a script
//   node scripts/run.mjs tool NAME ARGS   installs, and runs a development tool (oxlint, tsc, …)
//   node scripts/run.mjs cuda             fetches the CUDA libraries of ONNX Runtime
//   node scripts/run.mjs postinstall      called by npm and pnpm
//
// stdout belongs to the command that is run; installing and building report on stderr.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const note = (text) => process.stderr.write(`${text}\n`);

const manifest = readJson(at('package.json'));
const installed = at('node_modules', '.brickwork-installed');
const built = at('node_modules', '.brickwork-built');

// What `npm start` does without arguments.
const demonstration = [
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
  '--context-shift',
];

const packageFolders = () =>
  readdirSync(at('packages'))
    .map((name) => at('packages', name))
    .filter((folder) => existsSync(join(folder, 'package.json')));

function refuseOldNode() {
  const least = manifest.engines.node.replace(/[^\d.]/g, '');
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = least.split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  note(`Brickwork needs Node ${least} or newer; this is ${process.version}. Get one at https://nodejs.org`);
  process.exit(1);
}

// npm passes its own settings to scripts as npm_* variables; pnpm must not take them for its own. The network's stay.
function cleanEnvironment(extra = {}) {
  const ours = /^npm_(lifecycle|package|command|execpath|node_execpath|config_)/i;
  const network = /^npm_config_(registry|cafile|https?_proxy|noproxy|cache|userconfig|globalconfig|prefix)$/i;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name) || network.test(name));
  return { ...Object.fromEntries(kept), ...extra };
}

// Runs a step of the set-up to its end; ends the program where that fails.
function step(command, args, env = process.env) {
  const shell = process.platform === 'win32' && command === 'npx'; // npx is a script there
  const { error, status, signal } = spawnSync(command, args, { cwd: root, env, shell, stdio: ['ignore', 2, 2] });
  if (!error && status === 0) return;
  note(`\n${[command, ...args].join(' ')}\nfailed (${error?.message ?? signal ?? `exit code ${status}`}).`);
  process.exit(1);
}

// Two commands that start at once on a fresh clone must not install or build at the same time.
function exclusively(work) {
  const lock = at('.brickwork', 'lock');
  mkdirSync(at('.brickwork'), { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!isHeld(lock)) rmSync(lock, { force: true });
    else if (!waited) note('Waiting for another command to finish the set-up…');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  const release = () => rmSync(lock, { force: true });
  process.once('exit', release); // a failed step ends the program
  try {
    work();
  } finally {
    release();
    process.off('exit', release);
  }
}

// Whether the process that wrote the lock is alive. An empty file is one being written.
function isHeld(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    if (pid) process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// Everything that decides which packages are installed. Other fields of the manifests may change freely.
function dependencyFingerprint() {
  const hash = createHash('sha256').update(`${process.versions.modules} ${process.platform} ${process.arch}`);
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) hash.update(readFileSync(at(file)));
  for (const folder of [root, ...packageFolders()]) {
    const { name, dependencies, devDependencies, packageManager } = readJson(join(folder, 'package.json'));
    hash.update(JSON.stringify([name, dependencies, devDependencies, packageManager]));
  }
  return hash.digest('hex');
}

const isInstalled = () => existsSync(installed) && readFileSync(installed, 'utf8') === dependencyFingerprint();

/** Installs the dependencies where they are missing or out of date. */
function install() {
  if (isInstalled()) return;
  exclusively(() => {
    if (isInstalled()) return;
    note(`Installing dependencies with ${manifest.packageManager}…`);
    const options = [
      '--frozen-lockfile',
      '--config.confirmModulesPurge=false',
      '--reporter=append-only',
      '--loglevel=warn',
    ];
    const quiet = { npm_config_update_notifier: 'false', npm_config_loglevel: 'error', npm_config_fund: 'false' };
    step('npx', ['--yes', manifest.packageManager, 'install', ...options], cleanEnvironment(quiet));
    writeFileSync(installed, dependencyFingerprint());
  });
}

function isBuilt() {
  if (!existsSync(built)) return false;
  const time = statSync(built).mtimeMs;
  const isNewer = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return false;
    return stat.mtimeMs >= time || (stat.isDirectory() && readdirSync(path).some((name) => isNewer(join(path, name))));
  };
  const folders = packageFolders();
  const sources = folders.flatMap((folder) =>
    ['src', 'page', 'tsconfig.json', 'package.json']
      .map((name) => join(folder, name))
      .filter((path) => existsSync(path)),
  );
  return (
    folders.every((folder) => existsSync(join(folder, 'dist', 'index.js'))) &&
    ![installed, at('tsconfig.json'), at('tsconfig.base.json'), at('scripts', 'bundle.mjs'), ...sources].some(isNewer)
  );
}

/** Compiles where a source is newer than the last good build: a few milliseconds when there is nothing to do. */
function build() {
  if (isBuilt()) return;
  exclusively(() => {
    if (isBuilt()) return;
    if (!existsSync(built)) note('Building…');
    const started = new Date();
    step(process.execPath, [toolFile('tsc'), '-b', root]);
    step(process.execPath, [at('scripts', 'bundle.mjs')]);
    writeFileSync(built, '');
    utimesSync(built, started, started); // a file that changed meanwhile is newer
  });
}

// The JavaScript file behind a command of an installed package.
function toolFile(name) {
  const owner = { tsc: 'typescript' }[name] ?? name;
  const folder = at('node_modules', owner);
  const { bin } = readJson(join(folder, 'package.json'));
  return join(folder, typeof bin === 'string' ? bin : bin[name]);
}

// Runs a program in our place: its streams, its exit code. Ctrl-C reaches it directly; it decides when to end.
function hand(args, env = process.env) {
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

async function lm(args) {
  process.argv = [process.argv[0], at('lm'), ...args];
  await import(pathToFileURL(at('packages', 'cli', 'dist', 'bin.js')).href);
}

const tasks = {
  setup: () => (install(), build()),
  lm: (args) => (install(), build(), lm(args)),
  start: (args) => (install(), build(), lm(args.length ? args : demonstration)),
  test: (args) => (install(), build(), hand([toolFile('vitest'), 'run', ...args])),
  node: (args) => (install(), build(), hand(args)),
  tool: ([name, ...args]) => (install(), hand([toolFile(name), ...args])),
  cuda() {
    install();
    const engine = at('packages', 'runtime', 'node_modules', 'onnxruntime-node', 'script', 'install.js');
    hand([engine], cleanEnvironment({ ONNXRUNTIME_NODE_INSTALL: 'cuda12' }));
  },
  // pnpm has just installed everything: remember it. npm installs the root only: let pnpm do the rest.
  postinstall() {
    if (process.env.npm_config_user_agent?.startsWith('pnpm/')) writeFileSync(installed, dependencyFingerprint());
    else install();
  },
};

const [task = '', ...args] = process.argv.slice(2);
refuseOldNode();
if (Object.hasOwn(tasks, task)) await tasks[task](args);
else {
  note(`run.mjs: no task '${task}'; there are ${Object.keys(tasks).join(', ')}`);
  process.exit(2);
}
