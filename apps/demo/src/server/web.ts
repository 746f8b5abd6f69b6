import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import { ApiError } from './errors.js';
import type { Routes } from './routes.js';

/** Everything from here, code compiled by the browser allowed (WebAssembly), nothing from elsewhere. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self' blob: data:",
  "worker-src 'self' blob:",
  "font-src 'self' data:",
  "object-src 'none'",
  "base-uri 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The built web app at `/`, and the checkpoint folders under `/checkpoints/NAME/` for inference in the browser. */
export async function web({ app, registry, options }: Routes): Promise<void> {
  app.get('/checkpoints/:model/*', { schema: { hide: true } }, async (request, reply) => {
    const { model, '*': file } = request.params as { model: string; '*': string };
    const { path } = registry.card(model);
    // Folders inside (an image encoder) are served as well; dot files and what lies above are not.
    if (file.split('/').some((part) => part === '' || part.startsWith('.') || part.includes('\\'))) {
      throw new ApiError(404, 'not_found', 'There is no such file.');
    }
    reply.header('cache-control', 'no-cache');
    return reply.sendFile(file, path);
  });

  const { webRoot } = options;
  const hasApp = webRoot !== undefined && existsSync(join(webRoot, 'index.html'));
  await app.register(fastifyStatic, {
    root: hasApp ? webRoot : process.cwd(),
    serve: hasApp,
    wildcard: false,
    index: ['index.html'],
    setHeaders: (reply, path) => {
      reply.setHeader('x-content-type-options', 'nosniff');
      if (path.endsWith('.html')) {
        reply.setHeader('content-security-policy', contentSecurityPolicy);
        reply.setHeader('referrer-policy', 'no-referrer');
        reply.setHeader('cache-control', 'no-cache');
      } else if (/[.-][\w-]{8,}\.(js|css|wasm|woff2|svg|png)$/.test(path) && path.includes('/assets/')) {
        reply.setHeader('cache-control', 'public, max-age=31536000, immutable');
      }
    },
  });
  app.setNotFoundHandler(async (request, reply) => {
    const page = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
    // A page of the web app has no file of its own.
    if (hasApp && page && !/^\/(v1|api|checkpoints)\//.test(request.url)) return reply.sendFile('index.html');
    throw new ApiError(
      404,
      'not_found',
      `There is nothing at ${request.method} ${request.url.split('?')[0]}.`,
    );
  });
}
