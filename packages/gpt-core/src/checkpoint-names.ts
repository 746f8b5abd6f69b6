import type { GPTConfig } from './config/config.js';
import { parameterSpecs } from './config/parameters.js';

/** Whose names and layout a checkpoint has: `model_type` in its `config.json`. */
export type CheckpointFamily = 'openai-gpt' | 'gpt2' | 'gpt_neo' | 'gpt_lineage';

/** How one of our parameters is stored: side by side along its last axis, each part possibly transposed. */
export interface CheckpointEntry {
  readonly parameter: string;
  /** Shape of the parameter */
  readonly shape: readonly number[];
  readonly parts: readonly CheckpointPart[];
}

export interface CheckpointPart {
  /** Name in the file */
  readonly name: string;
  /** Shape in the file */
  readonly shape: readonly number[];
  /** `[out, in]` in the file, as `nn.Linear` stores it */
  readonly transposed: boolean;
}

/** The family that can say all of this configuration; `gpt_lineage` when none of the others can. */
export function familyOf(config: GPTConfig): CheckpointFamily {
  const { layerPattern } = config;
  const plain =
    config.positions === 'learned' &&
    (config.normPlacement === 'pre' || !config.scaleAttentionByLayer) &&
    config.nKvHead === config.nHead &&
    config.memoryLength === 0 &&
    config.vision === null;
  const dense = layerPattern.every((layer) => layer.type === 'dense');
  if (!plain) return 'gpt_lineage';
  if (config.normPlacement === 'post') {
    const named = config.activation === 'gelu_new' || config.activation === 'relu';
    const sizes = config.nInner === 4 * config.nEmbd;
    return dense && named && sizes && config.scaleAttention && config.qkvBias ? 'openai-gpt' : 'gpt_lineage';
  }
  if (config.normPlacement === 'pre') {
    if (dense && config.qkvBias) return 'gpt2';
    const windows = new Set(layerPattern.map((layer) => (layer.type === 'banded' ? layer.window : 0)));
    windows.delete(0);
    const local = layerPattern.every((layer) => layer.type === 'dense' || layer.type === 'banded');
    if (
      local &&
      windows.size <= 1 &&
      !config.scaleAttention &&
      !config.qkvBias &&
      !config.scaleAttentionByLayer
    )
      return 'gpt_neo';
  }
  return 'gpt_lineage';
}

/** Where each parameter of `config` stands in a checkpoint of `family`. */
export function checkpointEntries(config: GPTConfig, family: CheckpointFamily): CheckpointEntry[] {
  return [...parameterSpecs(config)].map(([parameter, { shape }]) => ({
    parameter,
    shape,
    parts: family === 'gpt_neo' ? gptNeoParts(parameter, shape) : [part(rename(parameter, family), shape)],
  }));
}

/** Buffers and heads that older files carry and no GPT needs. */
export function isIgnorable(name: string): boolean {
  return (
    /\.attn\.(attention\.)?(masked_)?bias$/.test(name) ||
    /\.attn\.rotary_emb\.inv_freq$/.test(name) ||
    name === 'transformer.position_ids' ||
    name === 'lm_head.weight'
  );
}

/** Hub checkpoints of the bare model (`gpt2`, `openai-gpt`) come without the `transformer.` prefix. */
export function alternativeNames(name: string): string[] {
  const names = [name];
  if (name.startsWith('transformer.')) names.push(name.slice('transformer.'.length));
  return names;
}

const openAiNames: Readonly<Record<string, string>> = {
  'transformer.wte.weight': 'transformer.tokens_embed.weight',
  'transformer.wpe.weight': 'transformer.positions_embed.weight',
};

function rename(parameter: string, family: CheckpointFamily): string {
  return family === 'openai-gpt' ? (openAiNames[parameter] ?? parameter) : parameter;
}

function part(name: string, shape: readonly number[], transposed = false): CheckpointPart {
  return { name, shape, transposed };
}

/** GPT-Neo has three separate projections under `attn.attention`, and stores every matrix `[out, in]`. */
function gptNeoParts(parameter: string, shape: readonly number[]): CheckpointPart[] {
  const flipped = [...shape].reverse();
  const fused = /^(.*\.attn)\.c_attn\.weight$/.exec(parameter);
  if (fused) {
    const width = flipped[0]! / 3;
    return ['q_proj', 'k_proj', 'v_proj'].map((projection) =>
      part(`${fused[1]}.attention.${projection}.weight`, [width, flipped[1]!], true),
    );
  }
  const output = /^(.*\.attn)\.c_proj\.(weight|bias)$/.exec(parameter);
  if (output) {
    const name = `${output[1]}.attention.out_proj.${output[2]}`;
    return [output[2] === 'weight' ? part(name, flipped, true) : part(name, shape)];
  }
  if (/\.mlp\.c_(fc|proj)\.weight$/.test(parameter)) return [part(parameter, flipped, true)];
  return [part(parameter, shape)];
}
