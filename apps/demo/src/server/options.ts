/** A checkpoint folder and the name that requests use for it. */
export interface ModelSource {
  readonly path: string;
  /** Default: the folder's name */
  readonly name?: string;
}

export interface ServerOptions {
  readonly models: readonly ModelSource[];
  /** Default `127.0.0.1`: this machine only. */
  readonly host?: string;
  /** Default 8000; 0: any free port. */
  readonly port?: number;
  /** Requests must carry one of these as bearer token. Default: none needed. */
  readonly apiKeys?: readonly string[];
  /** Web origins that may call besides those on this machine; `*` allows every one. */
  readonly corsOrigins?: readonly string[];
  /** Sequences decoded together, per model. Default 8. */
  readonly slots?: number;
  /** Sequences that may wait, per model; more are answered with status 429. Default 256. */
  readonly maxWaiting?: number;
  /** Bytes of a request. Default 16 MiB: images travel in requests. */
  readonly maxBodyBytes?: number;
  /** Tokens of one answer. Default 4096. */
  readonly maxTokens?: number;
  /** Seconds after which an answer ends with what there is. Default 600. */
  readonly timeLimit?: number;
  /** Folder of the built web app. Default: none. */
  readonly webRoot?: string;
  /** Folder for the runs of training and alignment jobs. Default: none, jobs are then refused. */
  readonly runsRoot?: string;
  /** `silent`, or a level of pino. Default `info`. */
  readonly logLevel?: string;
}

export type ResolvedServerOptions = Required<Omit<ServerOptions, 'webRoot' | 'runsRoot'>> & {
  readonly webRoot: string | undefined;
  readonly runsRoot: string | undefined;
};

export function resolveServerOptions(options: ServerOptions): ResolvedServerOptions {
  return {
    host: '127.0.0.1',
    port: 8000,
    apiKeys: [],
    corsOrigins: [],
    slots: 8,
    maxWaiting: 256,
    maxBodyBytes: 16 * 1024 * 1024,
    maxTokens: 4096,
    timeLimit: 600,
    webRoot: undefined,
    runsRoot: undefined,
    logLevel: 'info',
    ...options,
  };
}
