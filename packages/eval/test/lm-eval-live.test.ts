import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GPT, initCompute, localLanguageModel } from '@gpt-lineage/gpt-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate, listTasks, type TaskDefinition } from '../src/index.js';
import { buildItems } from '../src/tasks/build-items.js';
import { choiceContinuation, choicesOf } from '../src/tasks/prompt.js';
import { resolveText } from '../src/tasks/template.js';
import { type Case, cases, promptCases } from './lm-eval-cases.js';

/**
 * The harness itself, with its own task files, beside us: on records and a model that are made here. Where it is not
 * installed, the committed fixture (`lm-eval-parity.test.ts`) stands for it.
 */
const python = process.env.PEERS_PYTHON ?? 'python3';
const present = spawnSync(python, ['-c', 'import torch, transformers, datasets, lm_eval']).status === 0;
if (!present) console.info(`skipped: ${python} cannot import lm_eval and datasets (set PEERS_PYTHON)`);

const script = fileURLToPath(new URL('../tools/lm_eval_peer.py', import.meta.url));
const tokenizer = fileURLToPath(new URL('fixtures/lm-eval/model/tokenizer.json', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gpt-eval-live-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface PeerItem {
  requests: [context: string, continuation: unknown][];
  responses: unknown[];
}
interface PeerTask {
  items: PeerItem[];
  metrics: Record<string, number>;
}

/** Writes the records of a case: as splits for the harness, as the task's files for us. */
function prepare(one: Case, place: number): { task: TaskDefinition; spec: object } {
  const file = (split: string, docs: readonly object[]) => {
    const path = join(folder, `${place}-${split}.jsonl`);
    writeFileSync(path, docs.map((doc) => `${JSON.stringify(doc)}\n`).join(''));
    return path;
  };
  const items = file('items', one.items);
  const examples = one.examples && file('examples', one.examples);
  const known = listTasks().find(({ name }) => name === one.task)!;
  const exampleSplit = known.fewShot?.split ?? 'train';
  const task: TaskDefinition = {
    ...known,
    data: {
      ...known.data,
      files: { test: items, ...(examples ? { [exampleSplit]: examples } : {}) },
    },
    ...(one.maxTokens ? { maxTokens: one.maxTokens } : {}),
  } as TaskDefinition;
  const spec = {
    yaml: one.yaml,
    shots: one.shots,
    splits: { [one.split ?? 'test']: items, ...(examples ? { [exampleSplit]: examples } : {}) },
    override: one.override,
  };
  return { task, spec };
}

function askPeer(request: object): PeerTask[] {
  const [question, answer] = [join(folder, 'request.json'), join(folder, 'answer.json')];
  writeFileSync(question, JSON.stringify(request));
  const run = spawnSync(python, ['-W', 'ignore', script, question, answer], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr.slice(-3000));
  return JSON.parse(readFileSync(answer, 'utf8')) as PeerTask[];
}

/** What a task asks of a model for one record, as the harness writes its requests. */
function requestsOf(
  task: TaskDefinition,
  preamble: string,
  doc: Readonly<Record<string, unknown>>,
): unknown[] {
  const text = (field: Parameters<typeof resolveText>[0], fields = doc) =>
    resolveText(field, fields, task.name);
  switch (task.kind) {
    case 'multiple-choice':
      return choicesOf(task, doc).map((choice) =>
        task.ending
          ? [preamble + text(task.prompt, { ...doc, choice }), text(task.ending)]
          : [preamble + text(task.prompt), choiceContinuation(task, choice)],
      );
    case 'log-likelihood':
      return [[preamble + text(task.prompt), text(task.target)]];
    case 'rolling':
      return [[text(task.text)]];
    default:
      return [[preamble + text(task.prompt)]];
  }
}

describe.skipIf(!present)('beside lm-evaluation-harness', () => {
  describe('prompts, few-shot draws and continuations', () => {
    const all = [...cases, ...promptCases];
    let answers: PeerTask[];
    const prepared = all.map(prepare);
    beforeAll(() => {
      answers = askPeer({ tasks: prepared.map(({ spec }) => spec) });
    }, 300_000);

    it.each(all.map((one, index) => [one.task, one.shots, index] as const))(
      '%s, %i shots',
      async (_, shots, index) => {
        const { task } = prepared[index]!;
        const { contexts } = await buildItems(task, { shots, seed: 1234, dataFolder: '/' });
        const generates = task.kind === 'generation';
        const ours = contexts.map(({ doc, preamble }) => requestsOf(task, preamble, doc));
        const theirs = answers[index]!.items.map(({ requests }) =>
          generates ? requests.slice(0, 1).map(([context]) => [context]) : requests,
        );
        expect(ours).toEqual(theirs);
      },
    );
  });

  describe('log-likelihoods, generated texts and scores of a model', () => {
    const prepared = cases.map(prepare);
    let gpt: GPT;
    let answers: PeerTask[];
    beforeAll(async () => {
      const checkpoint = join(folder, 'model');
      answers = askPeer({
        model: {
          folder: checkpoint,
          tokenizer,
          seed: Number(process.env.LM_EVAL_SEED ?? 29),
          config: { n_positions: 160, n_embd: 48, n_layer: 3, n_head: 4, initializer_range: 0.3 },
        },
        tasks: prepared.map(({ spec }) => spec),
      });
      await initCompute({ prefer: 'wasm' });
      gpt = await GPT.load(checkpoint);
    }, 600_000);
    afterAll(() => gpt?.dispose());

    it.each(cases.map((one, index) => [one.task, one.shots, index] as const))(
      '%s, %i shots',
      async (name, shots, index) => {
        const { task } = prepared[index]!;
        const report = await evaluate(localLanguageModel(gpt, { name: 'tiny' }), {
          tasks: [task],
          shots,
          dataFolder: '/',
          logSamples: true,
          bootstrapResamples: 2,
        });
        const [result] = report.tasks;
        const { items, metrics } = answers[index]!;
        expect(result!.samples.length).toBe(items.length);
        for (const [at, sample] of result!.samples.entries()) {
          const flat = items[at]!.responses.map((response) =>
            Array.isArray(response) && response.length === 1 ? response[0] : response,
          );
          for (const [choice, response] of flat.entries()) {
            const where = `${name}, item ${at}, response ${choice}`;
            const output = sample.outputs![choice];
            if (typeof response === 'string') {
              expect(output, where).toBe(response);
              continue;
            }
            const [expected, greedy] = Array.isArray(response) ? response : [response, undefined];
            const { logLikelihood, isGreedy } = output as { logLikelihood: number; isGreedy?: boolean };
            expect(Math.abs(logLikelihood - Number(expected)), where).toBeLessThan(1e-3);
            if (isGreedy !== undefined && greedy !== undefined) expect(isGreedy, where).toBe(greedy);
          }
        }
        const compared = Object.entries(metrics).filter(
          ([key]) => !/stderr|sample_len/u.test(key) && key.includes(','),
        );
        expect(compared.length).toBeGreaterThan(0);
        for (const [key, value] of compared) {
          const [metric, filter] = key.split(',') as [string, string];
          const own = result!.metrics[filter === 'none' ? metric : `${metric},${filter}`]!;
          expect(Math.abs(own.value - value) / Math.max(1, Math.abs(value)), key).toBeLessThan(1e-3);
        }
      },
      300_000,
    );
  });
});
