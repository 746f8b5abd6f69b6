import { z } from 'zod';
import { InvalidConfigError } from '../errors.js';
import { type LayerAttention, type LayerAttentionInput, parseLayerAttention } from './layer-attention.js';

/** Buckets of T5's relative bias: 32, as in Raffel et al. 2020. */
export const t5Buckets = 32;

/** How a position enters the model. */
export type PositionScheme =
  /** A learned vector per absolute position, added to the token embedding (GPT-1, GPT-2, GPT-3). */
  | 'learned'
  /** Nothing: only the causal mask tells positions apart. */
  | 'none'
  /** Learned vectors per clipped distance, added to keys and values. Shaw et al. 2018. */
  | 'shaw'
  /** A learned bias per distance bucket and head, shared by the layers. Raffel et al. 2020. */
  | 't5'
  /** Queries and keys rotated by their position. Su et al. 2021. */
  | 'rotary'
  /** A fixed bias per head that grows with the distance. Press et al. 2022. */
  | 'alibi'
  /** Sinusoid distances with learned global biases; goes with `memoryLength`. Dai et al. 2019. */
  | 'transformer-xl';

export type Activation = 'gelu_new' | 'gelu' | 'quick_gelu' | 'relu';

/** The image side of a multimodal GPT: encoder features enter as tokens through a learned projector. */
export interface VisionConfig {
  /** Width of the image encoder's features. */
  readonly nEmbd: number;
  /** Tokens that one image takes: the encoder's patches, or the queries of a resampler. */
  readonly imageTokens: number;
  /**
   * `linear`: one matrix (Liu et al. 2023, LLaVA); `mlp`: two with a GELU between (LLaVA-1.5); `resampler`: learned
   * queries that attend to the features, so that an image takes `imageTokens` tokens whatever its size (Alayrac et
   * al. 2022, Flamingo).
   */
  readonly projector: 'linear' | 'mlp' | 'resampler';
  /**
   * The encoder's hidden state that is used: -1 is its output, -2 what its last block reads. Default -2, as LLaVA:
   * contrastive training looks at the class token only, and leaves the last block's patches as they happen to be.
   */
  readonly layer: number;
  /** The class token is a feature as well. Default `false`. */
  readonly classToken: boolean;
  /** Blocks of the resampler. Default 2. */
  readonly resamplerLayers: number;
  /** Heads of the resampler. Default: one for each 64 of `nEmbd`, else `nHead`. */
  readonly resamplerHeads: number;
}

/** What a caller writes: sizes and projector. */
export type VisionConfigInput = Pick<VisionConfig, 'nEmbd' | 'imageTokens' | 'projector'> &
  Partial<VisionConfig>;

/** Every choice that defines a GPT. Plain data: it can be printed, compared, stored as JSON. */
export interface GPTConfig {
  readonly vocabSize: number;
  /** Longest sequence of one forward pass, in tokens. */
  readonly contextLength: number;
  readonly nLayer: number;
  readonly nHead: number;
  /** Key/value heads; fewer than `nHead` is grouped-query attention. Default `nHead`. */
  readonly nKvHead: number;
  readonly nEmbd: number;
  /** Width inside the MLP. Default `4 * nEmbd`. */
  readonly nInner: number;
  /**
   * Where the layer norms stand: `post` after each residual sum (GPT-1), `pre` before each sub-layer plus one
   * at the end (GPT-2, GPT-3), `sandwich` before and after each sub-layer plus one at the end.
   */
  readonly normPlacement: 'post' | 'pre' | 'sandwich';
  readonly layerNormEpsilon: number;
  /** `gelu_new` is the tanh form that GPT-1, GPT-2 and GPT-3 use; `gelu` is the exact one. */
  readonly activation: Activation;
  readonly positions: PositionScheme;
  /** `shaw`: largest distance told apart; `t5`: distance of the last bucket. */
  readonly relativeDistance: number;
  /** One entry per layer. On input a shorter list is repeated: `['dense', 'banded(256)']` alternates. */
  readonly layerPattern: readonly LayerAttention[];
  /** `true`: scores are divided by the square root of the head size. GPT-Neo does not. */
  readonly scaleAttention: boolean;
  /** `true`: the scores of layer `i` are divided by `i + 1` as well, against overflow in half precision. Default `false`. */
  readonly scaleAttentionByLayer: boolean;
  /** `true`: queries, keys and values have a bias. GPT-Neo has none. */
  readonly qkvBias: boolean;
  /** Positions of earlier segments that each layer keeps and attends to. Default 0: none. */
  readonly memoryLength: number;
  readonly embeddingDropout: number;
  readonly attentionDropout: number;
  readonly residualDropout: number;
  /** Standard deviation of the initial weights. */
  readonly initializerRange: number;
  /** `true`: weights that write into the residual stream start smaller by 1/sqrt(2 nLayer) (GPT-2). */
  readonly residualScaledInit: boolean;
  /** `true`: the output matrix is the token embedding. */
  readonly tieEmbeddings: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  readonly padTokenId: number | null;
  readonly vision: VisionConfig | null;
}

/** What a caller writes: sizes, and whatever differs from GPT-2. */
export type GPTConfigInput = Omit<Partial<GPTConfig>, 'layerPattern' | 'vision'> & {
  readonly vision?: VisionConfigInput | null;
  readonly layerPattern?: readonly LayerAttentionInput[] | LayerAttentionInput;
};

/** Tensor shapes are 32-bit numbers. */
const LARGEST = 2 ** 31 - 1;
const size = z.number().int().min(1).max(LARGEST);
const chance = z.number().min(0).lt(1);
const tokenId = z.number().int().min(0).nullable();

const schema = z.strictObject({
  vocabSize: size.default(50257),
  contextLength: size.default(1024),
  // Far above any model; a damaged file must not make a table of a billion layers.
  nLayer: size.max(10_000).default(12),
  nHead: size.default(12),
  nKvHead: size.optional(),
  nEmbd: size.default(768),
  nInner: size.optional(),
  normPlacement: z.enum(['post', 'pre', 'sandwich']).default('pre'),
  layerNormEpsilon: z.number().positive().default(1e-5),
  activation: z.enum(['gelu_new', 'gelu', 'quick_gelu', 'relu']).default('gelu_new'),
  positions: z
    .enum(['learned', 'none', 'shaw', 't5', 'rotary', 'alibi', 'transformer-xl'])
    .default('learned'),
  relativeDistance: size.default(128),
  layerPattern: z.unknown().optional(),
  scaleAttention: z.boolean().default(true),
  scaleAttentionByLayer: z.boolean().default(false),
  qkvBias: z.boolean().default(true),
  memoryLength: z.number().int().min(0).max(LARGEST).default(0),
  embeddingDropout: chance.default(0),
  attentionDropout: chance.default(0),
  residualDropout: chance.default(0),
  initializerRange: z.number().positive().default(0.02),
  residualScaledInit: z.boolean().default(true),
  tieEmbeddings: z.boolean().default(true),
  bosTokenId: tokenId.default(null),
  eosTokenId: tokenId.default(null),
  padTokenId: tokenId.default(null),
  vision: z
    .strictObject({
      nEmbd: size,
      imageTokens: size,
      projector: z.enum(['linear', 'mlp', 'resampler']),
      layer: z.number().int().max(-1).default(-2),
      classToken: z.boolean().default(false),
      resamplerLayers: size.default(2),
      resamplerHeads: size.optional(),
    })
    .nullable()
    .default(null),
});

/**
 * Fills the defaults (those of GPT-2 small) and checks every field.
 *
 * @throws {InvalidConfigError} naming the field, its value and what to write
 */
export function parseConfig(input: GPTConfigInput): GPTConfig {
  if (typeof input !== 'object' || input === null) {
    throw new InvalidConfigError(
      'config',
      input,
      'write an object such as { nLayer: 4, nHead: 4, nEmbd: 128 }',
    );
  }
  const defined = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const result = schema.safeParse(defined);
  if (!result.success) throw firstIssue(result.error, input as Record<string, unknown>);
  const { layerPattern, nKvHead, nInner, vision, ...fields } = result.data;
  const { nHead, nEmbd, nLayer } = fields;
  const config: GPTConfig = {
    ...fields,
    nKvHead: nKvHead ?? nHead,
    nInner: nInner ?? 4 * nEmbd,
    vision: vision && {
      ...vision,
      resamplerHeads: vision.resamplerHeads ?? (nEmbd % 64 === 0 ? nEmbd / 64 : nHead),
    },
    layerPattern: expandPattern(layerPattern ?? 'dense', nLayer),
  };
  check(config);
  return config;
}

function check(config: GPTConfig): void {
  const { nEmbd, nHead, nKvHead, vocabSize } = config;
  if (nEmbd % nHead !== 0) {
    const heads = divisorsNear(nEmbd, nHead);
    throw new InvalidConfigError(
      'nHead',
      nHead,
      `nEmbd ${nEmbd} must be a multiple of it; ${heads.join(' or ')} would fit`,
    );
  }
  if (nHead % nKvHead !== 0) {
    throw new InvalidConfigError('nKvHead', nKvHead, `nHead ${nHead} must be a multiple of it`);
  }
  if (config.positions === 'rotary' && (nEmbd / nHead) % 2 !== 0) {
    throw new InvalidConfigError('positions', 'rotary', `the head size ${nEmbd / nHead} must be even`);
  }
  if (config.positions === 'transformer-xl' && nEmbd % 2 !== 0) {
    throw new InvalidConfigError('positions', 'transformer-xl', `nEmbd ${nEmbd} must be even`);
  }
  if (config.positions === 't5' && config.relativeDistance <= t5Buckets / 2) {
    throw new InvalidConfigError(
      'relativeDistance',
      config.relativeDistance,
      `the first ${t5Buckets / 2} distances have a bucket each; write a larger number`,
    );
  }
  if (config.positions === 'shaw' && nKvHead !== nHead) {
    throw new InvalidConfigError(
      'nKvHead',
      nKvHead,
      'positions "shaw" and grouped queries do not go together',
    );
  }
  if (config.memoryLength > 0 && (config.positions === 'learned' || config.positions === 'none')) {
    throw new InvalidConfigError(
      'memoryLength',
      config.memoryLength,
      'absolute positions do not tell segments apart; set positions to "transformer-xl", "rotary", "alibi" or "t5"',
    );
  }
  const plain = ['learned', 'none', 'rotary'].includes(config.positions);
  if (!plain && config.layerPattern.some(({ type }) => type === 'topk')) {
    throw new InvalidConfigError(
      'layerPattern',
      'topk',
      `top-k layers go with positions "learned", "none" or "rotary", not "${config.positions}"`,
    );
  }
  const alternating = config.layerPattern.find((layer) => 'heads' in layer && layer.heads === 'alternating');
  if (!plain && alternating) {
    throw new InvalidConfigError(
      'layerPattern',
      alternating,
      `alternating heads go with positions "learned", "none" or "rotary", not "${config.positions}"`,
    );
  }
  const { vision } = config;
  if (vision && vision.imageTokens >= config.contextLength) {
    throw new InvalidConfigError(
      'vision.imageTokens',
      vision.imageTokens,
      `an image must leave room for text in a context of ${config.contextLength}`,
    );
  }
  if (vision?.projector === 'resampler' && nEmbd % vision.resamplerHeads !== 0) {
    throw new InvalidConfigError(
      'vision.resamplerHeads',
      vision.resamplerHeads,
      `nEmbd ${nEmbd} must be a multiple of it`,
    );
  }
  for (const field of ['bosTokenId', 'eosTokenId', 'padTokenId'] as const) {
    const id = config[field];
    if (id !== null && id >= vocabSize) {
      throw new InvalidConfigError(field, id, `ids end at ${vocabSize - 1} (vocabSize - 1)`);
    }
  }
}

function expandPattern(input: unknown, nLayer: number): LayerAttention[] {
  const list = Array.isArray(input) ? (input as unknown[]) : [input];
  if (list.length === 0 || list.length > nLayer) {
    throw new InvalidConfigError(
      'layerPattern',
      `${list.length} entries`,
      `write 1 to ${nLayer} (nLayer) entries; a shorter list is repeated`,
    );
  }
  const parsed = list.map((entry, index) => parseLayerAttention(entry, `layerPattern[${index}]`));
  return Array.from({ length: nLayer }, (_, layer) => parsed[layer % parsed.length]!);
}

function divisorsNear(value: number, near: number): number[] {
  const divisors = [];
  for (let d = 1; d <= value; d++) if (value % d === 0) divisors.push(d);
  return divisors.sort((a, b) => Math.abs(a - near) - Math.abs(b - near)).slice(0, 2);
}

function firstIssue(error: z.ZodError, input: Record<string, unknown>): InvalidConfigError {
  const issue = error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const key = String(issue.keys[0]);
    return new InvalidConfigError(
      key,
      input[key],
      `no such field; known are ${Object.keys(schema.shape).join(', ')}`,
    );
  }
  const field = issue.path.map(String).join('.') || 'config';
  const value = issue.path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
  return new InvalidConfigError(field, value, issue.message.replace(/^Invalid input: /, ''));
}
