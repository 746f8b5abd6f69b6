import { GptLineageError } from '../errors.js';

/** A request to a model server failed for good. */
export class EndpointError extends GptLineageError {
  readonly code = 'gpt-core/endpoint';
  readonly url: string;
  /** HTTP status; `undefined` when no answer came */
  readonly status: number | undefined;

  constructor(url: string, status: number | undefined, problem: string, options?: ErrorOptions) {
    super(`${url}: ${problem}`, options);
    this.url = url;
    this.status = status;
  }
}

export interface HttpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Per attempt. Default 120,000. */
  readonly timeoutMs?: number;
  /** Attempts after the first, for overload, server faults and lost connections. Default 5. */
  readonly retries?: number;
  /** First pause; doubles each time, with up to a quarter more at random. Default 500. */
  readonly backoffMs?: number;
  /** Requests under way at a time. Default 8. */
  readonly concurrency?: number;
  readonly fetch?: typeof globalThis.fetch;
}

/** Posts JSON with retries, a limit on concurrency and on time. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** @throws {EndpointError} when no attempt succeeded; the signal's reason when it was aborted */
  async post(url: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    await this.#enter();
    try {
      return await this.#attempts(url, JSON.stringify(body), signal);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #enter(): Promise<void> {
    const { concurrency = 8 } = this.#options;
    while (this.#running >= concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }

  async #attempts(url: string, body: string, signal: AbortSignal | undefined): Promise<unknown> {
    const { retries = 5, backoffMs = 500 } = this.#options;
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const outcome = await this.#once(url, body, signal);
      if ('json' in outcome) return outcome.json;
      signal?.throwIfAborted();
      if (!outcome.again || attempt >= retries) {
        const tries = attempt > 0 ? ` (${attempt + 1} attempts)` : '';
        throw new EndpointError(url, outcome.status, `${outcome.problem}${tries}`, { cause: outcome.cause });
      }
      const pause = outcome.retryAfterMs ?? backoffMs * 2 ** attempt * (1 + Math.random() / 4);
      await sleep(pause, signal);
    }
  }

  async #once(url: string, body: string, signal: AbortSignal | undefined): Promise<Outcome> {
    const { timeoutMs = 120_000, headers = {}, fetch = globalThis.fetch } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      text = await response.text();
    } catch (cause) {
      const problem = timeout.aborted
        ? `no answer within ${timeoutMs} ms`
        : `no connection (${reason(cause)})`;
      return { again: true, status: undefined, problem, cause };
    }
    if (response.ok) {
      try {
        return { json: JSON.parse(text) as unknown };
      } catch (cause) {
        return { again: true, status: response.status, problem: 'the answer is not JSON', cause };
      }
    }
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return {
      again: response.status === 408 || response.status === 429 || response.status >= 500,
      status: response.status,
      problem: `HTTP ${response.status}: ${messageOf(text)}`,
      ...(Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: Math.min(seconds, 60) * 1000 } : {}),
    };
  }
}

type Outcome =
  | { readonly json: unknown }
  | {
      readonly again: boolean;
      readonly status: number | undefined;
      readonly problem: string;
      readonly retryAfterMs?: number;
      readonly cause?: unknown;
    };

function reason(cause: unknown): string {
  const { message, cause: inner } = cause as Error;
  return inner instanceof Error ? inner.message : message;
}

/** OpenAI-shaped errors say what is wrong under `error.message`. */
function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } | string };
    const message = typeof error === 'string' ? error : error?.message;
    if (typeof message === 'string') return message;
  } catch {
    // Not JSON: the beginning of the text must do.
  }
  return text.slice(0, 200).trim() || 'no message';
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
