import { type BuildOptions, build, type PipelineEvent } from './build.js';
import type { PipelineConfig } from './config.js';
import type { Manifest } from './manifest.js';

/**
 * A run of the pipeline. It starts when something asks for it: `await run` (or `await run.result()`) for the manifest,
 * `for await (const event of run)` for the events on the way.
 */
export class PipelineRun implements AsyncIterable<PipelineEvent>, PromiseLike<Manifest> {
  private readonly config: PipelineConfig;
  private readonly options: BuildOptions;
  private started: Promise<Manifest> | undefined;
  private readonly listeners = new Set<(event: PipelineEvent) => void>();

  constructor(config: PipelineConfig, options: BuildOptions) {
    this.config = config;
    this.options = options;
  }

  /** Runs to the end. @returns the manifest, as written to `<output>/manifest.json` */
  result(): Promise<Manifest> {
    this.started ??= build(this.config, this.options, (event) => {
      for (const listener of this.listeners) listener(event);
    });
    return this.started;
  }

  // biome-ignore lint/suspicious/noThenProperty: a run can be awaited for its result.
  // biome-ignore format: one line keeps the suppression on the name.
  then<A = Manifest, B = never>(onFulfilled?: ((manifest: Manifest) => A | PromiseLike<A>) | null, onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    return this.result().then(onFulfilled, onRejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PipelineEvent> {
    const queue: PipelineEvent[] = [];
    let wake = () => {};
    let ended = false;
    const listener = (event: PipelineEvent) => {
      queue.push(event);
      wake();
    };
    this.listeners.add(listener);
    const result = this.result().finally(() => {
      ended = true;
      wake();
    });
    result.catch(() => {}); // Thrown below.
    try {
      while (!ended || queue.length > 0) {
        if (queue.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (ended) resolve();
          });
        }
        yield* queue.splice(0);
      }
      await result;
    } finally {
      this.listeners.delete(listener);
    }
  }
}

/**
 * From raw files to a training mixture: read → normalise → filter → deduplicate → decontaminate → tokenise → mix →
 * shard, with all intermediate data in Parquet under `<output>/work`. Runs of the same configuration on the same
 * files write the same bytes, whatever the number of workers; a killed run goes on where it stopped when started
 * again.
 *
 * @throws {ConfigError} for a field that cannot work, {@link FileError} and {@link RecordError} as `config.errors` says
 */
export function pipeline(config: PipelineConfig, options: BuildOptions = {}): PipelineRun {
  return new PipelineRun(config, options);
}
