import type { Routes } from '../routes.js';

/** `GET /api/models`: every checkpoint folder, those that do not generate text included. */
export function apiModels({ app, registry }: Routes): void {
  app.get(
    '/api/models',
    { schema: { tags: ['App'], summary: 'Models with their configurations' } },
    async () => registry.cards.map(({ path: _, ...card }) => card),
  );
}
