import { huggingFaceNames, openClipNames } from '../checkpoint-names.js';
import type { ClipConfig } from '../config.js';
import { parameterSpecs } from '../model/parameter-specs.js';
import type { Parameters } from '../model/parameters.js';
import type { Chunks, Folder } from '../platform/types.js';
import { type PreprocessConfig, resolvePreprocess, toHuggingFacePreprocess } from '../preprocess/config.js';
import { type SafetensorsInput, safetensorsChunks } from '../safetensors/write.js';
import { toHuggingFaceConfig, toOpenClipConfig } from './config-json.js';
import { exportParameter } from './convert.js';

export interface SaveOptions {
  /** How weights are stored. Halves are half as large and lose 11 bits (`F16`) or 16 (`BF16`). Default `F32`. */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
}

/** What a save may consist of, besides the files of others that it keeps. */
const ownFiles = [
  'model.safetensors',
  'config.json',
  'preprocessor_config.json',
  'open_clip_model.safetensors',
  'open_clip_config.json',
];

/**
 * Writes a folder that transformers loads (`config.json`, `model.safetensors`, `preprocessor_config.json`), or, for
 * a ResNet, which transformers does not have, one that open_clip loads. An earlier save in the folder is replaced as a
 * whole: a process killed meanwhile leaves the old one or the new one.
 */
export async function saveCheckpoint(
  folder: Folder,
  config: ClipConfig,
  parameters: Parameters,
  preprocess: PreprocessConfig,
  extraFiles: ReadonlyMap<string, Uint8Array>,
  { dtype = 'F32' }: SaveOptions = {},
): Promise<void> {
  const isResNet = config.vision?.kind === 'resnet';
  const names = isResNet ? openClipNames(config) : huggingFaceNames(config);
  const tensors: Record<string, SafetensorsInput> = {};
  for (const spec of parameterSpecs(config)) {
    const foreign = names.get(spec.name)!;
    const read = async () => (await parameters.get(spec.name).data()) as Float32Array;
    Object.assign(tensors, exportParameter(spec, foreign, read, reshapedShape(spec.name, config), dtype));
  }
  const weights = safetensorsChunks(tensors, { metadata: { format: 'pt' } });
  const files = new Map<string, Chunks>(isResNet ? [] : [['model.safetensors', weights]]);
  if (isResNet) {
    files.set('open_clip_model.safetensors', weights);
    const { background } = preprocess;
    const settings = toOpenClipConfig(config, openClipPreprocess(preprocess));
    files.set('open_clip_config.json', json({ ...settings, ...(background ? { background } : {}) }));
  } else {
    files.set('preprocessor_config.json', json(toHuggingFacePreprocess(preprocess)));
    files.set('config.json', json(toHuggingFaceConfig(config)));
  }
  for (const [name, bytes] of extraFiles) files.set(name, [bytes]);
  // Weights of an earlier save in the other format would be read in place of these.
  await folder.save(
    files,
    ownFiles.filter((name) => !files.has(name)),
  );
}

/** Theirs, where ours is another view of the same values. */
function reshapedShape(name: string, { vision }: ClipConfig): readonly number[] {
  if (name === 'vision.patchEmbedding' && vision?.kind === 'vit') {
    return [vision.nEmbd, 3, vision.patchSize, vision.patchSize];
  }
  return [];
}

function openClipPreprocess(preprocess: PreprocessConfig): Record<string, unknown> {
  const { size, mean, std, interpolation, resizeMode } = resolvePreprocess(preprocess);
  return { size: [size[1], size[0]], mode: 'RGB', mean, std, interpolation, resize_mode: resizeMode };
}

function json(value: unknown): Chunks {
  // PyTorch makes an integer parameter of `2`, and refuses to train it; Python's `2.0` is what it needs.
  const text = JSON.stringify(value, null, 2).replace(/("logit_\w+_init_value": -?\d+)(?=,?\n)/g, '$1.0');
  return [new TextEncoder().encode(`${text}\n`)];
}
