import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, TestServer } from './support.js';

let server: TestServer;
let document: Json;
beforeAll(async () => {
  server = await TestServer.start({ timeLimit: 0.5, maxTokens: 20, maxBodyBytes: 100_000 });
  document = await (await fetch(`${server.url}/openapi.json`)).json();
});
afterAll(() => server.stop());

/** Requests that are near to what a schema asks for, and often wrong. */
function nearly(schema: Json): fc.Arbitrary<unknown> {
  const wrong = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(null, -1, 0, 1e300, -0.5, '', '\ud800', [], {}, true, 2 ** 53, 'x'.repeat(5000)),
    fc.string({ unit: 'binary', maxLength: 50 }),
  );
  const right = (): fc.Arbitrary<unknown> => {
    const options = schema.anyOf ?? schema.oneOf;
    if (options) return fc.oneof(...options.map(nearly));
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
    const number = {
      min: Math.max(schema.minimum ?? -1000, -1e6),
      max: Math.min(schema.maximum ?? 1000, 1e6),
    };
    switch (type) {
      case 'string':
        return fc.string({ unit: 'grapheme', minLength: schema.minLength ?? 0, maxLength: 40 });
      case 'integer':
        return fc.integer({ min: Math.ceil(number.min), max: Math.min(Math.floor(number.max), 300) });
      case 'number':
        return fc.double({ ...number, noNaN: true });
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array':
        return fc.array(nearly(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 4 });
      case 'object': {
        const fields = schema.properties ?? {};
        const keys = Object.keys(fields);
        if (keys.length === 0) return fc.dictionary(fc.string({ maxLength: 8 }), wrong, { maxKeys: 4 });
        return fc.record(Object.fromEntries(keys.map((key) => [key, nearly(fields[key])])), {
          requiredKeys: (schema.required ?? []) as never[],
        });
      }
      default:
        return wrong;
    }
  };
  return fc.oneof({ weight: 12, arbitrary: right() }, { weight: 1, arbitrary: wrong });
}

const runs = Number(process.env.FC_RUNS ?? 60);
const paths = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/tokenize',
  '/detokenize',
  '/api/attention',
  '/api/evaluation',
  '/api/training',
  '/api/alignment',
];

describe.each(paths)('malformed requests to %s', (path) => {
  it('are answered, and never with a 500', async () => {
    const { schema } = document.paths[path].post.requestBody.content['application/json'];
    const model = fc.constantFrom('tiny', 'other', 'tiny', 'none', null, 7);
    await fc.assert(
      fc.asyncProperty(nearly(schema), model, fc.boolean(), async (body, name, named) => {
        const object = typeof body === 'object' && body !== null && !Array.isArray(body);
        const sent = object && named ? { ...body, model: name } : body;
        const response = await server.post(path, sent ?? null);
        const text = await response.text();
        expect(response.status, `${JSON.stringify(sent)}\n${text}`).toBeLessThan(500);
        if (response.status >= 400) {
          expect(Object.keys(JSON.parse(text).error)).toEqual(['message', 'type', 'param', 'code']);
        } else expect(text).not.toContain('"server_error"');
      }),
      { numRuns: runs, seed: 42 },
    );
  });

  it('are not even JSON, at times', async () => {
    for (const body of [
      '',
      '{',
      '[]',
      'null',
      '"x"',
      '{"a":1}}',
      '\u0000',
      '{"__proto__":{"x":1}}',
      '1e999',
    ]) {
      const response = await server.post(path, body);
      expect(response.status, `${body}: ${await response.text()}`).toBeLessThan(500);
    }
  });
});

it('answers unknown paths and methods', async () => {
  for (const [method, path] of [
    ['GET', '/v1/nothing'],
    ['DELETE', '/v1/models'],
    ['GET', '/checkpoints/tiny/../../../etc/passwd'],
    ['GET', '/checkpoints/tiny/..%2f..%2f..%2fetc%2fpasswd'],
    ['GET', '/checkpoints/tiny/.hidden'],
    ['GET', '/checkpoints/none/config.json'],
    ['GET', '/%'],
    ['GET', '/api/training/none/events'],
    ['POST', '/api/training/none/stop'],
  ]) {
    const response = await fetch(server.url + path, { method: method! });
    expect([400, 404], `${method} ${path}`).toContain(response.status);
  }
});
