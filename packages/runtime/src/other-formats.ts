// Weights in formats that aren't read here: said by name, with the command that converts them once.

/** Who would read these weights, as one line of Python. */
const transformers = (config: Readonly<Record<string, unknown>> | null, how: string): string => {
  const named: unknown = Array.isArray(config?.['architectures']) ? config['architectures'][0] : undefined;
  const known = typeof named === 'string' && /^[A-Za-z_]\w*$/.test(named) ? named : 'AutoModel';
  return `python3 -c "from transformers import ${known} as M; M.from_pretrained('.', ${how}).save_pretrained('.', safe_serialization=True)"`;
};

// Keeps every name and value as it is, whatever the class; tensors that share memory are stored each. Only tensors are
// read (weights_only), so that nothing in the file is run.
const convertPickles =
  `python3 -c "import glob, torch, safetensors.torch as s; ` +
  `s.save_file({k: v.clone().contiguous() for f in sorted(glob.glob('pytorch_model*.bin')) ` +
  `for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, 'model.safetensors', {'format': 'pt'})"`;

/**
 * What to do about a folder or repository without safetensors: which other file of weights it has, and the command that
 * converts it, to be run in the folder; null where it has none.
 *
 * @param config config.json, where it was read
 */
export function otherFormat(
  names: Iterable<string>,
  config: Readonly<Record<string, unknown>> | null = null,
): string | null {
  const all = [...names].toSorted();
  const find = (pattern: RegExp): string | undefined => all.find((name) => pattern.test(name));
  const pickle = find(/^pytorch_model\.bin$/) ?? find(/^pytorch_model.*\.bin(\.index\.json)?$/);
  if (pickle)
    return `holds its weights in ${pickle} only, which may run code when it is read. Convert it once, in its folder, with Python (pip install torch safetensors): ${convertPickles}`;
  const others: readonly (readonly [RegExp, string, string])[] = [
    [/^tf_model.*\.h5(\.index\.json)?$/, "TensorFlow's", 'from_tf=True'],
    [/^flax_model.*\.msgpack(\.index\.json)?$/, "Flax's", 'from_flax=True'],
  ];
  for (const [pattern, whose, how] of others) {
    const name = find(pattern);
    if (name)
      return `holds its weights in ${name} only, ${whose} format. Convert it once, in its folder, with Python (pip install transformers torch): ${transformers(config, how)}`;
  }
  const gguf = find(/\.gguf$/i);
  if (gguf)
    return `holds its weights in ${gguf} only, llama.cpp's format. Convert it once, in its folder, with Python (pip install transformers torch gguf): ${transformers(config, `gguf_file='${gguf.replace(/['"\\$`]/g, '?')}'`)}`;
  const unknown = find(/\.(bin|pt|pth|ckpt|onnx)$/);
  return unknown === undefined
    ? null
    : `holds no safetensors, but ${unknown}; ask its makers for model.safetensors, or save the model anew with transformers' save_pretrained`;
}
