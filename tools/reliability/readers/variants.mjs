// How a reader is given a hostile variant of its good file. `read` may succeed or throw a typed error, nothing else.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A reader of one file of a folder: writes the variant over the good file and loads the folder. */
export const folderReader = (folder, file, load) => ({
  good: readFileSync(join(folder, file)),
  async read(bytes) {
    writeFileSync(join(folder, file), bytes);
    const loaded = await load(folder);
    loaded?.dispose?.();
  },
});

export const fileReader = (path, good, load) => ({
  good,
  async read(bytes) {
    writeFileSync(path, bytes);
    await load(path);
  },
});

/** Text readers get what a host would give them: a string. */
export const textReader = (text, load) => ({
  good: Buffer.from(text),
  read: (bytes) => load(bytes.toString('utf8')),
});

/** Readers of values that the caller's own parser made: what it refuses never reaches them. */
export const valueReader = (text, parse, load) =>
  textReader(text, (variant) => {
    let value;
    try {
      value = parse(variant);
    } catch {
      return;
    }
    return load(value);
  });
