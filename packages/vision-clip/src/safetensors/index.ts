export { type ByteSource, blobSource, bytesSource, urlSource } from './byte-source.js';
export {
  asFloat32,
  type SafetensorsArray,
  type SafetensorsDtype,
  toBFloat16,
  toFloat16,
} from './dtypes.js';
export { SafetensorsError } from './errors.js';
export {
  type ReadSafetensorsOptions,
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsInfo,
} from './read.js';
export {
  type SafetensorsInput,
  safetensorsChunks,
  type WriteSafetensorsOptions,
  writeSafetensors,
} from './write.js';
