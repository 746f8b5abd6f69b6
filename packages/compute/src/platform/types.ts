import type { BackendName } from '../backends/names.js';

/** What a platform reports after it registered a backend with tfjs. */
export interface LoadedBackend {
  readonly device: 'cpu' | 'gpu';
  readonly library: string;
  readonly version: string;
  readonly threads?: number;
}

export interface LoadOptions {
  readonly threads?: number;
  readonly verbose: boolean;
  /** Folder or URL prefix of the `.wasm` files; only browsers need it. */
  readonly wasmPath?: string;
}

/** Registers and activates one backend, or throws an error whose message says in one clause why it cannot. */
export type BackendLoader = (options: LoadOptions) => Promise<LoadedBackend>;

/** The parts of backend selection that differ between Node and the browser. */
export interface Platform {
  readonly name: 'node' | 'browser';
  readonly loaders: Readonly<Record<BackendName, BackendLoader>>;
  env(name: string): string | undefined;
}
