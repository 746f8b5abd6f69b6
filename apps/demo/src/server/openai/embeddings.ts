import type { Prompt } from '@gpt-lineage/gpt-core';
import { z } from 'zod';
import { badRequest } from '../errors.js';
import { onDisconnect } from '../event-stream.js';
import type { Routes } from '../routes.js';
import { embeddingResponse, errorResponses } from './documentation.js';
import { checkLength } from './generation.js';
import { optional } from './sampling.js';

const tokenIds = z.array(z.int().min(0)).min(1);
export const embeddingRequest = z.looseObject({
  model: optional(z.string()),
  input: z.union([
    z.string().min(1),
    tokenIds,
    z.array(z.string().min(1)).min(1).max(2048),
    z.array(tokenIds).min(1).max(2048),
  ]),
  encoding_format: optional(z.enum(['float', 'base64'])),
  dimensions: optional(z.int().min(1)).describe('Keep this many numbers, scaled to length 1 again'),
  user: optional(z.string()),
});

/** `POST /v1/embeddings` */
export function embeddingsRoute({ app, registry }: Routes): void {
  app.post(
    '/v1/embeddings',
    {
      schema: {
        tags: ['OpenAI'],
        summary: 'Vectors of texts: the mean of the last hidden states',
        body: embeddingRequest,
        response: { 200: embeddingResponse, ...errorResponses },
      },
    },
    async (request, reply) => {
      const { input, encoding_format: format, dimensions, model } = request.body;
      const { gpt, card, engine } = await registry.get(model ?? undefined);
      const { nEmbd } = gpt.config;
      if (dimensions && dimensions > nEmbd) {
        throw badRequest('dimensions', `This model's vectors have ${nEmbd} numbers.`);
      }
      const list = typeof input === 'string' ? [input] : input;
      const texts = (typeof list[0] === 'number' ? [list as number[]] : list) as Prompt[];
      let left = false;
      onDisconnect(reply, () => {
        left = true;
      });
      const data: object[] = [];
      let tokens = 0;
      for (const [index, text] of texts.entries()) {
        const param = texts.length === 1 ? 'input' : `input[${index}]`;
        if (typeof text === 'string') checkLength(text, engine.capacity, param);
        const ids = typeof text === 'string' ? gpt.encode(text) : text;
        tokens += ids.length;
        const [vector] = (await gpt.embed([ids])) as [Float32Array];
        const kept = dimensions ? shortened(vector, dimensions) : vector;
        const embedding =
          format === 'base64'
            ? Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength).toString('base64')
            : Array.from(kept);
        data.push({ object: 'embedding', index, embedding });
        // Others have their turn between two texts.
        await new Promise((resolve) => setImmediate(resolve));
        if (left) break;
      }
      return {
        object: 'list',
        data,
        model: card.id,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
    },
  );
}

function shortened(vector: Float32Array, dimensions: number): Float32Array {
  const kept = vector.slice(0, dimensions);
  const norm = Math.hypot(...kept);
  return norm > 0 ? kept.map((value) => value / norm) : kept;
}
