import { describe, expect, it } from 'vitest';
import { decontaminate } from '../src/index.js';
import { fixtureRecords } from './support/fixtures.js';

const articles = fixtureRecords('wiki.jsonl.gz');
const question =
  'A train leaves the old harbour at noon and travels eastwards along the coast until it meets the river. Where does it stop?';
const evaluationSets = [{ name: 'trains', examples: [question] }];
const words = (n: number, prefix: string) => Array.from({ length: n }, (_, i) => `${prefix}${i}`).join(' ');

describe('decontaminate', () => {
  it('cuts the overlap with 200 characters on each side, and splits the document there', () => {
    const before = words(100, 'before');
    const after = words(100, 'after');
    const { documents, cut, splits } = decontaminate(
      [
        { id: 'leak', text: `${before} ${question.toUpperCase().replaceAll(' ', ',  ')} ${after}` },
        { id: 'clean', text: `${before} ${question.split(' ').slice(0, 12).join(' ')} ${after}` },
      ],
      { evaluationSets },
    );
    expect(documents.map(({ id }) => id)).toEqual(['leak#0', 'leak#1', 'clean']);
    expect(before.startsWith(documents[0]!.text)).toBe(true);
    expect(after.endsWith(documents[1]!.text)).toBe(true);
    expect(before.length - documents[0]!.text.length).toBeGreaterThanOrEqual(199);
    expect(before.length - documents[0]!.text.length).toBeLessThan(210);
    expect(cut).toMatchObject([{ id: 'leak', cuts: 1, removed: null }]);
    expect(cut[0]!.evaluationText).toMatch(/^A,\s+TRAIN,/);
    expect(splits).toEqual([{ name: 'trains', n: 13, clean: [], dirty: [0], tooShort: [] }]);
  });

  it('drops short pieces, and documents that fall into more than ten', () => {
    const leak = (gap: number, times: number) =>
      Array.from({ length: times }, (_, i) => `${words(gap, `w${i}x`)} ${question}`).join(' ') +
      words(gap, 'end');
    const { documents, cut } = decontaminate(
      [
        { id: 'all', text: question },
        { id: 'many', text: leak(150, 11) },
        { id: 'ten', text: leak(150, 9) },
      ],
      { evaluationSets },
    );
    expect(cut.map(({ removed }) => removed)).toEqual(['short', 'pieces', null]);
    expect(documents).toHaveLength(10);
    for (const { text } of documents) expect(text).not.toContain('train leaves the old harbour');
  });

  it('leaves phrases alone that more than ten documents hold', () => {
    const documents = Array.from({ length: 11 }, (_, i) => ({
      id: `${i}`,
      text: `${words(80, `d${i}x`)} ${question}`,
    }));
    const result = decontaminate(documents, { evaluationSets });
    expect(result.documents).toEqual(documents);
    expect(result.frequentGrams).toBeGreaterThan(0);
    expect(result.splits[0]!.clean).toEqual([0]);
    expect(decontaminate(documents.slice(1), { evaluationSets }).documents).toHaveLength(10);
    expect(decontaminate(documents.slice(1), { evaluationSets }).cut).toHaveLength(10);
  });

  it('finds planted passages in real text, and nothing else', () => {
    const leaked = articles.slice(0, 5).map(({ text }) => text.split(' ').slice(200, 230).join(' '));
    const foreign = fixtureRecords('web.jsonl.gz')
      .slice(0, 50)
      .map(({ text }) => text.split(/\s+/).slice(10, 40).join(' '));
    const { splits, cut } = decontaminate(articles, {
      evaluationSets: [{ name: 'passages', examples: [...leaked, ...foreign] }],
    });
    expect(splits[0]!.dirty).toEqual([0, 1, 2, 3, 4]);
    expect(cut.map(({ id }) => id)).toEqual(articles.slice(0, 5).map(({ id }) => id));
  });

  it('chooses n per set from its lengths, and says which examples are too short', () => {
    const sets = [
      { name: 'short', examples: Array.from({ length: 40 }, (_, i) => words(9, `s${i}x`)) },
      {
        name: 'mixed',
        examples: [words(3, 'tiny'), ...Array.from({ length: 40 }, (_, i) => words(30, `m${i}x`))],
      },
    ];
    const { splits } = decontaminate([{ id: 'a', text: `see ${words(9, 's7x')}` }], { evaluationSets: sets });
    expect(splits[0]).toMatchObject({ n: 9, dirty: [7] });
    expect(splits[1]).toMatchObject({ n: 13, tooShort: [0], dirty: [] });
    expect(splits[1]!.clean).toHaveLength(40);
  });
});
