import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ByteTokenizer, GPT, localLanguageModel, type ScoreRequest } from '../../src/index.js';
import { type PrefixNode, prefixTree } from '../../src/scoring/prefix-tree.js';

interface Job {
  index: number;
  input: number[];
  start: number;
}

const free = { pass: 0, cached: 0 };

/** Every job with the tokens that a walk from the root reads for it. */
function walk(node: PrefixNode<Job>, before: number[] = []): { job: Job; read: number[]; node: number }[] {
  const path = [...before, ...node.tokens.slice(node.start, node.end)];
  const own = node.rows.flatMap((row) =>
    row.jobs.map((job) => ({ job, read: [...path, ...row.tokens.slice(node.end)], node: node.end })),
  );
  return [...own, ...node.children.flatMap((child) => walk(child, path))];
}

describe('prefixTree', () => {
  const input = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 });
  const jobs = fc
    .array(fc.tuple(input, fc.nat()), { minLength: 1, maxLength: 30 })
    .map((list) =>
      list.map(([tokens, start], index): Job => ({ index, input: tokens, start: start % tokens.length })),
    );

  it('every job is read once, whole, and what it asks for comes after what is shared', () => {
    fc.assert(
      fc.property(jobs, fc.constantFrom(0, 1, 3, 10), (list, pass) => {
        const found = walk(prefixTree(list, { pass, cached: pass / 10 }));
        expect(found.map(({ job }) => job.index).sort((a, b) => a - b)).toEqual(
          list.map(({ index }) => index),
        );
        for (const { job, read, node } of found) {
          expect(read.slice(0, job.input.length)).toEqual(job.input);
          expect(node).toBeLessThanOrEqual(job.start);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('finds examples common to all and questions common to some', () => {
    const examples = [1, 2, 3, 4, 5, 6];
    const list = [7, 8].flatMap((question) =>
      [10, 11].map((choice) => {
        const tokens = [...examples, question, question, question, choice];
        return { index: 0, input: tokens, start: tokens.length - 1 };
      }),
    );
    const tree = prefixTree(list, free);
    expect(tree.children).toHaveLength(1);
    expect(tree.children[0]!.end).toBe(6);
    expect(tree.children[0]!.children.map(({ start, end, rows }) => [start, end, rows.length])).toEqual([
      [6, 9, 2],
      [6, 9, 2],
    ]);
    // Too dear a pass: everything in one batch.
    expect(prefixTree(list, { pass: 100, cached: 0 }).rows).toHaveLength(4);
  });
});

describe('scores over a tree of prefixes', () => {
  let model: GPT;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    model = GPT.create(
      {
        vocabSize: 257,
        contextLength: 128,
        nLayer: 2,
        nHead: 2,
        nEmbd: 256,
        layerPattern: ['dense', 'banded(9)'],
      },
      { tokenizer: new ByteTokenizer(), seed: 4 },
    );
  });
  afterAll(() => model.dispose());

  const ids = (text: string) => [...new TextEncoder().encode(text)];
  const examples = 'Q: one and one? A: two. Q: two and two? A: four. ';
  const questions = [
    'Q: three and one? A:',
    'Q: three and four, said slowly and then again? A:',
    'Q: six? A:',
  ];
  const choices = [' four', ' seven', ' x', ' y'];
  const requests: ScoreRequest[] = questions.flatMap((question) =>
    choices.map((choice) => ({ promptTokenIds: ids(examples + question), completionTokenIds: ids(choice) })),
  );
  requests.push({ promptTokenIds: [], completionTokenIds: ids('alone') });

  it('equal those of each request alone, and read far fewer tokens', async () => {
    const before = tf.memory().numTensors;
    const language = localLanguageModel(model);
    const alone: Awaited<ReturnType<typeof language.score>>[number][] = [];
    const forward = vi.spyOn(model, 'forward');
    const tokensRead = () => {
      const count = forward.mock.calls.reduce((sum, [rows]) => sum + (rows as number[][]).flat().length, 0);
      forward.mockClear();
      return count;
    };
    for (const request of requests) alone.push(...(await language.score([request])));
    const each = tokensRead();
    const together = await language.score(requests);
    const shared = tokensRead();
    forward.mockRestore();
    together.forEach((score, index) => {
      expect(score.logLikelihood).toBeCloseTo(alone[index]!.logLikelihood, 4);
      expect(score.isGreedy).toBe(alone[index]!.isGreedy);
      expect(score.tokenLogProbs).toHaveLength(requests[index]!.completionTokenIds.length);
    });
    expect(each / shared).toBeGreaterThan(3);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('an abort leaves nothing behind', async () => {
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    controller.abort();
    await expect(localLanguageModel(model).score(requests, { signal: controller.signal })).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
  });
});
