// Runs the graphs of the models that ship on WebGPU and compares them with the CPU: one pass, and the loss with all gradients.
// A line of JSON for each graph: the largest difference as a share of the largest value, and the operators that WebGPU leaves to
// the CPU. Without a graphics card it runs on SwiftShader, the software Vulkan of a Chromium:
//
//   LD_LIBRARY_PATH=/usr/lib/chromium VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json node scripts/parity/webgpu.mjs
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { SentenceEncoder } from '@brickwork/embedding';
import { gradients, input } from '@brickwork/graph';
import { evaluating, trainable } from '@brickwork/nn';
import { compile, ConstantWeights } from '@brickwork/runtime';
import { AutoModel, sampleInputs, traceNetwork } from '@brickwork/transformer';
import { visionArchitectures } from '@brickwork/vision';

const folder = (name) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

async function compared(model, graph, outputs, feeds) {
  const values = (program) => new Map(program.inputs.map(({ name }) => [name, feeds[name] ?? model.weights.get(name)]));
  const cpu = await compile(outputs);
  const gpu = await compile(outputs, { providers: ['webgpu'], profile: true });
  try {
    const expected = await cpu.run(values(cpu));
    const found = await gpu.run(values(gpu));
    let largest = 0;
    let apart = 0;
    for (const [name, { data }] of Object.entries(expected))
      data.forEach((value, i) => {
        largest = Math.max(largest, Math.abs(value));
        const one = Math.abs(value - found[name].data[i]);
        if (!(one <= apart)) apart = Number.isNaN(one) ? Infinity : one;
      });
    const { nodes, operators } = await gpu.placement();
    const left = operators.filter(({ provider }) => provider === 'cpu').map(({ operator }) => operator);
    return { graph, difference: apart / largest, nodes, left: left.toSorted() };
  } finally {
    await cpu.dispose();
    await gpu.dispose();
  }
}

async function training(model) {
  const { network } = model;
  const names = Object.keys(network.inputs).filter((name) => !network.inputs[name].optional || name === 'labels');
  const feeds = sampleInputs(model, names);
  const inputs = names.map((name) => [name, input(name, feeds[name].shape, feeds[name].dtype)]);
  const loss = network.trace(Object.fromEntries(inputs), evaluating()).loss();
  const weights = trainable(network);
  const slopes = gradients(loss, [...weights.values()]);
  const outputs = { loss, ...Object.fromEntries([...weights.keys()].map((name, i) => [`grad.${name}`, slopes[i]])) };
  return await compared(model, 'training', outputs, feeds);
}

async function open(name) {
  if (name === 'sentences') return (await SentenceEncoder.load(folder(name))).model;
  return await AutoModel.fromPretrained(folder(name), { architectures: visionArchitectures });
}

for (const name of process.argv.length > 2
  ? process.argv.slice(2)
  : ['shakespeare', 'encoder', 'spam', 'digits', 'sentences']) {
  const model = await open(name);
  const asked = name === 'sentences' ? { outputs: ['sentence_embedding'] } : {};
  const { inputs, outputs } = traceNetwork(model.network, asked);
  const feeds = sampleInputs(
    model,
    inputs.map((x) => x.name),
  );
  const rows = [await compared(model, 'inference', new ConstantWeights(model.weights).apply(outputs), feeds)];
  if (model.network.inputs.labels)
    rows.push(await training(model).catch((error) => ({ graph: 'training', error: error.message })));
  for (const row of rows) process.stdout.write(`${JSON.stringify({ model: name, ...row })}\n`);
}
