import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CodeExecutionDisabledError,
  evaluate,
  listTasks,
  type MultipleChoiceTask,
  parseReport,
  registerTask,
  TaskDataError,
  TaskError,
} from '../src/index.js';
import { encodePair, rollingWindows } from '../src/requests/encode-pair.js';
import { ResultCache } from '../src/requests/result-cache.js';
import { applyFilters, majority } from '../src/tasks/answer-filters.js';
import { fewShotSampler } from '../src/tasks/few-shot.js';
import { preamble } from '../src/tasks/prompt.js';
import { PythonRandom } from '../src/tasks/python-random.js';
import { TinyLanguageModel } from './tiny-language-model.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt-eval-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("Python's random", () => {
  // random.Random(seed).sample(range(n), k), CPython 3.11
  it.each([
    [1234, 10, 3, [7, 1, 0]],
    [1234, 100, 5, [99, 56, 14, 0, 11]],
    [0, 1000, 8, [864, 394, 776, 911, 430, 41, 265, 988]],
    [42, 30, 12, [20, 3, 0, 23, 8, 7, 24, 4, 28, 17, 2, 18]],
  ])('seed %i draws from %i', (seed, n, k, expected) => {
    const random = new PythonRandom(seed);
    expect(random.sample([...Array(n).keys()], k)).toEqual(expected);
  });
});

describe('requests', () => {
  const model = new TinyLanguageModel({ contextLength: 8 });

  it('moves trailing white space into the continuation', async () => {
    const moved = await encodePair(model, 'Answer: ', 'yes');
    const plain = await encodePair(model, 'Answer:', ' yes');
    expect(moved).toEqual(plain);
    expect((await encodePair(model, '', 'yes')).promptTokenIds).toEqual([]);
  });

  it('rolling windows predict every token once, with at most one context of input', () => {
    for (const length of [0, 1, 7, 8, 9, 16, 17, 40]) {
      const tokens = Array.from({ length }, (_, index) => index);
      const windows = rollingWindows(tokens, 8, 256);
      expect(windows.flatMap((window) => [...window.completionTokenIds])).toEqual(tokens);
      for (const { promptTokenIds, completionTokenIds } of windows) {
        expect(promptTokenIds.length).toBeGreaterThan(0);
        expect(promptTokenIds.length + completionTokenIds.length).toBeLessThanOrEqual(9);
        const before = promptTokenIds.at(-1)!;
        expect(before === 256 || before + 1 === completionTokenIds[0]).toBe(true);
      }
    }
  });
});

describe('few-shot prompts', () => {
  const task: MultipleChoiceTask = {
    kind: 'multiple-choice',
    name: 'toy',
    version: 1,
    title: 'toy',
    data: { files: { test: 'toy.jsonl' } },
    description: 'Pick.\n\n',
    prompt: 'Q: {{ q }}\nA:',
    choices: ['no', 'yes'],
    target: (doc) => doc.a as number,
  };
  const docs = Array.from({ length: 6 }, (_, index) => ({ q: `q${index}`, a: index % 2 }));

  it('puts description, examples and answers together', () => {
    expect(preamble(task, docs.slice(0, 2))).toBe('Pick.\n\nQ: q0\nA: no\n\nQ: q1\nA: yes\n\n');
  });

  it('an item is never its own example, and the stream is the same for the same seed', () => {
    const draw = () => {
      const sampler = fewShotSampler(task, docs, 4, { leaveOut: true, seed: 1234 });
      return docs.map((doc) => sampler.examples(doc));
    };
    const drawn = draw();
    drawn.forEach((examples, index) => {
      expect(examples).toHaveLength(4);
      expect(examples).not.toContain(docs[index]);
    });
    expect(draw()).toEqual(drawn);
    expect(() => fewShotSampler(task, docs, 6, { leaveOut: true, seed: 1 })).toThrow(TaskError);
  });

  it('puts the right choice inside the examples of a task with an ending', () => {
    const inside: MultipleChoiceTask = {
      ...task,
      description: '',
      prompt: '{{ q }} {{ choice }}',
      ending: ' end',
    };
    expect(preamble(inside, docs.slice(1, 2))).toBe('q1 yes end\n\n');
  });
});

describe('evaluate', () => {
  const toy = (name: string): MultipleChoiceTask => ({
    kind: 'multiple-choice',
    name,
    version: 1,
    title: 'toy',
    groups: ['toys'],
    data: { files: { test: `${name}.jsonl` } },
    prompt: '{{ q }}',
    choices: (doc) => doc.choices as string[],
    target: (doc) => doc.a as number,
    normalisations: ['sum', 'character', 'token', 'unconditional'],
  });
  const records = [
    { q: 'one', choices: ['aa', 'bbbb', 'c'], a: 2 },
    { q: 'two', choices: ['xyz', 'é'], a: 0 },
    { q: 'three', choices: ['longer answer', 'short'], a: 1 },
  ];

  it('scores choices as the sums say, and means over groups', async () => {
    await writeFile(join(folder, 'toy_a.jsonl'), records.map((record) => JSON.stringify(record)).join('\n'));
    await writeFile(join(folder, 'toy_b.jsonl'), `${JSON.stringify(records[0])}\n`);
    const model = new TinyLanguageModel();
    const report = await evaluate(model, {
      tasks: [toy('toy_a'), toy('toy_b')],
      dataFolder: folder,
      logSamples: true,
    });
    const sum = (prompt: string, completion: string) => {
      const ids = [...new TextEncoder().encode(` ${completion}`)];
      let previous = prompt === '' ? 256 : prompt.charCodeAt(prompt.length - 1);
      return ids.reduce((total, id) => {
        const logProb = model.logProb(previous, id);
        previous = id;
        return total + logProb;
      }, 0);
    };
    const best = (values: number[]) => values.indexOf(Math.max(...values));
    const expected = {
      acc: records.filter((r) => best(r.choices.map((c) => sum(r.q, c))) === r.a).length / 3,
      acc_norm: records.filter((r) => best(r.choices.map((c) => sum(r.q, c) / c.length)) === r.a).length / 3,
      acc_mutual_info:
        records.filter((r) => best(r.choices.map((c) => sum(r.q, c) - sum('', c))) === r.a).length / 3,
    };
    const [first, second] = report.tasks;
    for (const [name, value] of Object.entries(expected))
      expect(first!.metrics[name]!.value).toBeCloseTo(value, 12);
    expect(first!.samples).toHaveLength(3);
    expect(report.groups.toys).toEqual({
      metric: 'acc',
      macro: (first!.metrics.acc!.value + second!.metrics.acc!.value) / 2,
      micro: (3 * first!.metrics.acc!.value + second!.metrics.acc!.value) / 4,
      tasks: 2,
    });
    expect(parseReport(JSON.stringify(report), 'report')).toEqual(JSON.parse(JSON.stringify(report)));
  });

  it('sends equal requests once', async () => {
    await writeFile(join(folder, 'toy_twice.jsonl'), `${JSON.stringify(records[0])}\n`.repeat(5));
    const model = new TinyLanguageModel();
    await evaluate(model, { tasks: [{ ...toy('toy_twice'), normalisations: ['sum'] }], dataFolder: folder });
    expect(model.scoredRequests).toBe(3);
  });

  it('an interrupted run goes on, and ends in the same report', async () => {
    const options = { tasks: ['arithmetic_2da', 'mmlu_astronomy'], limit: 12, shots: 2, batchTokens: 600 };
    const whole = await evaluate(new TinyLanguageModel(), options);
    const cache = join(folder, 'cache.jsonl');
    const stopping = new TinyLanguageModel();
    const score = stopping.score.bind(stopping);
    stopping.score = async (requests) => {
      if (stopping.scoreCalls === 3) throw new Error('killed');
      return score(requests);
    };
    await expect(evaluate(stopping, { ...options, cache })).rejects.toThrow('killed');
    await appendFile(cache, '{"key":"half a li'); // what a kill in the middle of a write leaves
    const resumed = new TinyLanguageModel();
    expect(await evaluate(resumed, { ...options, cache })).toEqual(whole);
    expect(resumed.scoreCalls).toBeGreaterThan(0);
    const again = new TinyLanguageModel();
    expect(await evaluate(again, { ...options, cache })).toEqual(whole);
    expect(again.scoreCalls).toBe(0);
  });

  it('reads answers through filters: GSM8K strict and flexible', async () => {
    const model = new TinyLanguageModel({
      answers: [['Answer:', ' She makes 9 * 2 = $<<9*2=18>>18 every day.\n#### 18\nQuestion: next']],
    });
    const { tasks } = await evaluate(model, { tasks: ['gsm8k'], limit: 1, shots: 0, logSamples: true });
    expect(tasks[0]!.metrics['exact_match,strict-match']!.value).toBe(1);
    expect(tasks[0]!.metrics['exact_match,flexible-extract']!.value).toBe(1);
    expect(tasks[0]!.samples[0]!.outputs![0]).not.toContain('Question:');
  });

  it('reports perplexities of whole documents from sums', async () => {
    const model = new TinyLanguageModel({ contextLength: 64 });
    const { tasks } = await evaluate(model, { tasks: ['wikitext'], limit: 2, bootstrapResamples: 20 });
    const { byte_perplexity, bits_per_byte, word_perplexity } = tasks[0]!.metrics;
    expect(bits_per_byte!.value).toBeCloseTo(Math.log2(byte_perplexity!.value), 9);
    expect(word_perplexity!.value).toBeGreaterThan(byte_perplexity!.value);
    expect(byte_perplexity!.standardError).toBeGreaterThanOrEqual(0);
  });

  it('does not run code unless told to, and then decides by the tests', async () => {
    const model = new TinyLanguageModel({ answers: [['', '    return None\n']] });
    await expect(evaluate(model, { tasks: ['humaneval'], limit: 1 })).rejects.toThrow(
      CodeExecutionDisabledError,
    );
  });
});

describe('registry', () => {
  it('knows names, groups and patterns, and says what is close', async () => {
    expect(listTasks().filter((task) => task.groups?.includes('mmlu'))).toHaveLength(57);
    const model = new TinyLanguageModel();
    await expect(evaluate(model, { tasks: ['helaswag'] })).rejects.toThrow(/not known/);
    await expect(evaluate(model, { tasks: [] })).rejects.toThrow(/at least one/);
    const { tasks } = await evaluate(model, { tasks: ['arithmetic_2*'], limit: 1 });
    expect(tasks.map((task) => task.task)).toEqual(['arithmetic_2da', 'arithmetic_2dm', 'arithmetic_2ds']);
    expect(() => registerTask(listTasks()[0]!)).toThrow(/registered already/);
  });
});

describe('bad data', () => {
  const task = (file: string) => ({
    kind: 'log-likelihood' as const,
    name: 'bad',
    version: 1,
    title: 'bad',
    data: { files: { test: file } },
    prompt: '{{ context }}',
    target: '{{ missing.field }}',
  });

  it.each([
    ['none.jsonl', undefined, /does not exist/],
    ['broken.jsonl', '{"context": "a"}\n{"context": ', /broken\.jsonl:2/],
    ['list.jsonl', '[1, 2]\n', /no record/],
    ['empty.jsonl', '\n', /is empty/],
    ['odd.xml', '<a/>', /unknown extension/],
    ['cut.jsonl.gz', Buffer.from([0x1f, 0x8b, 8, 0, 0]), /cannot be read/],
    ['field.jsonl', '{"context": "a"}\n', /template .* fails/],
  ])('%s is refused by name', async (name, content, message) => {
    if (content !== undefined) await writeFile(join(folder, name), content);
    await expect(
      evaluate(new TinyLanguageModel(), { tasks: [task(name)], dataFolder: folder }),
    ).rejects.toThrow(message);
  });

  it('a cache that is none is refused', async () => {
    await writeFile(join(folder, 'no-cache.jsonl'), 'text\n');
    await expect(ResultCache.open(join(folder, 'no-cache.jsonl'))).rejects.toThrow(TaskDataError);
  });
});

it('filters find, remove and vote', () => {
  expect(applyFilters('a 1, b 22.', [{ kind: 'regex', pattern: '[0-9]+', pick: 'last' }])).toBe('22');
  expect(applyFilters('none', [{ kind: 'regex', pattern: '[0-9]+' }])).toBe('[invalid]');
  expect(applyFilters('$1,000', [{ kind: 'remove', patterns: [',', '\\$'] }])).toBe('1000');
  expect(majority(['2', '[invalid]', '[invalid]', '3', '3'])).toBe('3');
  expect(majority(['[invalid]', '[invalid]'])).toBe('[invalid]');
});
