import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NGramOverlap } from '../src/contamination/n-gram-overlap.js';
import {
  checkContamination,
  contaminationFromCorpus,
  evaluate,
  parseContaminationReport,
  reportHtml,
  reportMarkdown,
  reportTable,
} from '../src/index.js';
import { TinyLanguageModel } from './tiny-language-model.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt-eval-contamination-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const words = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`).join(' ');

describe('n-gram overlap', () => {
  it('thirteen words in a row are a leak, twelve are not, whatever their case and punctuation', () => {
    const items = [words('a', 20), words('b', 20), words('c', 20), 'too short to tell'];
    const overlap = new NGramOverlap({ set: items });
    overlap.addDocument(`Before. ${words('A', 13).replaceAll(' ', ', ')}! After.`);
    overlap.addDocument(words('b', 12));
    // The 5th percentile of the lengths is that of the short item: n is the least, 8.
    expect(overlap.splits().set!.n).toBe(8);
    const fixed = new NGramOverlap({ set: items }, { n: 13 });
    fixed.addDocument(`Before. ${words('A', 13).replaceAll(' ', ', ')}! After.`);
    fixed.addDocument(words('b', 12));
    expect(fixed.splits().set).toEqual({ n: 13, dirty: [0], clean: [1, 2], tooShort: [3] });
  });

  it('what many documents say is a phrase', () => {
    const overlap = new NGramOverlap({ set: [words('a', 30)] }, { maxDocuments: 3 });
    for (let i = 0; i < 3; i++) overlap.addDocument(words('a', 13));
    expect(overlap.splits().set!.dirty).toEqual([0]);
    overlap.addDocument(words('a', 13));
    expect(overlap.splits().set!.dirty).toEqual([]);
  });
});

describe('a training corpus that holds evaluation items', () => {
  const tasks = ['lambada_openai', 'mmlu_astronomy'];
  const item = async (index: number) => {
    const report = await evaluate(new TinyLanguageModel(), {
      tasks: ['lambada_openai'],
      limit: index + 1,
      logSamples: true,
    });
    return report.tasks[0]!.samples[index]!.prompt!;
  };

  it('is found out, and clean scores leave the items out', async () => {
    const lines = ['An innocent text about nothing in particular.', `Copied: ${await item(2)}`].map((text) =>
      JSON.stringify({ text }),
    );
    await mkdir(join(folder, 'corpus'));
    await writeFile(join(folder, 'corpus/a.jsonl.gz'), gzipSync(lines.join('\n')));
    await writeFile(join(folder, 'corpus/b.txt'), `Some book. ${await item(4)}`);
    const contamination = await checkContamination({ tasks, corpus: [join(folder, 'corpus')] });
    expect(contamination.corpus).toMatchObject({ documents: 3 });
    expect(contamination.tasks.lambada_openai!.dirty).toEqual([2, 4]);
    expect(contamination.tasks.mmlu_astronomy!.dirty).toEqual([]);
    expect(parseContaminationReport(JSON.stringify(contamination), 'x')).toEqual(contamination);

    const report = await evaluate(new TinyLanguageModel(), { tasks, limit: 10, contamination });
    const [lambada] = report.tasks;
    expect(lambada!.contamination).toMatchObject({ dirty: 2, clean: 8 });
    const clean = lambada!.samples.filter(({ index }) => index !== 2 && index !== 4);
    const mean = clean.reduce((sum, sample) => sum + sample.metrics.perplexity!, 0) / clean.length;
    expect(lambada!.contamination!.metrics.perplexity!.value).toBeCloseTo(Math.exp(-mean), 6);
    for (const text of [reportMarkdown(report), reportHtml(report), reportTable(report)])
      expect(text).toMatch(/clean/u);
  });

  it('takes over what the corpus pipeline found', async () => {
    const built = join(folder, 'built');
    await mkdir(join(built, 'evaluation'), { recursive: true });
    await writeFile(
      join(folder, 'toy.jsonl'),
      [
        '{"q":"one","a":0,"skip":false}',
        '{"q":"dropped","a":1,"skip":true}',
        '{"q":"two","a":1,"skip":false}',
        '{"q":"x","a":0,"skip":false}',
      ].join('\n'),
    );
    await writeFile(
      join(built, 'manifest.json'),
      JSON.stringify({ sources: [{ documents: 7 }], decontamination: { sets: [{ name: 'toy-set', n: 9 }] } }),
    );
    await writeFile(join(built, 'evaluation/toy-set.dirty.jsonl'), '{"a":1,"skip":false,"q":"two"}\n');
    await writeFile(join(built, 'evaluation/toy-set.clean.jsonl'), '{"q":"one","a":0,"skip":false}\n');
    const toy = {
      kind: 'multiple-choice' as const,
      name: 'toy',
      version: 1,
      title: 'toy',
      data: {
        files: { test: join(folder, 'toy.jsonl') },
        prepare: (doc: Readonly<Record<string, unknown>>) => (doc.skip ? undefined : { q: doc.q, a: doc.a }),
      },
      prompt: '{{ q }}',
      choices: ['no', 'yes'],
      target: (doc: Readonly<Record<string, unknown>>) => doc.a as number,
    };
    const report = await contaminationFromCorpus(built, { tasks: [toy, 'mmlu_astronomy'] });
    expect(report).toEqual({
      format: 'gpt-lineage.contamination/1',
      corpus: { files: [join(built, 'manifest.json')], documents: 7 },
      tasks: { toy: { n: 9, clean: [0], dirty: [1], tooShort: [2] } },
    });
    await writeFile(join(built, 'manifest.json'), '{}');
    await expect(contaminationFromCorpus(built, { tasks: [toy] })).rejects.toThrow(/decontaminat/u);
  });

  it('refuses other files as reports', () => {
    expect(() => parseContaminationReport('{}', 'here.json')).toThrow(/here\.json/u);
  });
});
