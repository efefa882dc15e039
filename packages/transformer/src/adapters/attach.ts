// Puts adapters into the layers of a network that its configuration names.
import { IA3, LoRA, type LinearAdapter, type LinearLayer } from '@brickwork/nn';
import { loraOptions, matchesLayer, type IA3Config, type LoRAConfig } from './peft-config.ts';

/** Every fully connected layer of a network by its path, as Hugging Face names modules. */
export function linearLayers(network: object): Map<string, LinearLayer> {
  const found = new Map<string, LinearLayer>();
  const seen = new Set<object>();
  const walk = (brick: object, path: string): void => {
    if (seen.has(brick) || ArrayBuffer.isView(brick)) return;
    seen.add(brick);
    if (isLayer(brick)) {
      found.set(path, brick);
      return;
    }
    for (const [key, value] of Object.entries(brick))
      if (typeof value === 'object' && value !== null) walk(value as object, path ? `${path}.${key}` : key);
  };
  walk(network, '');
  return found;
}
const isLayer = (brick: object): brick is LinearLayer => 'plain' in brick && 'outputsFirst' in brick;

// What PEFT takes for a block's number where a configuration doesn't say.
const usualBlocks = ['layers', 'h', 'block', 'blocks', 'layer'];

/** The layers that a configuration names, by path. */
export function targetLayers(network: object, config: LoRAConfig | IA3Config): Map<string, LinearLayer> {
  const layers = linearLayers(network);
  const saved = (path: string): boolean =>
    config.modules_to_save.some((name) => `.${path}.`.includes(`.${name}.`) || path === name);
  const wanted = [...layers].filter(([path]) => {
    if (saved(path) || matchesLayer(config.exclude_modules, path)) return false;
    if (config.target_modules === 'all-linear') return !isHead(path);
    if (!matchesLayer(config.target_modules, path)) return false;
    return config.peft_type === 'IA3' || inBlocks(config, path);
  });
  if (!wanted.length)
    throw new Error(
      `adapter: no layer is called ${JSON.stringify(config.target_modules)}; there are ${[...new Set([...layers.keys()].map((path) => path.split('.').at(-1)!))].join(', ')}`,
    );
  return new Map(wanted);
}

function inBlocks({ layers_to_transform: blocks, layers_pattern }: LoRAConfig, path: string): boolean {
  if (blocks === null) return true;
  for (const name of layers_pattern ?? usualBlocks) {
    const [, number] = new RegExp(`(?:^|\\.)${name}\\.(\\d+)(?:\\.|$)`).exec(path) ?? [];
    if (number !== undefined) return blocks.includes(Number(number));
  }
  return false;
}

// 'all-linear' leaves the output layer alone.
const isHead = (path: string): boolean =>
  /(^|\.)(lm_head|embed_out|score|classifier|qa_outputs|cls|decoder)$/.test(path);

/** Puts a LoRA or an (IA)³ into each layer that the configuration names; those layers' paths. */
export function attachAdapter(network: object, config: LoRAConfig | IA3Config): string[] {
  const layers = targetLayers(network, config);
  for (const [path, layer] of layers) attach(path, layer, make(path, layer, config));
  return [...layers.keys()];
}

function make(path: string, layer: LinearLayer, config: LoRAConfig | IA3Config): LinearAdapter {
  if (config.peft_type === 'LORA') return new LoRA(layer, loraOptions(config, path));
  return new IA3(layer, { feedForward: matchesLayer(config.feedforward_modules, path) });
}

/** Puts an adapter into one layer. */
export function attach(path: string, layer: LinearLayer, adapter: LinearAdapter): void {
  if (layer.adapter) throw new Error(`adapter: ${path} has an adapter already; build the network anew for another one`);
  layer.adapter = adapter;
}
