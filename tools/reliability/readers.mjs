// Every reader of files, with a good file to start from.
import { mkdirSync, rmSync } from 'node:fs';
import { imageReaders } from './readers/images.mjs';
import { modelReaders } from './readers/models.mjs';
import { recordReaders } from './readers/records.mjs';
import { tokenizerReaders } from './readers/tokenizers.mjs';

export async function readers(folder) {
  mkdirSync(folder, { recursive: true });
  return {
    ...(await modelReaders(folder)),
    ...(await tokenizerReaders(folder)),
    ...(await recordReaders(folder)),
    ...imageReaders(),
  };
}

export const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true });
