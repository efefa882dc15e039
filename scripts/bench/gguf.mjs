// Writes a GPT-2 as GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), for the benchmark beside llama.cpp: F32, Q8_0 or Q4_0.
import { closeSync, openSync, writeSync } from 'node:fs';

const types = { F32: 0, Q4_0: 2, Q8_0: 8 };

class Bytes {
  parts = [];
  u32(n) {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(n);
    this.parts.push(b);
    return this;
  }
  u64(n) {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(BigInt(n));
    this.parts.push(b);
    return this;
  }
  f32(n) {
    const b = Buffer.alloc(4);
    b.writeFloatLE(n);
    this.parts.push(b);
    return this;
  }
  text(s) {
    const b = Buffer.from(s);
    this.u64(b.length).parts.push(b);
    return this;
  }
  value(v) {
    if (typeof v === 'string') return this.u32(8).text(v);
    if (Array.isArray(v)) {
      // An array, of texts or of signed numbers.
      this.u32(9)
        .u32(typeof v[0] === 'string' ? 8 : 5)
        .u64(v.length);
      for (const x of v) {
        if (typeof x === 'string') this.text(x);
        else this.u32(x);
      }
      return this;
    }
    return Number.isInteger(v) ? this.u32(4).u32(v) : this.u32(6).f32(v);
  }
  all() {
    return Buffer.concat(this.parts);
  }
}

const half = (() => {
  const one = new Float32Array(1);
  const bits = new Uint32Array(one.buffer);
  return (x) => {
    one[0] = x;
    const u = bits[0];
    const exponent = ((u >>> 23) & 255) - 112;
    if (exponent <= 0) return (u >>> 16) & 0x8000;
    return ((u >>> 16) & 0x8000) | (Math.min(30, exponent) << 10) | ((u >>> 13) & 1023);
  };
})();

// Rows of K values in blocks of 32.
function blocks(data, type) {
  const count = data.length / 32;
  const size = type === 'Q4_0' ? 18 : 34;
  const out = Buffer.alloc(count * size);
  for (let b = 0; b < count; b++) {
    let most = 0;
    for (let i = 0; i < 32; i++) if (Math.abs(data[b * 32 + i]) > Math.abs(most)) most = data[b * 32 + i];
    const scale = type === 'Q4_0' ? most / -8 : Math.abs(most) / 127;
    const inverse = scale ? 1 / scale : 0;
    out.writeUInt16LE(half(scale), b * size);
    const q = (i) => Math.min(15, Math.floor(data[b * 32 + i] * inverse + 8.5));
    if (type === 'Q4_0') for (let i = 0; i < 16; i++) out[b * size + 2 + i] = q(i) | (q(i + 16) << 4);
    else for (let i = 0; i < 32; i++) out.writeInt8(Math.round(data[b * 32 + i] * inverse), b * size + 2 + i);
  }
  return out;
}

function across(data, rows, columns) {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c];
  return out;
}

const names = {
  'wte.weight': 'token_embd.weight',
  'wpe.weight': 'position_embd.weight',
  'ln_f.weight': 'output_norm.weight',
  'ln_f.bias': 'output_norm.bias',
};
const parts = {
  ln_1: 'attn_norm',
  'attn.c_attn': 'attn_qkv',
  'attn.c_proj': 'attn_output',
  ln_2: 'ffn_norm',
  'mlp.c_fc': 'ffn_up',
  'mlp.c_proj': 'ffn_down',
};

/** @param weights Hugging Face's names to { data, shape } */
export function writeGguf(path, config, weights, type) {
  const tensors = [...weights].map(([name, { data, shape }]) => {
    const own = name.replace(/^transformer\./, '');
    const layer = /^h\.(\d+)\.(.*)\.(weight|bias)$/.exec(own);
    const called = layer ? `blk.${layer[1]}.${parts[layer[2]]}.${layer[3]}` : names[own];
    // GPT-2 keeps its matrices across.
    const turned = layer && shape.length === 2;
    const values = turned ? across(data, shape[0], shape[1]) : data;
    const dims = turned ? [shape[0], shape[1]] : [...shape].reverse();
    const kind = shape.length === 2 && own !== 'wpe.weight' ? type : 'F32';
    const bytes =
      kind === 'F32' ? Buffer.from(values.buffer, values.byteOffset, values.byteLength) : blocks(values, kind);
    return { called, dims, kind, bytes };
  });
  const V = config.vocab_size;
  const metadata = {
    'general.architecture': 'gpt2',
    'general.name': 'benchmark',
    'gpt2.context_length': config.n_positions,
    'gpt2.embedding_length': config.n_embd,
    'gpt2.feed_forward_length': 4 * config.n_embd,
    'gpt2.block_count': config.n_layer,
    'gpt2.attention.head_count': config.n_head,
    'gpt2.attention.layer_norm_epsilon': 1.0000000001e-5,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    // Texts play no part: the benchmark gives ids.
    'tokenizer.ggml.tokens': Array.from({ length: V }, (_, i) => (i < 256 ? String.fromCodePoint(256 + i) : `t${i}`)),
    'tokenizer.ggml.token_type': Array.from({ length: V }, () => 1),
    'tokenizer.ggml.merges': ['t 1'],
    'tokenizer.ggml.bos_token_id': V - 1,
    'tokenizer.ggml.eos_token_id': V - 1,
  };
  const head = new Bytes();
  head.parts.push(Buffer.from('GGUF'));
  head.u32(3).u64(tensors.length).u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) head.text(key).value(value);
  let offset = 0;
  const aligned = (n) => Math.ceil(n / 32) * 32;
  for (const { called, dims, kind, bytes } of tensors) {
    head.text(called).u32(dims.length);
    for (const d of dims) head.u64(d);
    head.u32(types[kind]).u64(offset);
    offset += aligned(bytes.length);
  }
  const file = openSync(path, 'w');
  const put = (b) => {
    for (let at = 0; at < b.length;) at += writeSync(file, b, at, b.length - at);
    writeSync(file, Buffer.alloc(aligned(b.length) - b.length));
  };
  put(head.all());
  for (const { bytes } of tensors) put(bytes);
  closeSync(file);
}
