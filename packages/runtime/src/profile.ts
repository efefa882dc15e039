// Where the nodes of a graph really ran, from the engine's own profile: a provider that was asked for is not one that is
// used, as each takes only the nodes that it has kernels for and leaves the others to the CPU.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provider } from './providers.ts';

/** One kind of operator on one provider. */
export interface OperatorTime {
  /** The ONNX name: `MatMul`. Operators that the engine has fused have a name of their own: `FusedMatMul`. */
  readonly operator: string;
  readonly provider: Provider;
  /** How many nodes of the optimized graph. */
  readonly nodes: number;
  /** How often they ran, all together. */
  readonly runs: number;
  /** How long they took, all together; on a GPU the time until the work was handed over. */
  readonly milliseconds: number;
}

/** Where the nodes ran. */
export interface Placement {
  /** How many nodes of the optimized graph each provider ran, most first. */
  readonly nodes: Readonly<Partial<Record<Provider, number>>>;
  /** The operators, slowest first. */
  readonly operators: readonly OperatorTime[];
}

// The engine's names: CPUExecutionProvider, WebGpuExecutionProvider, DmlExecutionProvider, …
const providerOf = (name: string): Provider => name.replace(/ExecutionProvider$/, '').toLowerCase() as Provider;

/** Counts the nodes of a profile, which has one event per line. */
export function readPlacement(text: string): Placement {
  const operators = new Map<
    string,
    { operator: string; provider: Provider; nodes: Set<string>; runs: number; us: number }
  >();
  const nodes = new Map<Provider, Set<string>>();
  for (const line of text.split('\n')) {
    // Not parsed as JSON: the engine writes the nodes' names as they are, quotes included.
    const name = /"name" ?:"(.*)_kernel_time"/.exec(line)?.[1];
    const engine = /"provider" ?: ?"(\w+)"/.exec(line)?.[1];
    const operator = /"op_name" ?: ?"(\w+)"/.exec(line)?.[1];
    if (name === undefined || !engine || !operator) continue;
    const provider = providerOf(engine);
    const node = `${/"node_index" ?: ?"(\d+)"/.exec(line)?.[1]} ${name}`;
    const key = `${provider} ${operator}`;
    const entry = operators.get(key) ?? { operator, provider, nodes: new Set(), runs: 0, us: 0 };
    operators.set(key, entry);
    entry.nodes.add(node);
    entry.runs++;
    entry.us += Number(/"dur" ?: ?(\d+)/.exec(line)?.[1] ?? 0);
    const own = nodes.get(provider) ?? new Set();
    nodes.set(provider, own.add(node));
  }
  return {
    nodes: Object.fromEntries([...nodes].map(([p, own]) => [p, own.size] as const).sort(([, a], [, b]) => b - a)),
    operators: [...operators.values()]
      .sort((a, b) => b.us - a.us)
      .map(({ us, nodes, ...rest }) => ({ ...rest, nodes: nodes.size, milliseconds: us / 1000 })),
  };
}

/** A profile that the engine is taking of one session. */
export class Profile {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async begin(): Promise<Profile> {
    return new Profile(await mkdtemp(join(tmpdir(), 'brickwork-profile-')));
  }

  /** For the session's options. */
  get options(): { enableProfiling: true; profileFilePrefix: string } {
    return { enableProfiling: true, profileFilePrefix: join(this.#folder, 'profile') };
  }

  /** Stops measuring, and gives what was measured. */
  async end(session: { endProfiling(): void }): Promise<Placement> {
    try {
      session.endProfiling();
      const files = await readdir(this.#folder);
      const texts = await Promise.all(files.map((name) => readFile(join(this.#folder, name), 'utf8')));
      return readPlacement(texts.join('\n'));
    } finally {
      await this.remove();
    }
  }

  /** Removes the engine's file. */
  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
