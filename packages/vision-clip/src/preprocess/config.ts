import { ClipConfigError } from '../errors.js';
import type { Interpolation } from './resample.js';

/** How an image becomes the numbers an encoder takes. Every field has OpenAI CLIP's value as its default. */
export interface PreprocessConfig {
  /** Side of the square the encoder takes, or `[width, height]`. Default 224. */
  readonly size?: number | readonly [number, number];
  /** What the resize aims at, when it differs from `size` (crop_size ≠ size). A number is a side. Default `size`. */
  readonly resizeTo?: number | readonly [number, number];
  /**
   * `shortest`: short side to `size`, centre crop · `longest`: long side to `size`, centred on `fill` ·
   * `squash`: both sides to `size`, aspect ratio lost · `none`: crop or pad only. Default `shortest`.
   */
  readonly resizeMode?: 'shortest' | 'longest' | 'squash' | 'none';
  /** Default `bicubic`. */
  readonly interpolation?: Interpolation;
  /**
   * `after-resize`: OpenAI's and open_clip's order; transparent images are resized premultiplied, palettes by
   * nearest neighbour. `before-resize`: transformers' order. Default `after-resize`.
   */
  readonly toRgb?: 'after-resize' | 'before-resize';
  /** Where an odd margin goes: torchvision rounds half to even, transformers floors. Default `half-even`. */
  readonly cropRounding?: 'half-even' | 'floor';
  /** Colour of padding, 0–255. Default black. */
  readonly fill?: readonly [number, number, number];
  /** Lay transparent images on this colour first. Default: alpha is dropped, as Pillow does. */
  readonly background?: readonly [number, number, number];
  /** Samples are multiplied by this before normalising. Default 1/255. */
  readonly rescale?: number;
  /** Per channel, in rescaled units. */
  readonly mean?: readonly [number, number, number];
  readonly std?: readonly [number, number, number];
}

/** Mean and standard deviation of OpenAI's training images, as its code and every CLIP checkpoint have them. */
export const openaiMean: readonly [number, number, number] = [0.48145466, 0.4578275, 0.40821073];
export const openaiStd: readonly [number, number, number] = [0.26862954, 0.26130258, 0.27577711];

export interface ResolvedPreprocessConfig extends Required<Omit<PreprocessConfig, 'background'>> {
  readonly size: readonly [number, number];
  readonly resizeTo: readonly [number, number];
  readonly background: readonly [number, number, number] | undefined;
}

/** Fills in defaults and checks. @throws {ClipConfigError} */
export function resolvePreprocess(config: PreprocessConfig = {}): ResolvedPreprocessConfig {
  const sides = (field: string, value: number | readonly [number, number]): readonly [number, number] => {
    const pair = typeof value === 'number' ? square(value) : value;
    for (const side of pair) {
      if (!Number.isSafeInteger(side) || side < 1 || side > 16_384) {
        throw new ClipConfigError(field, `must be integers from 1 to 16384, received ${value}`);
      }
    }
    return pair;
  };
  const size = sides('size', config.size ?? 224);
  const resizeTo = sides('resizeTo', config.resizeTo ?? size);
  const oneOf = <T extends string>(field: string, value: T, allowed: readonly T[]): T => {
    if (!allowed.includes(value)) {
      throw new ClipConfigError(field, `must be one of ${allowed.join(', ')}, received ${value}`);
    }
    return value;
  };
  const triple = (field: string, value: readonly number[], positive = false) => {
    if (value.length !== 3 || !value.every((v) => Number.isFinite(v) && (!positive || v > 0))) {
      throw new ClipConfigError(
        field,
        `must be three ${positive ? 'positive ' : ''}numbers, received [${value}]`,
      );
    }
    return value as readonly [number, number, number];
  };
  return {
    size,
    resizeTo,
    resizeMode: oneOf('resizeMode', config.resizeMode ?? 'shortest', [
      'shortest',
      'longest',
      'squash',
      'none',
    ]),
    interpolation: oneOf('interpolation', config.interpolation ?? 'bicubic', interpolations),
    toRgb: oneOf('toRgb', config.toRgb ?? 'after-resize', ['after-resize', 'before-resize']),
    cropRounding: oneOf('cropRounding', config.cropRounding ?? 'half-even', ['half-even', 'floor']),
    fill: triple('fill', config.fill ?? [0, 0, 0]),
    background: config.background && triple('background', config.background),
    rescale: config.rescale ?? 1 / 255,
    mean: triple('mean', config.mean ?? openaiMean),
    std: triple('std', config.std ?? openaiStd, true),
  };
}

/** In the order of Pillow's constants, which `preprocessor_config.json` stores as `resample`. */
const interpolations: readonly Interpolation[] = [
  'nearest',
  'lanczos',
  'bilinear',
  'bicubic',
  'box',
  'hamming',
];

/**
 * Reads Hugging Face's `preprocessor_config.json` or open_clip's `preprocess_cfg` (also as found inside
 * `open_clip_config.json`).
 *
 * @throws {ClipConfigError} when a field makes no sense
 */
export function parsePreprocessConfig(json: unknown): PreprocessConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ClipConfigError('preprocessor_config', 'must be a JSON object');
  }
  const fields = json as Record<string, unknown>;
  // Ours; the others' loaders pass over it.
  const background =
    fields.background === undefined ? {} : { background: numbers('background', fields.background) };
  if (typeof fields.preprocess_cfg === 'object') {
    return { ...parseOpenClip(fields.preprocess_cfg as object), ...background };
  }
  if ('mean' in fields || ('resize_mode' in fields && !('image_mean' in fields)))
    return parseOpenClip(fields);
  return { ...parseHuggingFace(fields), ...background, ...ownFields(fields) };
}

/** What transformers' file has no words for; written by `toHuggingFacePreprocess` where it differs from theirs. */
function ownFields(fields: Record<string, unknown>): PreprocessConfig {
  return {
    ...(fields.to_rgb === 'after-resize' ? { toRgb: fields.to_rgb } : {}),
    ...(fields.crop_rounding === 'half-even' ? { cropRounding: fields.crop_rounding } : {}),
    ...(fields.resize_mode === 'longest' ? { resizeMode: fields.resize_mode } : {}),
  };
}

function parseHuggingFace(fields: Record<string, unknown>): PreprocessConfig {
  const resize = parseSize('size', fields.size);
  const crop = fields.do_center_crop === false ? undefined : parseSize('crop_size', fields.crop_size);
  const size = crop?.exact ?? resize?.exact ?? (resize?.shortest ? square(resize.shortest) : square(224));
  const config: Writable<PreprocessConfig> = { size, toRgb: 'before-resize', cropRounding: 'floor' };
  if (fields.do_resize === false) config.resizeMode = 'none';
  else if (resize?.shortest) config.resizeTo = resize.shortest;
  else if (resize?.exact) {
    config.resizeMode = 'squash';
    config.resizeTo = resize.exact;
  }
  if (typeof fields.resample === 'number') {
    const interpolation = interpolations[fields.resample];
    if (!interpolation) throw new ClipConfigError('resample', `must be 0 to 5, received ${fields.resample}`);
    config.interpolation = interpolation;
  }
  if (fields.do_convert_rgb === false) config.toRgb = 'after-resize';
  if (fields.do_rescale === false) config.rescale = 1;
  else if (typeof fields.rescale_factor === 'number') config.rescale = fields.rescale_factor;
  if (fields.do_normalize === false) {
    config.mean = [0, 0, 0];
    config.std = [1, 1, 1];
  } else {
    if (fields.image_mean !== undefined) config.mean = numbers('image_mean', fields.image_mean);
    if (fields.image_std !== undefined) config.std = numbers('image_std', fields.image_std);
  }
  return config;
}

function parseOpenClip(object: object): PreprocessConfig {
  const fields = object as Record<string, unknown>;
  const config: Writable<PreprocessConfig> = {};
  if (typeof fields.size === 'number') config.size = fields.size;
  if (Array.isArray(fields.size)) {
    const [height, width] = fields.size as number[];
    config.size = [width ?? Number.NaN, height ?? Number.NaN];
  }
  if (typeof fields.resize_mode === 'string') {
    config.resizeMode = fields.resize_mode as 'shortest';
  }
  if (typeof fields.interpolation === 'string' && fields.interpolation !== 'random') {
    config.interpolation = fields.interpolation as Interpolation;
  }
  if (typeof fields.fill_color === 'number') {
    config.fill = [fields.fill_color, fields.fill_color, fields.fill_color];
  } else if (Array.isArray(fields.fill_color)) {
    config.fill = numbers('fill_color', fields.fill_color);
  }
  if (fields.mean !== undefined) config.mean = numbers('mean', fields.mean);
  if (fields.std !== undefined) config.std = numbers('std', fields.std);
  return config;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const square = (side: number): readonly [number, number] => [side, side];

/** `224`, `{ shortest_edge: 224 }` or `{ height, width }`; a bare number meant the short side in old files. */
function parseSize(field: string, value: unknown) {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') {
    return field === 'size' ? { shortest: value } : { exact: square(value) };
  }
  const { shortest_edge: shortest, height, width } = value as Record<string, number | undefined>;
  if (typeof shortest === 'number') return { shortest };
  if (typeof height === 'number' && typeof width === 'number') return { exact: [width, height] as const };
  throw new ClipConfigError(field, `is not understood: ${JSON.stringify(value)}`);
}

function numbers(field: string, value: unknown): readonly [number, number, number] {
  if (typeof value === 'number') return [value, value, value];
  if (Array.isArray(value) && value.length === 3 && value.every((v) => typeof v === 'number')) {
    return value as [number, number, number];
  }
  throw new ClipConfigError(field, `must be three numbers, received ${JSON.stringify(value)}`);
}

/** The config as Hugging Face's `preprocessor_config.json`, for `CLIP.save`. */
export function toHuggingFacePreprocess(config: PreprocessConfig): Record<string, unknown> {
  const resolved = resolvePreprocess(config);
  const { size, resizeTo, resizeMode, interpolation, rescale, mean, std } = resolved;
  const { background, toRgb, cropRounding } = resolved;
  const [width, height] = size;
  return {
    image_processor_type: 'CLIPImageProcessor',
    do_convert_rgb: true,
    do_resize: resizeMode !== 'none',
    size:
      resizeMode === 'squash'
        ? { height: resizeTo[1], width: resizeTo[0] }
        : { shortest_edge: Math.min(...resizeTo) },
    resample: interpolations.indexOf(interpolation),
    do_center_crop: true,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: rescale,
    do_normalize: true,
    image_mean: [...mean],
    image_std: [...std],
    ...(background ? { background } : {}),
    ...(toRgb === 'after-resize' ? { to_rgb: toRgb } : {}),
    ...(cropRounding === 'half-even' ? { crop_rounding: cropRounding } : {}),
    ...(resizeMode === 'longest' ? { resize_mode: resizeMode } : {}),
  };
}
