import Fastify, { LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { attentionRoute } from './api/attention.js';
import { jobRoutes } from './api/jobs.js';
import { apiModels } from './api/models.js';
import { ApiError, errorBody, toApiError } from './errors.js';
import { observability } from './metrics.js';
import { ModelRegistry } from './model-registry.js';
import { chatRoute } from './openai/chat.js';
import { completionsRoute } from './openai/completions.js';
import { embeddingsRoute } from './openai/embeddings.js';
import { modelsRoutes } from './openai/models.js';
import { tokenizeRoutes } from './openai/tokenize.js';
import { openApi, openApiRoutes } from './openapi-page.js';
import { resolveServerOptions, type ServerOptions } from './options.js';
import type { App } from './routes.js';
import { security } from './security.js';
import { web } from './web.js';

/** A server that listens. */
export interface RunningServer {
  /** `http://127.0.0.1:8000` */
  readonly url: string;
  readonly app: App;
  readonly registry: ModelRegistry;
  /** Takes no more requests, lets those that run end (`graceMs` at most, default 10 s), frees the models. */
  close(graceMs?: number): Promise<void>;
}

/** Starts a server. @throws {Error} a model folder that is none, or a port in use */
export async function startServer(given: ServerOptions): Promise<RunningServer> {
  const options = resolveServerOptions(given);
  const { slots, maxWaiting } = options;
  const registry = await ModelRegistry.open(options.models, { slots, maxWaiting });
  const app = Fastify({
    bodyLimit: options.maxBodyBytes,
    requestTimeout: 60_000,
    forceCloseConnections: 'idle',
    ...(options.logLevel === 'silent' ? { logger: false } : { logger: { level: options.logLevel } }),
    logController: new LogController({ disableRequestLogging: true }),
  }).withTypeProvider<ZodTypeProvider>() as App;
  app.setValidatorCompiler(validatorCompiler);
  // Response schemas are documentation.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  // A page elsewhere can send plain text here without asking: only JSON is read.
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler(async (error, request, reply) => {
    const answer = toApiError(error);
    if (answer.status >= 500) request.log.error(error);
    return reply.status(answer.status).headers(answer.headers).send(errorBody(answer));
  });

  let closing = false;
  app.addHook('onRequest', async (_, reply) => {
    if (!closing) return;
    reply.header('connection', 'close');
    throw new ApiError(503, 'shutting_down', 'The server is shutting down.', {
      headers: { 'retry-after': '5' },
    });
  });
  await security({ app, options });
  await openApi(app);
  const routes = { app, registry, options };
  observability(routes);
  chatRoute(routes);
  completionsRoute(routes);
  embeddingsRoute(routes);
  modelsRoutes(routes);
  tokenizeRoutes(routes);
  apiModels(routes);
  attentionRoute(routes);
  const jobs = jobRoutes(routes);
  openApiRoutes(app);
  await web(routes);
  const url = await app.listen({ host: options.host, port: options.port });

  let closed: Promise<void> | undefined;
  return {
    url,
    app,
    registry,
    close: (graceMs = 10_000) => {
      closed ??= (async () => {
        closing = true;
        const late = setTimeout(() => app.server.closeAllConnections(), graceMs + 2000);
        await jobs.close();
        await registry.close(graceMs);
        await app.close();
        clearTimeout(late);
      })();
      return closed;
    },
  };
}
