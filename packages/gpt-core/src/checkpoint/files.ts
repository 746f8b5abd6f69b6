import type { SafetensorsFile, SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';

/** Where a checkpoint is read from: a folder, a set of blobs in a browser. */
export interface CheckpointReader {
  /** For messages */
  readonly path: string;
  /** The file's text; `undefined` when there is no such file. */
  readText(name: string): Promise<string | undefined>;
  /** The weights, sharded or not; `undefined` when there are none. */
  openWeights(): Promise<SafetensorsFile | undefined>;
}

/** Where a checkpoint is written to. Nothing of it can be seen before `commit`, all of it afterwards. */
export interface CheckpointWriter {
  readonly path: string;
  writeText(name: string, text: string): Promise<void>;
  /** @param maxShardBytes split into several files of about this size, with an index */
  writeWeights(
    tensors: Record<string, SafetensorsInput>,
    metadata: Record<string, string>,
    maxShardBytes?: number,
  ): Promise<void>;
  /** Absent where each file counts at once. */
  commit?(): Promise<void>;
}
