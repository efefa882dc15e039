// One reference checkpoint against what PyTorch computed on it: outputs, loss, every gradient, generated tokens.
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { gradients, input } from '@brickwork/graph';
import { evaluating, parameters } from '@brickwork/nn';
import { assignWeights, compile, loadCheckpoint, readSafetensors } from '@brickwork/runtime';
import {
  adaptNetwork,
  buildNetwork,
  loadWeights,
  Model,
  nameInModel,
  nameOfPeft,
  readAdapter,
} from '@brickwork/transformer';
import { generatedTokens } from './generated-tokens.mjs';

/**
 * What may differ: outputs by 1e-4 and the loss by 1e-5, absolute; gradients by 1e-3 of their tensor's largest value.
 * float32 sums in another order differ by about 1e-6 of the largest term, so these leave room for deep networks and none
 * for a wrong formula.
 */
export const tolerance = { outputs: 1e-4, loss: 1e-5, gradients: 1e-3 };

/**
 * Some gradients are zero by their formula (that of the keys' biases, as softmax doesn't see a constant), and hold rounding
 * errors only: about 1e-7 of the model's largest gradient, float32's precision. Tensors whose values are all below this
 * part of it are compared with that.
 */
const noise = 1e-4;

/**
 * @typedef {{ difference: number, at: string | null }} Difference the largest, and the tensor that has it
 * @typedef {object} Row one checkpoint's result
 * @property {string} name the folder
 * @property {string | null} class the class of expected.json
 * @property {boolean} pass
 * @property {Difference | null} outputs absolute, where the mask is 1; null where there is nothing to compare
 * @property {Difference | null} loss absolute
 * @property {Difference | null} gradients relative to each tensor's largest value
 * @property {'same' | 'different' | null} tokens
 * @property {string[]} reasons why it fails
 */

/**
 * Checks one folder.
 *
 * @param {string} folder the checkpoint, with inputs.safetensors, expected.safetensors and expected.json
 * @param {string} name what to call it
 * @param {Record<string, import('@brickwork/transformer').Architecture>} known architectures by model_type
 * @param {AbortSignal} [signal]
 * @returns {Promise<Row>}
 */
export async function checkCheckpoint(folder, name, known, signal) {
  const row = { name, class: null, pass: false, outputs: null, loss: null, gradients: null, tokens: null, reasons: [] };
  try {
    const reference = await readReference(folder);
    row.class = reference.json.class ?? null;
    const isAdapter = existsSync(join(folder, 'adapter'));
    const base = isAdapter ? join(folder, 'base') : folder;
    const { config, generationConfig, tensors } = await loadCheckpoint(base, { signal });
    const built = buildNetwork(config, known, reference.json.class);
    row.class ??= built.className;
    const own = loadWeights(parameters(built.network), tensors, built.architecture);
    const { network, weights } = isAdapter
      ? await adapted(built.network, own, join(folder, 'adapter'))
      : { network: built.network, weights: own };
    const nameHere = isAdapter
      ? nameOfPeft
      : (name) => nameInModel(name, parameters(network), built.architecture) ?? name;
    await compareOutputs(row, reference, network, weights, nameHere);
    signal?.throwIfAborted();
    if (reference.json.generate) {
      const model = new Model({
        ...built,
        network,
        weights,
        config,
        generationConfig: generationConfig ?? {},
        folder: base,
      });
      const { expected, found } = await generatedTokens(model, reference.json.generate, signal);
      row.tokens = JSON.stringify(found) === JSON.stringify(expected) ? 'same' : 'different';
      if (row.tokens === 'different')
        row.reasons.push(`generated ${JSON.stringify(found)}, but expected ${JSON.stringify(expected)}`);
      await model.dispose();
    }
  } catch (error) {
    signal?.throwIfAborted();
    row.reasons.push(error.message);
  }
  row.pass = row.reasons.length === 0;
  return row;
}

async function readReference(folder) {
  const read = async (file) =>
    existsSync(join(folder, file)) ? (await readSafetensors(join(folder, file))).tensors : new Map();
  const json = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'));
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error('expected.json is not a JSON object');
  return {
    json,
    inputs: await read('inputs.safetensors'),
    expected: await read('expected.safetensors'),
    grads: await read('grads.safetensors'),
  };
}

// The network with an adapter, and the weights of both.
async function adapted(base, own, folder) {
  const { config, tensors } = await readAdapter(folder);
  const network = adaptNetwork(base, config);
  const weights = assignWeights(parameters(network), new Map([...own, ...tensors]), { who: 'adapter' });
  return { network, weights };
}

async function compareOutputs(row, { json, inputs, expected, grads }, network, weights, nameHere) {
  const unknown = [...inputs.keys()].filter((key) => !Object.hasOwn(network.inputs, key));
  if (unknown.length)
    throw new Error(
      `the input ${unknown.join(', ')} is not known here; known are ${Object.keys(network.inputs).join(', ')}`,
    );
  const given = Object.fromEntries([...inputs].map(([key, { shape, dtype }]) => [key, input(key, shape, dtype)]));
  const outputs = network.trace(given, evaluating());
  const missing = [...expected.keys()].filter((key) => !Object.hasOwn(outputs, key));
  if (missing.length) row.reasons.push(`no output is called ${missing.join(', ')}`);
  const wanted = Object.fromEntries(
    [...expected.keys()].filter((key) => Object.hasOwn(outputs, key)).map((key) => [key, outputs[key]()]),
  );

  const hasLoss = typeof json.loss === 'number';
  const loss = hasLoss || grads.size ? outputs.loss?.() : undefined;
  if ((hasLoss || grads.size) && !loss) row.reasons.push('the class gives no loss for these inputs');
  if (loss && hasLoss) wanted.loss = loss;
  const known = parameters(network);
  const slopes = [...grads.keys()].map((key) => [key, known.get(nameHere(key))]);
  const strange = slopes.filter(([, parameter]) => !parameter).map(([key]) => key);
  if (strange.length) row.reasons.push(`gradients of no parameter here: ${strange.join(', ')}`);
  if (loss && slopes.length) {
    const found = slopes.filter(([, parameter]) => parameter);
    const traced = gradients(
      loss,
      found.map(([, parameter]) => parameter),
    );
    found.forEach(([key], i) => (wanted[`gradient ${key}`] = traced[i]));
  }
  if (!Object.keys(wanted).length) return;

  const program = await compile(wanted);
  const needed = new Set(program.inputs.map((one) => one.name));
  const feeds = new Map([...weights, ...inputs].filter(([key]) => needed.has(key)));
  const computed = await program.run(feeds);
  await program.dispose();

  for (const [key, value] of expected) {
    if (!computed[key]) continue;
    const difference = largestDifference(row, key, computed[key], value, maskOf(key, value, inputs));
    keepLargest(row, key === 'loss' ? 'loss' : 'outputs', difference, key);
  }
  if (hasLoss && computed.loss) keepLargest(row, 'loss', Math.abs(Number(computed.loss.data[0]) - json.loss), 'loss');
  const scale = Math.max(...[...grads.values()].map(largest), 0);
  for (const [key, value] of grads) {
    const own = computed[`gradient ${key}`];
    if (!own) continue;
    const difference = largestDifference(row, key, own, value, null) / Math.max(largest(value), noise * scale, 1e-30);
    keepLargest(row, 'gradients', difference, key);
  }
  for (const what of ['outputs', 'loss', 'gradients'])
    if (row[what] && !(row[what].difference <= tolerance[what]))
      row.reasons.push(
        `${what === 'loss' ? 'the loss differs' : `${row[what].at} differs (${what})`} by ${row[what].difference.toExponential(1)}, more than ${tolerance[what]}`,
      );
}

// Outputs of an encoder-decoder's decoder have its mask, all else has that of the inputs.
function maskOf(key, { shape }, inputs) {
  const decodes = ['labels', 'decoder_input_ids'].some((name) => inputs.get(name)?.shape.length === 2);
  const causal = !key.startsWith('encoder_');
  const own = decodes && causal && inputs.get('decoder_attention_mask') ? 'decoder_attention_mask' : 'attention_mask';
  const mask = inputs.get(own);
  return mask && mask.shape.length <= shape.length && mask.shape.every((d, i) => d === shape[i]) ? mask : null;
}

function largestDifference(row, key, actual, expected, mask) {
  if (actual.shape.join() !== expected.shape.join()) {
    row.reasons.push(`${key} is (${actual.shape.join(', ')}), but expected (${expected.shape.join(', ')})`);
    return 0;
  }
  const each = mask ? expected.data.length / mask.data.length : 1;
  let most = 0;
  for (let i = 0; i < expected.data.length; i++) {
    if (mask && Number(mask.data[Math.floor(i / each)]) === 0) continue;
    const difference = Math.abs(Number(actual.data[i]) - Number(expected.data[i]));
    most = Math.max(most, Number.isNaN(difference) ? Infinity : difference);
  }
  return most;
}

function largest({ data }) {
  let most = 0;
  for (const value of data) most = Math.max(most, Math.abs(Number(value)));
  return most;
}

function keepLargest(row, what, difference, at) {
  if (!row[what] || difference > row[what].difference) row[what] = { difference, at };
}
