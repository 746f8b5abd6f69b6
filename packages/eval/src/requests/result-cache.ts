import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { TaskDataError } from '../errors.js';

const line = z.object({ keys: z.array(z.string()), values: z.array(z.unknown()) });

/**
 * Results by request, in a JSONL file that only grows: an interrupted run goes on where it was, and scoring again with
 * other metrics asks the model nothing. A line holds one whole batch, so that a batch is there or is not: what runs
 * again after a kill runs in the same company and gives the same last digit. A line that a kill cut short is dropped.
 */
export class ResultCache {
  readonly path: string | undefined;
  readonly #results: Map<string, unknown>;
  /** Writes go to the file one after the other. */
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string | undefined, results: Map<string, unknown>) {
    this.path = path;
    this.#results = results;
  }

  /** Without a path the cache lives in memory only. */
  static async open(path?: string): Promise<ResultCache> {
    const results = new Map<string, unknown>();
    if (path === undefined) return new ResultCache(undefined, results);
    await mkdir(dirname(path), { recursive: true });
    const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0);
      throw new TaskDataError(path, `cannot be read (${error.message})`, { cause: error });
    });
    const whole = content.lastIndexOf(0x0a) + 1;
    for (const text of content.subarray(0, whole).toString('utf8').split('\n')) {
      if (text === '') continue;
      let parsed: z.infer<typeof line>;
      try {
        parsed = line.parse(JSON.parse(text));
      } catch (cause) {
        throw new TaskDataError(path, 'is no cache of results; delete it or name another file', { cause });
      }
      parsed.keys.forEach((key, index) => {
        results.set(key, parsed.values[index]);
      });
    }
    // Only now that the file is known to be a cache: nothing of somebody else's file is cut.
    if (whole > 0 && whole < content.length) await truncate(path, whole);
    else if (whole === 0 && content.length > 0) {
      if (!content.subarray(0, 9).equals(Buffer.from('{"keys":[').subarray(0, content.length))) {
        throw new TaskDataError(path, 'is no cache of results; delete it or name another file');
      }
      await truncate(path, 0);
    }
    return new ResultCache(path, results);
  }

  /** Identity of a request to a model. */
  static key(...parts: readonly unknown[]): string {
    return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 32);
  }

  get size(): number {
    return this.#results.size;
  }

  has(key: string): boolean {
    return this.#results.has(key);
  }

  get<T>(key: string): T | undefined {
    return this.#results.get(key) as T | undefined;
  }

  /** Adds the results of a batch and, with a file, has them on disk before it returns. */
  async add(keys: readonly string[], values: readonly unknown[]): Promise<void> {
    keys.forEach((key, index) => {
      this.#results.set(key, values[index]);
    });
    if (this.path === undefined || keys.length === 0) return;
    const { path } = this;
    const write = this.#last.then(() => append(path, `${JSON.stringify({ keys, values })}\n`));
    this.#last = write.catch(() => {});
    await write;
  }
}

async function append(path: string, text: string): Promise<void> {
  await appendFile(path, text);
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
