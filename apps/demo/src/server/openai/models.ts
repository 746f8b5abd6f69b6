import { z } from 'zod';
import type { Routes } from '../routes.js';
import { errorResponses, modelListResponse, modelSchema } from './documentation.js';

/** `GET /v1/models` and `GET /v1/models/:model` */
export function modelsRoutes({ app, registry }: Routes): void {
  const entry = ({ card, created }: (typeof registry.list)[number]) => ({
    id: card.id,
    object: 'model' as const,
    created,
    owned_by: 'gpt-lineage',
  });
  app.get(
    '/v1/models',
    { schema: { tags: ['OpenAI'], summary: 'Models that generate', response: { 200: modelListResponse } } },
    async () => ({
      object: 'list' as const,
      data: registry.list.filter(({ card }) => card.kind !== 'clip').map(entry),
    }),
  );
  app.get(
    '/v1/models/:model',
    {
      schema: {
        tags: ['OpenAI'],
        summary: 'One model',
        params: z.object({ model: z.string() }),
        response: { 200: modelSchema, 404: errorResponses[404] },
      },
    },
    async ({ params: { model } }) => {
      registry.card(model);
      return entry(registry.list.find(({ card }) => card.id === model)!);
    },
  );
}
