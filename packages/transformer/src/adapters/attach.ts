// Puts adapters into the layers of a network that its configuration names.
import { Bottleneck, IA3, LoRA, widths, type LinearAdapter, type LinearLayer } from '@brickwork/nn';
import { attentionOutputs, feedForwardOutputs, type BottleneckConfig } from './bottleneck-config.ts';
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

/** Configurations of adapters that stand in layers. */
export type LayerAdapterConfig = LoRAConfig | IA3Config | BottleneckConfig;

/** The layers that a configuration names, by path. */
export function targetLayers(network: object, config: LayerAdapterConfig): Map<string, LinearLayer> {
  const layers = linearLayers(network);
  const saved = (path: string): boolean =>
    config.modules_to_save.some((name) => `.${path}.`.includes(`.${name}.`) || path === name);
  const wanted = [...layers].filter(([path]) => {
    if (saved(path)) return false;
    if (config.peft_type === 'BOTTLENECK') return hasBottleneck(config, path);
    if (matchesLayer(config.exclude_modules, path)) return false;
    if (config.target_modules === 'all-linear') return !isHead(path);
    if (!matchesLayer(config.target_modules, path)) return false;
    return config.peft_type === 'IA3' || inBlocks(config, path);
  });
  if (!wanted.length)
    throw new Error(
      `adapter: no layer ${config.target_modules === null ? 'is known to end attention or a feed-forward network; name them in target_modules' : `is called ${JSON.stringify(config.target_modules)}`}; there are ${[...new Set([...layers.keys()].map((path) => path.split('.').at(-1)!))].join(', ')}`,
    );
  return new Map(wanted);
}

function inBlocks({ layers_to_transform: blocks, layers_pattern }: LoRAConfig, path: string): boolean {
  if (blocks === null) return true;
  const number = blockOf(path, layers_pattern ?? usualBlocks);
  return number !== null && blocks.includes(number);
}

function blockOf(path: string, before: readonly string[]): number | null {
  for (const name of before) {
    const [, number] = new RegExp(`(?:^|\\.)${name}\\.(\\d+)(?:\\.|$)`).exec(path) ?? [];
    if (number !== undefined) return Number(number);
  }
  return null;
}

function hasBottleneck({ leave_out, target_modules, ...config }: BottleneckConfig, path: string): boolean {
  const number = blockOf(path, usualBlocks);
  if (number !== null && leave_out.includes(number)) return false;
  if (target_modules !== null) return matchesLayer(target_modules, path);
  return (config.mh_adapter && attentionOutputs.test(path)) || (config.output_adapter && feedForwardOutputs.test(path));
}

// 'all-linear' leaves the output layer alone.
const isHead = (path: string): boolean =>
  /(^|\.)(lm_head|embed_out|score|classifier|qa_outputs|cls|decoder)$/.test(path);

/** Puts a LoRA, an (IA)³ or a bottleneck into each layer that the configuration names; those layers' paths. */
export function attachAdapter(network: object, config: LayerAdapterConfig): string[] {
  const layers = targetLayers(network, config);
  for (const [path, layer] of layers) attach(path, layer, make(path, layer, config));
  return [...layers.keys()];
}

function make(path: string, layer: LinearLayer, config: LayerAdapterConfig): LinearAdapter {
  if (config.peft_type === 'BOTTLENECK') {
    const size = Math.max(1, Math.floor(widths(layer).outputs / config.reduction_factor));
    return new Bottleneck(layer, { size, activation: config.non_linearity });
  }
  if (config.peft_type === 'LORA') return new LoRA(layer, loraOptions(config, path));
  return new IA3(layer, { feedForward: matchesLayer(config.feedforward_modules, path) });
}

/** Puts an adapter into one layer. */
export function attach(path: string, layer: LinearLayer, adapter: LinearAdapter): void {
  if (layer.adapter) throw new Error(`adapter: ${path} has an adapter already; build the network anew for another one`);
  layer.adapter = adapter;
}
