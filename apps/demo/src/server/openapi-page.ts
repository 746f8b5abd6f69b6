import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { App } from './routes.js';

/** Collects the routes; before they are made. */
export async function openApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'GPT Lineage server',
        description: 'OpenAI-compatible endpoints for GPTs that were trained here.',
        version: '0.1.0',
        license: { name: 'Apache-2.0' },
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  });
}

/** `GET /openapi.json`, and a page to read it at `/docs`. */
export function openApiRoutes(app: App): void {
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  app.get('/docs', { schema: { hide: true } }, async (_, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(page(app.swagger() as never)),
  );
}

interface Operation {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly requestBody?: { readonly content?: Record<string, { readonly schema?: unknown }> };
}

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);

function page(document: {
  paths: Record<string, Record<string, Operation>>;
  info: { title: string };
}): string {
  const sections = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary = '', requestBody }]) => {
      const schema = requestBody?.content?.['application/json']?.schema;
      const body = schema ? `<pre>${escaped(JSON.stringify(schema, null, 2))}</pre>` : '<p>No body.</p>';
      return `<details><summary><code>${method.toUpperCase()} ${escaped(path)}</code> ${escaped(summary)}</summary>${body}</details>`;
    }),
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(document.info.title)}</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}
summary{cursor:pointer;padding:.4rem 0}pre{overflow:auto;padding:1rem;border:1px solid;border-radius:.5rem;font-size:.85rem}</style>
<h1>${escaped(document.info.title)}</h1><p>The same for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
${sections.join('\n')}</html>`;
}
