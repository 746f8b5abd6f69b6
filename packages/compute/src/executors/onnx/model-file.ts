import { builtin } from '../host.js';
import { rawBytes } from '../protobuf.js';
import type { OnnxBuilder } from './model.js';

/** A model as ONNX Runtime loads it: bytes, or a path when its weights lie beside it in a file of their own. */
export interface ModelFile {
  readonly model: string | Uint8Array;
  /** Deletes what was written. */
  remove(): void;
}

interface FileSystem {
  mkdtempSync(prefix: string): string;
  openSync(path: string, flags: string): number;
  writeSync(file: number, data: Uint8Array, offset: number, length: number, position: number): number;
  closeSync(file: number): void;
  writeFileSync(path: string, data: Uint8Array): void;
  rmSync(path: string, options: { recursive: boolean; force: boolean }): void;
}

/** Models with more weights than this are loaded from files: the runtime maps them, and the 2 GB limit is gone. */
const inMemoryBytes = 1 << 24;

export function writeModel(builder: OnnxBuilder): ModelFile {
  let total = 0;
  for (const { data } of builder.initializers) total += data.byteLength;
  const fs = builtin<FileSystem>('fs');
  const os = builtin<{ tmpdir(): string }>('os');
  if (fs === undefined || os === undefined || total < inMemoryBytes) {
    return { model: builder.serialize('captured').model, remove: () => {} };
  }
  const folder = fs.mkdtempSync(`${os.tmpdir()}/gpt-lineage-onnx-`);
  const remove = () => {
    try {
      fs.rmSync(folder, { recursive: true, force: true });
    } catch {
      // Windows keeps a mapped file: the next call tries again.
    }
  };
  try {
    const { model, external } = builder.serialize('captured', { name: 'weights.bin', minBytes: 1024 });
    writeExternal(fs, `${folder}/weights.bin`, external);
    fs.writeFileSync(`${folder}/model.onnx`, model);
    return { model: `${folder}/model.onnx`, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function writeExternal(
  fs: FileSystem,
  path: string,
  external: ReturnType<OnnxBuilder['serialize']>['external'],
): void {
  const file = fs.openSync(path, 'w');
  try {
    for (const { data, offset } of external) {
      const content = rawBytes(data);
      let done = 0;
      while (done < content.length) {
        done += fs.writeSync(file, content, done, content.length - done, offset + done);
      }
    }
  } finally {
    fs.closeSync(file);
  }
}
