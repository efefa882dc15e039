// Where a module of a package lies that a thread or a process of its own is to load.
import { existsSync } from 'node:fs';

/**
 * The address of a package's module, in a language that this Node runs: the built one for users, the source where Node
 * strips types. Older Nodes can't, and under a tool that can (vitest) they get what was built last.
 *
 * @param name from src/ on, without its ending: `session-worker`
 * @param here `import.meta.url` of any module of the package, its bundle included; this package's own unless given
 */
export function moduleUrl(name: string, here: string = import.meta.url): URL {
  const [, root, kind] = /^(.*\/)(src|dist)\//.exec(here) ?? [];
  if (root === undefined) throw new Error(`moduleUrl: ${here} is neither in src/ nor in dist/`);
  if (kind === 'src' && (process.features as { typescript?: unknown }).typescript)
    return new URL(`${root}src/${name}.ts`);
  const built = new URL(`${root}dist/${name}.js`);
  if (kind === 'src' && !existsSync(built))
    throw new Error(
      `${built.href} is not built, and Node ${process.versions.node} can't run TypeScript; npm run build`,
    );
  return built;
}
