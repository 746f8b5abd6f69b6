import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Routes } from './routes.js';

/** `GET /metrics` for Prometheus, `GET /health` for whoever watches the process. */
export function observability({ app, registry }: Routes): void {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const seconds = new Histogram({
    name: 'gpt_request_duration_seconds',
    help: 'Time from a request to the end of its answer',
    labelNames: ['route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300],
    registers: [metrics],
  });
  const perModel = (
    name: string,
    help: string,
    read: (stats: Awaited<ReturnType<typeof registry.get>>['engine']['stats']) => number,
  ) =>
    new Gauge({
      name,
      help,
      labelNames: ['model'],
      registers: [metrics],
      async collect() {
        for await (const { card, engine } of registry.loaded()) {
          this.set({ model: card.id }, read(engine.stats));
        }
      },
    });
  perModel('gpt_sequences_running', 'Sequences in the batch', ({ active }) => active);
  perModel('gpt_sequences_waiting', 'Sequences in the queue', ({ waiting }) => waiting);
  perModel('gpt_slots', 'Sequences that fit in the batch', ({ slots }) => slots);
  perModel('gpt_generated_tokens_total', 'Tokens generated', (stats) => stats.generatedTokens);
  perModel('gpt_prompt_tokens_total', 'Prompt tokens taken', (stats) => stats.promptTokens);
  perModel('gpt_cached_prompt_tokens_total', 'Of these, not read again', (stats) => stats.cachedTokens);
  perModel('gpt_decode_steps_total', 'Steps of the batch', ({ steps }) => steps);
  perModel('gpt_batch_size_mean', 'Sequences per step', ({ steps, stepSequences }) =>
    steps > 0 ? stepSequences / steps : 0,
  );

  app.addHook('onRequest', async (request, reply) => {
    const started = performance.now();
    // Also for answers that are streamed, which the framework does not see the end of.
    reply.raw.once('close', () => {
      const route = request.routeOptions.url ?? 'unknown';
      seconds.observe({ route, status: String(reply.raw.statusCode) }, (performance.now() - started) / 1000);
    });
  });
  app.get(
    '/metrics',
    { schema: { tags: ['Operation'], summary: 'Figures for Prometheus' } },
    async (_, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );
  app.get(
    '/health',
    { schema: { tags: ['Operation'], summary: 'Whether the server answers' } },
    async () => ({
      status: 'ok',
      uptimeSeconds: Math.round(process.uptime()),
      models: registry.cards.map(({ id }) => id),
    }),
  );
}
