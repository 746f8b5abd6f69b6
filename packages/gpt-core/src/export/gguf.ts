import { toFloat16 } from '@gpt-lineage/vision-clip/safetensors';
import type * as tf from '@tensorflow/tfjs-core';
import { familyOf } from '../checkpoint-names.js';
import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import { transposed } from './transposed.js';

export interface GGUFOptions {
  /** Number format of the matrices; vectors stay float32. Default `f16`. */
  readonly type?: 'f32' | 'f16';
  /** `general.name`. Default `gpt`. */
  readonly name?: string;
}

interface Entry {
  readonly name: string;
  /** Rows first, as tensors are printed */
  readonly shape: readonly number[];
  readonly half: boolean;
  readonly data: () => Promise<Float32Array>;
}

const alignment = 32;
const types = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 } as const;

/**
 * A model as a GGUF file (version 3) for llama.cpp, in blocks: header first, then one tensor at a time.
 *
 * @throws {InvalidArgumentError} an architecture that llama.cpp does not have: only GPT-2's
 */
export async function* ggufChunks(model: GPT, options: GGUFOptions = {}): AsyncGenerator<Uint8Array> {
  const { type = 'f16' } = options;
  if (type !== 'f16' && type !== 'f32')
    throw new InvalidArgumentError('type', type, 'must be "f16" or "f32"');
  const family = familyOf(model.config);
  const { activation, scaleAttention, scaleAttentionByLayer } = model.config;
  const isGpt2 = family === 'gpt2' && activation === 'gelu_new' && scaleAttention && !scaleAttentionByLayer;
  if (!isGpt2) {
    throw new InvalidArgumentError('model.config', family, "GGUF readers know GPT-2's architecture only");
  }
  const entries = tensorsOf(model, type === 'f16');
  const header = new Writer();
  header.bytes(new TextEncoder().encode('GGUF'));
  header.uint32(3);
  const metadata = metadataOf(model, options.name ?? 'gpt', type === 'f16');
  header.uint64(entries.length);
  header.uint64(metadata.length);
  for (const [key, write] of metadata) {
    header.string(key);
    write(header);
  }
  let offset = 0;
  for (const { name, shape, half } of entries) {
    header.string(name);
    header.uint32(shape.length);
    for (const size of [...shape].reverse()) header.uint64(size); // fastest axis first
    header.uint32(half ? 1 : 0);
    header.uint64(offset);
    offset = aligned(offset + bytesOf(shape, half));
  }
  header.pad();
  yield header.result();
  for (const { shape, half, data } of entries) {
    const values = await data();
    const stored = half ? toFloat16(values) : values;
    const bytes = new Uint8Array(aligned(bytesOf(shape, half)));
    bytes.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    yield bytes;
  }
}

/** Names of llama.cpp; matrices are `[out, in]` there. */
const blockNames: Readonly<Record<string, string>> = {
  ln_1: 'attn_norm',
  'attn.c_attn': 'attn_qkv',
  'attn.c_proj': 'attn_output',
  ln_2: 'ffn_norm',
  'mlp.c_fc': 'ffn_up',
  'mlp.c_proj': 'ffn_down',
};
const otherNames: Readonly<Record<string, string>> = {
  'transformer.wte.weight': 'token_embd.weight',
  'transformer.wpe.weight': 'position_embd.weight',
  'transformer.ln_f.weight': 'output_norm.weight',
  'transformer.ln_f.bias': 'output_norm.bias',
  'lm_head.weight': 'output.weight',
};

function tensorsOf(model: GPT, half: boolean): Entry[] {
  return [...model.variables].map(([parameter, variable]): Entry => {
    const block = /^transformer\.h\.(\d+)\.(.*)\.(weight|bias)$/.exec(parameter);
    const name = block ? `blk.${block[1]}.${blockNames[block[2]!]}.${block[3]}` : otherNames[parameter]!;
    const matrix = variable.rank === 2;
    // Positions are added to float32 states: llama.cpp wants them whole.
    const small = half && matrix && name !== 'position_embd.weight';
    if (matrix && block) {
      const shape = [...variable.shape].reverse();
      return { name, shape, half: small, data: () => transposed(variable as tf.Tensor2D) };
    }
    return {
      name,
      shape: variable.shape,
      half: small,
      data: async () => (await variable.data()) as Float32Array,
    };
  });
}

type Field = readonly [string, (writer: Writer) => void];

function metadataOf(model: GPT, name: string, half: boolean): Field[] {
  const { config, tokenizer } = model;
  const text = (key: string, value: string): Field => [
    key,
    (w) => w.value(types.string, () => w.string(value)),
  ];
  const count = (key: string, value: number): Field => [
    key,
    (w) => w.value(types.uint32, () => w.uint32(value)),
  ];
  const fields: Field[] = [
    text('general.architecture', 'gpt2'),
    text('general.name', name),
    count('general.file_type', half ? 1 : 0),
    count('general.quantization_version', 2),
    count('general.alignment', alignment),
    count('gpt2.block_count', config.nLayer),
    count('gpt2.context_length', config.contextLength),
    count('gpt2.embedding_length', config.nEmbd),
    count('gpt2.feed_forward_length', config.nInner),
    count('gpt2.attention.head_count', config.nHead),
    [
      'gpt2.attention.layer_norm_epsilon',
      (w) => w.value(types.float32, () => w.float32(config.layerNormEpsilon)),
    ],
    count('gpt2.vocab_size', config.vocabSize),
  ];
  const bpe = (tokenizer?.toTokenizerJSON() ?? {}) as {
    model?: {
      type?: string;
      vocab?: Record<string, number>;
      merges?: readonly (string | readonly string[])[];
    };
    added_tokens?: readonly { id: number; content: string }[];
  };
  if (bpe.model?.type === 'BPE' && bpe.model.vocab) {
    const tokens = Array.from({ length: config.vocabSize }, (_, id) => `[PAD${id}]`);
    const kinds = new Int32Array(config.vocabSize).fill(5); // unused
    for (const [token, id] of Object.entries(bpe.model.vocab)) {
      tokens[id] = token;
      kinds[id] = 1; // ordinary
    }
    for (const { id, content } of bpe.added_tokens ?? []) {
      tokens[id] = content;
      kinds[id] = 3; // control
    }
    const merges = (bpe.model.merges ?? []).map((merge) =>
      typeof merge === 'string' ? merge : merge.join(' '),
    );
    fields.push(
      text('tokenizer.ggml.model', 'gpt2'),
      text('tokenizer.ggml.pre', 'gpt-2'),
      ['tokenizer.ggml.tokens', (w) => w.array(types.string, tokens, (token) => w.string(token))],
      ['tokenizer.ggml.token_type', (w) => w.array(types.int32, [...kinds], (kind) => w.int32(kind))],
      ['tokenizer.ggml.merges', (w) => w.array(types.string, merges, (merge) => w.string(merge))],
    );
  }
  const end = config.eosTokenId ?? tokenizer?.eosTokenId;
  const start = config.bosTokenId ?? end;
  if (start !== null && start !== undefined) fields.push(count('tokenizer.ggml.bos_token_id', start));
  if (end !== null && end !== undefined) fields.push(count('tokenizer.ggml.eos_token_id', end));
  return fields;
}

function bytesOf(shape: readonly number[], half: boolean): number {
  return shape.reduce((product, size) => product * size, half ? 2 : 4);
}

function aligned(offset: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** Little-endian, grows as needed. */
class Writer {
  #view = new DataView(new ArrayBuffer(1 << 16));
  #length = 0;
  readonly #encoder = new TextEncoder();

  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#view.byteLength) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#view.byteLength));
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }

  uint32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  int32(value: number): void {
    const at = this.#room(4);
    this.#view.setInt32(at, value, true);
  }

  float32(value: number): void {
    const at = this.#room(4);
    this.#view.setFloat32(at, value, true);
  }

  uint64(value: number): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  string(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.uint64(bytes.length);
    this.bytes(bytes);
  }

  value(type: number, write: () => void): void {
    this.uint32(type);
    write();
  }

  array<T>(type: number, items: readonly T[], write: (item: T) => void): void {
    this.uint32(types.array);
    this.uint32(type);
    this.uint64(items.length);
    for (const item of items) write(item);
  }

  pad(): void {
    this.#room(aligned(this.#length) - this.#length);
  }

  result(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.#length).slice();
  }
}
