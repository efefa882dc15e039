// Where a module of this package lies that a thread or a process of its own is to load.
import { existsSync } from 'node:fs';

/**
 * The address of a module beside this one, in a language that this Node runs: the built one for users, the source where
 * Node strips types. Older Nodes can't, and under a tool that can (vitest) they get what was built last.
 */
export function moduleUrl(name: string): URL {
  const here = import.meta.url;
  if (!here.endsWith('.ts')) return new URL(`${name}.js`, here);
  if ((process.features as { typescript?: unknown }).typescript) return new URL(`${name}.ts`, here);
  const built = new URL(`../dist/${name}.js`, here);
  if (!existsSync(built))
    throw new Error(
      `${built.href} is not built, and Node ${process.versions.node} can't run TypeScript; npm run build`,
    );
  return built;
}
