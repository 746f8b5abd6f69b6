import { InvalidConfigError } from '../errors.js';

/** Which keys a layer's queries may see. Every pattern is causal. */
export type LayerAttention =
  /** All earlier positions. Radford et al. 2018. */
  | { readonly type: 'dense' }
  /** The last `window` positions, itself included. Brown et al. 2020, section 2.1. */
  | { readonly type: 'banded'; readonly window: number }
  /** The last `stride` positions and every `stride`-th one before. Child et al. 2019, section 4.2. */
  | { readonly type: 'strided'; readonly stride: number; readonly heads?: 'merged' | 'alternating' }
  /** The own block of `stride` and the last `summary` positions of each earlier block. Child et al. 2019. */
  | {
      readonly type: 'fixed';
      readonly stride: number;
      readonly summary: number;
      readonly heads?: 'merged' | 'alternating';
    }
  /** The `k` earlier positions with the largest scores. Zhao et al. 2019 (Explicit Sparse Transformer). */
  | { readonly type: 'topk'; readonly k: number };

/** `'dense'`, `'banded(256)'`, `'strided(128)'`, `'fixed(128,8)'`, `'topk(64)'`, or the object form. */
export type LayerAttentionInput = LayerAttention | string;

const forms = 'dense, banded(window), strided(stride), fixed(stride,summary) or topk(k)';

/** The object form of one entry of `layerPattern`. */
export function parseLayerAttention(input: unknown, field: string): LayerAttention {
  if (typeof input === 'string') return checked(fromText(input, field), field, input);
  if (typeof input !== 'object' || input === null || !('type' in input)) {
    throw new InvalidConfigError(field, input, `write ${forms}`);
  }
  return checked(input as LayerAttention, field, input);
}

function fromText(text: string, field: string): LayerAttention {
  const match = /^\s*([a-z]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$/.exec(text);
  const [, type, first, second] = match ?? [];
  const [a, b] = [Number(first), Number(second)];
  if (type === 'dense' && first === undefined) return { type };
  if (type === 'banded' && first !== undefined && second === undefined) return { type, window: a };
  if (type === 'strided' && first !== undefined && second === undefined) return { type, stride: a };
  if (type === 'fixed' && second !== undefined) return { type, stride: a, summary: b };
  if (type === 'topk' && first !== undefined && second === undefined) return { type, k: a };
  throw new InvalidConfigError(field, text, `write ${forms}`);
}

function checked(spec: LayerAttention, field: string, input: unknown): LayerAttention {
  const positive = (name: string, value: number): number => {
    if (Number.isInteger(value) && value >= 1) return value;
    throw new InvalidConfigError(`${field}.${name}`, value ?? input, 'write a whole number of at least 1');
  };
  const heads = 'heads' in spec && spec.heads === 'alternating' ? { heads: 'alternating' as const } : {};
  switch (spec.type) {
    case 'dense':
      return { type: 'dense' };
    case 'banded':
      return { type: 'banded', window: positive('window', spec.window) };
    case 'strided':
      return { type: 'strided', stride: positive('stride', spec.stride), ...heads };
    case 'fixed': {
      const stride = positive('stride', spec.stride);
      const summary = positive('summary', spec.summary);
      if (summary > stride) {
        throw new InvalidConfigError(`${field}.summary`, summary, `it may not exceed the stride ${stride}`);
      }
      return { type: 'fixed', stride, summary, ...heads };
    }
    case 'topk':
      return { type: 'topk', k: positive('k', spec.k) };
    default:
      throw new InvalidConfigError(field, input, `write ${forms}`);
  }
}

/** The text form: `banded(256)`. */
export function formatLayerAttention(spec: LayerAttention): string {
  switch (spec.type) {
    case 'dense':
      return 'dense';
    case 'banded':
      return `banded(${spec.window})`;
    case 'strided':
      return `strided(${spec.stride})`;
    case 'fixed':
      return `fixed(${spec.stride},${spec.summary})`;
    case 'topk':
      return `topk(${spec.k})`;
  }
}
