import { z } from 'zod';
import { type CheckpointFamily, familyOf } from '../checkpoint-names.js';
import { type Activation, type GPTConfig, type GPTConfigInput, parseConfig } from '../config/config.js';
import { CheckpointError, show } from '../errors.js';

export interface CheckpointConfig {
  readonly family: CheckpointFamily;
  readonly config: GPTConfig;
}

/** The tanh form under each of the names that transformers gives it. */
const tanhGelu = ['gelu_new', 'gelu_fast', 'gelu_pytorch_tanh', 'gelu_python_tanh'];

const count = z.number().int().min(1);
const rate = z.number().min(0).max(1);
const id = z.union([z.number().int().min(0), z.null()]).optional();
const common = {
  layer_norm_epsilon: z.number().positive().default(1e-5),
  initializer_range: z.number().positive().default(0.02),
  tie_word_embeddings: z.boolean().default(true),
  bos_token_id: id,
  eos_token_id: z
    .union([z.number().int().min(0), z.null(), z.array(z.number().int().min(0)).min(1)])
    .optional(),
  pad_token_id: id,
};

// Absent fields mean the defaults of the transformers class, not ours.
const gpt2Schema = z.looseObject({
  ...common,
  vocab_size: count.default(50257),
  n_positions: count.default(1024),
  n_embd: count.default(768),
  n_layer: count.default(12),
  n_head: count.default(12),
  n_inner: count.nullable().default(null),
  activation_function: z.string().default('gelu_new'),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.boolean().default(false),
  embd_pdrop: rate.default(0.1),
  attn_pdrop: rate.default(0.1),
  resid_pdrop: rate.default(0.1),
});
const openAiSchema = z.looseObject({
  ...common,
  vocab_size: count.default(40478),
  n_positions: count.default(512),
  n_embd: count.default(768),
  n_layer: count.default(12),
  n_head: count.default(12),
  afn: z.string().default('gelu'),
  embd_pdrop: rate.default(0.1),
  attn_pdrop: rate.default(0.1),
  resid_pdrop: rate.default(0.1),
});
const gptNeoSchema = z.looseObject({
  ...common,
  vocab_size: count.default(50257),
  max_position_embeddings: count.default(2048),
  hidden_size: count.default(2048),
  num_layers: count.default(24),
  num_heads: count.default(16),
  intermediate_size: count.nullable().default(null),
  window_size: count.default(256),
  activation_function: z.string().default('gelu_new'),
  attention_types: z
    .array(z.tuple([z.array(z.enum(['global', 'local'])).min(1), count.max(10_000)]))
    .default([[['global', 'local'], 12]]),
  embed_dropout: rate.default(0),
  attention_dropout: rate.default(0),
  resid_dropout: rate.default(0),
});

/**
 * Our configuration from the `config.json` of a GPT-1, GPT-2 or GPT-Neo checkpoint, or of one that we saved.
 *
 * @throws {CheckpointError} not such a file, or an option that our model does not have
 * @throws {InvalidConfigError} values that no model can have
 */
export function configFromHuggingFace(json: unknown, path = 'config.json'): CheckpointConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new CheckpointError(path, 'is not a JSON object');
  }
  const fields = json as Record<string, unknown>;
  const own = (fields.gpt_lineage ?? {}) as GPTConfigInput;
  const type = fields.model_type;
  switch (type) {
    case 'gpt2':
      return { family: type, config: parseConfig({ ...own, ...fromGpt2(fields, path) }) };
    case 'openai-gpt':
      return {
        family: type,
        config: parseConfig({ residualScaledInit: false, ...own, ...fromOpenAi(fields, path) }),
      };
    case 'gpt_neo':
      return { family: type, config: parseConfig({ ...own, ...fromGptNeo(fields, path) }) };
    case 'gpt_lineage':
      return { family: type, config: parseConfig(own) };
    default:
      throw new CheckpointError(
        path,
        `model_type is ${show(type)}; openai-gpt, gpt2, gpt_neo and gpt_lineage can be loaded`,
      );
  }
}

function fromGpt2(json: unknown, path: string): GPTConfigInput {
  const fields = parseFields(gpt2Schema, json, path);
  if (fields.add_cross_attention) {
    throw new CheckpointError(path, 'add_cross_attention is not supported; set it to false or convert');
  }
  return {
    ...commonFields(fields),
    contextLength: fields.n_positions,
    nLayer: fields.n_layer,
    nHead: fields.n_head,
    nKvHead: fields.n_head,
    nEmbd: fields.n_embd,
    nInner: fields.n_inner ?? 4 * fields.n_embd,
    normPlacement: 'pre',
    positions: 'learned',
    layerPattern: 'dense',
    qkvBias: true,
    scaleAttention: fields.scale_attn_weights,
    scaleAttentionByLayer: fields.scale_attn_by_inverse_layer_idx,
    activation: activationFrom(fields.activation_function, path),
    embeddingDropout: fields.embd_pdrop,
    attentionDropout: fields.attn_pdrop,
    residualDropout: fields.resid_pdrop,
  };
}

function fromOpenAi(json: unknown, path: string): GPTConfigInput {
  const fields = parseFields(openAiSchema, json, path);
  // In OpenAIGPTModel "gelu" names the tanh form, as in the original code.
  if (fields.afn !== 'gelu' && fields.afn !== 'relu') {
    throw new CheckpointError(path, `afn is ${show(fields.afn)}; gelu and relu are supported`);
  }
  return {
    ...commonFields(fields),
    contextLength: fields.n_positions,
    nLayer: fields.n_layer,
    nHead: fields.n_head,
    nKvHead: fields.n_head,
    nEmbd: fields.n_embd,
    nInner: 4 * fields.n_embd,
    normPlacement: 'post',
    positions: 'learned',
    layerPattern: 'dense',
    qkvBias: true,
    scaleAttention: true,
    activation: fields.afn === 'gelu' ? 'gelu_new' : 'relu',
    embeddingDropout: fields.embd_pdrop,
    attentionDropout: fields.attn_pdrop,
    residualDropout: fields.resid_pdrop,
  };
}

function fromGptNeo(json: unknown, path: string): GPTConfigInput {
  const fields = parseFields(gptNeoSchema, json, path);
  const layers = fields.attention_types.flatMap(([kinds, times]) =>
    Array.from({ length: times }, () => kinds).flat(),
  );
  if (layers.length !== fields.num_layers) {
    throw new CheckpointError(
      path,
      `attention_types describes ${layers.length} layers, num_layers says ${fields.num_layers}`,
    );
  }
  return {
    ...commonFields(fields),
    contextLength: fields.max_position_embeddings,
    nLayer: fields.num_layers,
    nHead: fields.num_heads,
    nKvHead: fields.num_heads,
    nEmbd: fields.hidden_size,
    nInner: fields.intermediate_size ?? 4 * fields.hidden_size,
    normPlacement: 'pre',
    positions: 'learned',
    layerPattern: layers.map((kind) =>
      kind === 'global' ? { type: 'dense' } : { type: 'banded', window: fields.window_size },
    ),
    qkvBias: false,
    scaleAttention: false,
    activation: activationFrom(fields.activation_function, path),
    embeddingDropout: fields.embed_dropout,
    attentionDropout: fields.attention_dropout,
    residualDropout: fields.resid_dropout,
  };
}

type CommonFields = z.infer<z.ZodObject<typeof common>> & { vocab_size: number };

function commonFields(fields: CommonFields): GPTConfigInput {
  const eos = Array.isArray(fields.eos_token_id) ? fields.eos_token_id[0] : fields.eos_token_id;
  // transformers keeps 50256 as the default end of models with a smaller vocabulary.
  const inVocabulary = (value: number | null | undefined) =>
    value !== undefined && value !== null && value < fields.vocab_size ? value : null;
  return {
    vocabSize: fields.vocab_size,
    layerNormEpsilon: fields.layer_norm_epsilon,
    initializerRange: fields.initializer_range,
    tieEmbeddings: fields.tie_word_embeddings,
    bosTokenId: inVocabulary(fields.bos_token_id),
    eosTokenId: inVocabulary(eos),
    padTokenId: inVocabulary(fields.pad_token_id),
  };
}

function activationFrom(name: string, path: string): Activation {
  if (tanhGelu.includes(name)) return 'gelu_new';
  if (name === 'gelu' || name === 'quick_gelu' || name === 'relu') return name;
  throw new CheckpointError(
    path,
    `activation_function is ${show(name)}; gelu_new, gelu, quick_gelu and relu are supported`,
  );
}

function parseFields<Schema extends z.ZodType>(schema: Schema, json: unknown, path: string): z.infer<Schema> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new CheckpointError(path, `field "${issue.path.join('.')}": ${issue.message}`);
}

/** The `config.json` that transformers (or, for what only we have, `GPT.load`) reads. */
export function configToHuggingFace(config: GPTConfig): Record<string, unknown> {
  const family = familyOf(config);
  const shared = {
    model_type: family,
    vocab_size: config.vocabSize,
    layer_norm_epsilon: config.layerNormEpsilon,
    initializer_range: config.initializerRange,
    tie_word_embeddings: config.tieEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenId,
    pad_token_id: config.padTokenId,
    dtype: 'float32',
    torch_dtype: 'float32', // read by transformers before version 4.56
  };
  const { initializerRange, residualScaledInit } = config;
  switch (family) {
    case 'gpt2':
      return {
        architectures: ['GPT2LMHeadModel'],
        ...shared,
        n_positions: config.contextLength,
        n_ctx: config.contextLength,
        n_embd: config.nEmbd,
        n_layer: config.nLayer,
        n_head: config.nHead,
        n_inner: config.nInner === 4 * config.nEmbd ? null : config.nInner,
        activation_function: config.activation,
        scale_attn_weights: config.scaleAttention,
        scale_attn_by_inverse_layer_idx: config.scaleAttentionByLayer,
        embd_pdrop: config.embeddingDropout,
        attn_pdrop: config.attentionDropout,
        resid_pdrop: config.residualDropout,
        gpt_lineage: { residualScaledInit },
      };
    case 'openai-gpt':
      return {
        architectures: ['OpenAIGPTLMHeadModel'],
        ...shared,
        n_positions: config.contextLength,
        n_embd: config.nEmbd,
        n_layer: config.nLayer,
        n_head: config.nHead,
        afn: config.activation === 'gelu_new' ? 'gelu' : config.activation,
        embd_pdrop: config.embeddingDropout,
        attn_pdrop: config.attentionDropout,
        resid_pdrop: config.residualDropout,
        gpt_lineage: { residualScaledInit },
      };
    case 'gpt_neo': {
      const kinds = config.layerPattern.map((layer) => (layer.type === 'dense' ? 'global' : 'local'));
      const banded = config.layerPattern.find((layer) => layer.type === 'banded');
      return {
        architectures: ['GPTNeoForCausalLM'],
        ...shared,
        max_position_embeddings: config.contextLength,
        hidden_size: config.nEmbd,
        num_layers: config.nLayer,
        num_heads: config.nHead,
        intermediate_size: config.nInner,
        window_size: banded?.type === 'banded' ? banded.window : 256,
        attention_types: [[kinds, 1]],
        attention_layers: kinds,
        activation_function: config.activation,
        embed_dropout: config.embeddingDropout,
        attention_dropout: config.attentionDropout,
        resid_dropout: config.residualDropout,
        gpt_lineage: { residualScaledInit },
      };
    }
    case 'gpt_lineage':
      return {
        architectures: ['GPTLineageForCausalLM'],
        ...shared,
        initializer_range: initializerRange,
        max_position_embeddings: config.contextLength,
        hidden_size: config.nEmbd,
        num_hidden_layers: config.nLayer,
        num_attention_heads: config.nHead,
        gpt_lineage: config,
      };
  }
}
