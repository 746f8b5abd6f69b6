import { huggingFaceNames, isIgnorable, type NameMap, openClipNames } from '../checkpoint-names.js';
import type { ClipConfig } from '../config.js';
import { CheckpointError } from '../errors.js';
import { parameterSpecs } from '../model/parameter-specs.js';
import { Parameters } from '../model/parameters.js';
import type { Folder } from '../platform/types.js';
import { type PreprocessConfig, parsePreprocessConfig } from '../preprocess/config.js';
import { readSafetensors, type SafetensorsFile } from '../safetensors/read.js';
import { parseConfigJson, parseOpenClipConfig } from './config-json.js';
import { importParameter } from './convert.js';
import { inferConfig } from './infer-config.js';

export interface LoadedCheckpoint {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly parameters: Parameters;
  /** Tensors of the file that belong to no parameter. */
  readonly unusedTensors: readonly string[];
  /** Tokenizer and licence files, kept to be saved again. */
  readonly extraFiles: ReadonlyMap<string, Uint8Array>;
}

const weightFiles = ['model.safetensors', 'open_clip_model.safetensors'];
const extraFileNames = [
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
  'merges.txt',
  'special_tokens_map.json',
  'added_tokens.json',
];

/** Reads a model folder of transformers, open_clip or OpenAI weights. @throws {CheckpointError | SafetensorsError | ClipConfigError} */
export async function loadCheckpoint(folder: Folder): Promise<LoadedCheckpoint> {
  const file = await openWeights(folder);
  try {
    const { config, preprocess } = await readConfigs(folder, file);
    const names = chooseNames(config, file);
    const specs = parameterSpecs(config);
    const parameters = await Parameters.create(specs, (spec) => {
      const foreign = names.get(spec.name);
      if (!foreign)
        throw new CheckpointError(`no name is known for parameter ${spec.name} in this kind of checkpoint`);
      return importParameter(file, spec, foreign);
    });
    const used = new Set([...names.values()].flatMap((foreign) => foreign.names));
    const unusedTensors = [...file.tensors.keys()].filter((name) => !used.has(name) && !isIgnorable(name));
    const extraFiles = new Map<string, Uint8Array>();
    for (const name of extraFileNames) {
      const bytes = await folder.readBytes(name);
      if (bytes) extraFiles.set(name, bytes);
    }
    return { config, preprocess, parameters, unusedTensors, extraFiles };
  } finally {
    await file.close();
  }
}

async function openWeights(folder: Folder): Promise<SafetensorsFile> {
  for (const name of weightFiles) {
    const source = await folder.openSource(name);
    if (!source) continue;
    try {
      return await readSafetensors(source);
    } catch (error) {
      await source.close?.();
      throw error;
    }
  }
  throw new CheckpointError(
    `${folder.location} has no ${weightFiles.join(' or ')}; convert pickled weights (.pt, .bin) to safetensors first`,
  );
}

async function readJson(folder: Folder, name: string): Promise<unknown> {
  const text = await folder.readText(name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${folder.location}: ${name} is not JSON`, { cause });
  }
}

async function readConfigs(
  folder: Folder,
  file: SafetensorsFile,
): Promise<{ config: ClipConfig; preprocess: PreprocessConfig }> {
  const json = await readJson(folder, 'config.json');
  const openClipJson = await readJson(folder, 'open_clip_config.json');
  const openClipNamed = [...file.tensors.keys()].some((name) => name.startsWith('visual.'));
  let config: ClipConfig;
  if (openClipJson !== undefined && (openClipNamed || json === undefined))
    config = parseOpenClipConfig(openClipJson);
  else if (json !== undefined && typeof (json as { vision_cfg?: unknown }).vision_cfg === 'object')
    config = parseOpenClipConfig(json);
  else if (json !== undefined) config = parseConfigJson(json);
  else config = inferConfig(file.tensors);
  const preprocessJson =
    (await readJson(folder, 'preprocessor_config.json')) ??
    ((openClipJson as { preprocess_cfg?: unknown } | undefined)?.preprocess_cfg ? openClipJson : undefined);
  const preprocess: PreprocessConfig = {
    ...(config.vision ? { size: config.vision.imageSize } : {}),
    ...(preprocessJson === undefined ? {} : parsePreprocessConfig(preprocessJson)),
  };
  return { config, preprocess };
}

/** Which library's names does the file use? The one with the most of its tensors present. */
function chooseNames(config: ClipConfig, file: SafetensorsFile): NameMap {
  const candidates = [
    huggingFaceNames(config),
    openClipNames(config),
    openClipNames(config, { vision: 'visual.', text: 'text.' }),
    openClipNames(config, { vision: '', text: 'text.' }), // a bare vision tower
  ];
  const found = (map: NameMap) =>
    [...map.values()].filter((foreign) => foreign.names.every((name) => file.tensors.has(name))).length;
  return candidates.reduce((best, map) => (found(map) > found(best) ? map : best));
}
