import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TaskDataError } from '../errors.js';

/**
 * Results by request, in a JSONL file that only grows: an interrupted run goes on where it was, and scoring again with
 * other metrics needs no model. A line that a kill cut short is dropped when the file is opened.
 */
export class ResultCache {
  readonly path: string | undefined;
  readonly #results: Map<string, unknown>;

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
    if (whole < content.length) await truncate(path, whole);
    for (const line of content.subarray(0, whole).toString('utf8').split('\n')) {
      if (line === '') continue;
      try {
        const { key, value } = JSON.parse(line) as { key: string; value: unknown };
        results.set(key, value);
      } catch (cause) {
        throw new TaskDataError(path, 'is no cache of results; delete it or name another file', { cause });
      }
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

  get<T>(key: string): T | undefined {
    return this.#results.get(key) as T | undefined;
  }

  /** Adds results and, with a file, has them on disk before it returns. */
  async add(entries: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    for (const [key, value] of entries) this.#results.set(key, value);
    if (this.path === undefined || entries.length === 0) return;
    const lines = entries.map(([key, value]) => `${JSON.stringify({ key, value })}\n`).join('');
    await appendFile(this.path, lines);
    const file = await open(this.path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
