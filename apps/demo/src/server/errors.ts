import { GptLineageError } from '@gpt-lineage/gpt-core';
import type { FastifyError } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';

/** What OpenAI's clients read when a request fails. */
export interface OpenAIErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** An answer other than success: status, the request's field, and a code for programs. */
export class ApiError extends GptLineageError {
  readonly code: string;
  readonly status: number;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { readonly param?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = options.param ?? null;
    this.headers = options.headers ?? {};
  }
}

export const badRequest = (param: string, message: string, code = 'invalid_value') =>
  new ApiError(400, code, message, { param });

/** Names of OpenAI's fields where ours differ. */
const fields: Readonly<Record<string, string>> = {
  maxTokens: 'max_tokens',
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  bestOf: 'best_of',
  logitBias: 'logit_bias',
  jsonSchema: 'response_format',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  repetitionPenalty: 'repetition_penalty',
};

/** Errors of the packages that are the caller's doing, and their status. */
const known: Readonly<Record<string, { readonly status: number; readonly code: string }>> = {
  'gpt-core/invalid-argument': { status: 400, code: 'invalid_value' },
  'gpt-core/context-length': { status: 400, code: 'context_length_exceeded' },
  'gpt-core/tokenization': { status: 400, code: 'invalid_value' },
  'gpt-core/unsupported-schema': { status: 400, code: 'unsupported_schema' },
  'gpt-core/chat-template': { status: 400, code: 'invalid_messages' },
  'gpt-core/queue-full': { status: 429, code: 'queue_full' },
  'gpt-core/engine-closed': { status: 503, code: 'shutting_down' },
  'gpt-core/multimodal-input': { status: 400, code: 'invalid_value' },
  'gpt-core/invalid-config': { status: 400, code: 'invalid_value' },
};

/** Any error as an {@link ApiError}; what nobody foresaw is a 500 without its text. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    const path = (first?.instancePath ?? '').split('/').filter(Boolean);
    const param = path.reduce(
      (text, part) => (/^\d+$/.test(part) ? `${text}[${part}]` : text ? `${text}.${part}` : part),
      '',
    );
    const message = first?.message ?? 'is not valid';
    return new ApiError(
      400,
      'invalid_value',
      param ? `${param}: ${message}` : message,
      param ? { param } : {},
    );
  }
  if (GptLineageError.isInstance(error)) {
    const entry = known[error.code];
    if (entry) {
      const { argument = (error as { field?: string }).field } = error as { argument?: string };
      const param =
        argument === undefined
          ? entry.code === 'unsupported_schema'
            ? 'response_format'
            : undefined
          : (fields[argument] ?? argument);
      return new ApiError(entry.status, entry.code, error.message, param === undefined ? {} : { param });
    }
  }
  const { statusCode, message, code } = error as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ApiError(statusCode, code ?? 'invalid_request', message);
  }
  return new ApiError(500, 'internal_error', 'The server failed; its log says more.');
}

export function errorBody(error: ApiError): OpenAIErrorBody {
  const type =
    error.status === 401
      ? 'authentication_error'
      : error.status === 429
        ? 'rate_limit_error'
        : error.status >= 500
          ? 'server_error'
          : 'invalid_request_error';
  return { error: { message: error.message, type, param: error.param, code: error.code } };
}
