import { createHash, timingSafeEqual } from 'node:crypto';
import cors from '@fastify/cors';
import { ApiError } from './errors.js';
import type { Routes } from './routes.js';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/i;

/** Who may call: hosts, web origins, API keys. */
export async function security({ app, options }: Pick<Routes, 'app' | 'options'>): Promise<void> {
  const { apiKeys, corsOrigins, host } = options;
  await app.register(cors, {
    origin: (origin, answer) => {
      const allowed =
        origin === undefined ||
        corsOrigins.includes('*') ||
        corsOrigins.includes(origin) ||
        (URL.canParse(origin) && loopback.test(new URL(origin).hostname));
      answer(null, allowed);
    },
    methods: ['GET', 'POST', 'DELETE', 'OPTIONS'],
    exposedHeaders: ['retry-after'],
    maxAge: 600,
  });

  const digest = (text: string) => createHash('sha256').update(text).digest();
  const keys = apiKeys.map(digest);
  const onlyHere = loopback.test(host);
  app.addHook('onRequest', async (request, reply) => {
    // A foreign page may have its name resolve to this machine: then the host gives it away.
    if (onlyHere && !loopback.test(request.hostname)) {
      throw new ApiError(
        403,
        'forbidden_host',
        `This server answers to localhost, not to ${request.hostname}.`,
      );
    }
    // By route, not by address: an address can be written in several ways.
    const needsKey = /^\/(v1|api|tokenize|detokenize|tokenizer_info|metrics|checkpoints)(\/|$)/.test(
      request.routeOptions.url ?? '',
    );
    if (keys.length === 0 || !needsKey || request.method === 'OPTIONS') return;
    const [, token = ''] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const given = digest(token);
    if (keys.some((key) => timingSafeEqual(key, given))) return;
    reply.header('www-authenticate', 'Bearer');
    throw new ApiError(
      401,
      'invalid_api_key',
      token === '' ? 'Give an API key: Authorization: Bearer KEY.' : 'The API key is not known.',
    );
  });
}
