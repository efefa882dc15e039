// Where the operators of one pass of a model run, on a device: measured, as the engine leaves to the CPU what the device has no
// kernel for.
import { engineOptions, type EngineArgs } from './engine-flags.ts';
import type { Io } from './io.ts';
import { openAnyModel } from './open-any-model.ts';
import { count } from './progress.ts';
import { table } from './table.ts';

/** Runs one pass and writes a row for each operator and provider. */
export async function showPlacement(path: string, a: EngineArgs & { readonly json: boolean }, io: Io): Promise<void> {
  const { compile, ConstantWeights, usedBy } = await import('@brickwork/runtime');
  const { sampleInputs, traceNetwork } = await import('@brickwork/transformer');
  const signal = io.interruptible();
  const model = await openAnyModel({ model: path, offline: false }, io, signal);
  const { inputs, outputs } = traceNetwork(model.network, { who: 'inspect' });
  const options = { ...engineOptions(a), profile: true, signal };
  const program = await compile(new ConstantWeights(model.weights).apply(outputs), options);
  try {
    const feeds = sampleInputs(
      model,
      inputs.map((x) => x.name!),
    );
    await program.run(usedBy(program, feeds));
    const { nodes, operators } = await program.placement();
    if (a.json) return await io.writeJson({ nodes, operators });
    const rows = operators.map((one) => [one.operator, one.provider, String(one.nodes), one.milliseconds.toFixed(2)]);
    await io.write(table([['operator', 'runs on', 'nodes', 'ms'], ...rows], [2, 3]));
    io.note(
      Object.entries(nodes)
        .map(([provider, n]) => `${provider}: ${count(n)} nodes`)
        .join(', '),
    );
  } finally {
    await program.dispose();
    await model.dispose();
  }
}
