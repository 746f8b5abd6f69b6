import { type BuildOptions, build, type PipelineEvent } from './build.js';
import type { PipelineConfig } from './config.js';
import type { Manifest } from './manifest.js';

/** A run under way: await it for its manifest, iterate it for what happens meanwhile. */
export type PipelineRun = Promise<Manifest> & AsyncIterable<PipelineEvent>;

/**
 * From raw files to a training mixture: read → normalise → filter → deduplicate → decontaminate → tokenise → mix →
 * shard, with all intermediate data in Parquet under `<output>/work`. Runs of the same configuration on the same
 * files write the same bytes, whatever the number of workers; a killed run goes on where it stopped when started
 * again.
 *
 * ```ts
 * const manifest = await pipeline(config);
 * for await (const event of pipeline(config)) console.log(event);
 * ```
 *
 * @returns a promise of the manifest (also in `<output>/manifest.json`) that is an async iterable of events as well
 * @throws {ConfigError} for a field that cannot work, {@link FileError} and {@link RecordError} as `config.errors` says
 */
export function pipeline(config: PipelineConfig, options: BuildOptions = {}): PipelineRun {
  const events: PipelineEvent[] = [];
  let ended = false;
  let wake = () => {};
  let changed = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const notify = () => {
    wake();
    changed = new Promise((resolve) => {
      wake = resolve;
    });
  };
  const result = build(config, options, (event) => {
    events.push(event);
    notify();
  }).finally(() => {
    ended = true;
    notify();
  });
  return Object.assign(result, {
    async *[Symbol.asyncIterator](): AsyncGenerator<PipelineEvent> {
      result.catch(() => {}); // Thrown below, after the events before it.
      for (let next = 0; ; ) {
        while (next < events.length) yield events[next++]!;
        if (ended) break;
        await changed;
      }
      await result;
    },
  });
}
