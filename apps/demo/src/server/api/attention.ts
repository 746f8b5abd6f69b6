import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { badRequest } from '../errors.js';
import { TokenTexts } from '../openai/logprobs.js';
import { optional } from '../openai/sampling.js';
import type { Routes } from '../routes.js';

/** Answers grow with the square of the length. */
const mostTokens = 256;

/** `POST /api/attention`: who looks at whom, in every layer and head. */
export function attentionRoute({ app, registry }: Routes): void {
  app.post(
    '/api/attention',
    {
      schema: {
        tags: ['App'],
        summary: 'Attention weights and next-token probabilities of a text',
        body: z.looseObject({
          model: optional(z.string()),
          text: z.string().min(1),
          top: optional(z.int().min(1).max(100)),
        }),
      },
    },
    async ({ body }) => {
      const { gpt } = await registry.get(body.model ?? undefined);
      if (!gpt.tokenizer) throw badRequest('model', 'This model has no tokenizer.');
      const limit = Math.min(mostTokens, gpt.config.contextLength);
      if (body.text.length > limit * 128)
        throw badRequest('text', `The text is longer than ${limit} tokens.`);
      const tokenIds = gpt.encode(body.text);
      if (tokenIds.length > limit)
        throw badRequest('text', `${tokenIds.length} tokens are more than ${limit}.`);
      const { attentions, logits, lastHiddenState } = gpt.forward([tokenIds], {
        outputAttentions: true,
        logits: 'last',
      });
      try {
        const maps: number[][][][] = [];
        for (const map of attentions!) {
          const [, heads, queries, keys] = map.shape;
          const values = await map.data();
          const at = (head: number, query: number, key: number) =>
            values[(head * queries + query) * keys + key]!;
          const range = (count: number) => Array.from({ length: count }, (_, i) => i);
          maps.push(
            range(heads).map((head) =>
              range(queries).map((query) =>
                range(keys).map((key) => Math.round(at(head, query, key) * 1e4) / 1e4),
              ),
            ),
          );
        }
        const probs = tf.tidy(() => tf.softmax(tf.reshape(logits, [-1])));
        const values = await probs.data();
        probs.dispose();
        const texts = new TokenTexts(gpt.tokenizer);
        const best = Array.from(values.keys())
          .sort((a, b) => values[b]! - values[a]!)
          .slice(0, body.top ?? 20);
        return {
          tokens: tokenIds.map((id) => ({ id, text: texts.text(id) })),
          attentions: maps,
          top: best.map((id) => ({ id, text: texts.text(id), probability: values[id]! })),
        };
      } finally {
        tf.dispose([logits, lastHiddenState, ...(attentions ?? [])]);
      }
    },
  );
}
