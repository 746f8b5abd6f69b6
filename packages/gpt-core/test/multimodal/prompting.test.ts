import { setupBackend } from '@gpt-lineage/compute/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  chooseAnswer,
  compareImages,
  conditionOnGoodPerformance,
  fewShotMessages,
  gridPrompt,
  imageInstruction,
  markedPrompt,
  parsePlace,
} from '../../src/index.js';
import { chatModel, picture, tinyModel } from './support.js';

beforeAll(setupBackend);
const [a, b] = [picture(1, 64), picture(2, 64)];

describe('messages', () => {
  it('instructions, comparisons and solved examples', () => {
    expect(
      imageInstruction([a], 'Count the apples.', { format: 'Answer with a number.', system: 'Be brief.' }),
    ).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'image', image: a },
          { type: 'text', text: 'Count the apples. Answer with a number.' },
        ],
      },
    ]);
    const [{ content }] = compareImages([a, b], 'What changed?') as unknown as [
      { content: { text?: string; image?: unknown }[] },
    ];
    expect(content.map((part) => part.text ?? part.image)).toEqual([
      'Image 1: ',
      a,
      '\n',
      'Image 2: ',
      b,
      '\n',
      'What changed?',
    ]);
    expect(() => compareImages([a], 'What changed?')).toThrow(/at least two/);
    const shots = fewShotMessages([{ images: [a], question: 'what?', answer: 'a' }], {
      images: [b],
      question: 'what?',
    });
    expect(shots.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
  });

  it('conditioning on good performance', () => {
    expect(
      conditionOnGoodPerformance('How many apples are there?', {
        expertise: 'counting things',
        procedure: 'count them row by row',
      }),
    ).toBe(
      'You are an expert in counting things. How many apples are there? Let’s count them row by row, to be sure that we have the right answer.'.replace(
        '’',
        "'",
      ),
    );
  });
});

describe('marks and coordinates', () => {
  it('draws marks and speaks of them', async () => {
    const marks = [
      { kind: 'circle', center: [16, 16], radius: 8, color: 'red' },
      { kind: 'point', at: [48, 48], number: 3 },
    ] as const;
    const {
      messages,
      image,
      marks: drawn,
    } = await markedPrompt(a, marks, 'Is {1} above {2}?', { list: true });
    const [{ content }] = messages as unknown as [{ content: { text?: string; image?: unknown }[] }];
    expect(content[0]!.image).toBe(image);
    expect(Buffer.from(image.data).equals(Buffer.from(a.data))).toBe(false);
    expect(content[1]!.text).toMatch(
      /^Marks: red circle at \[\d+, \d+, \d+, \d+\]; point 3 at .* Is the red circle above the point 3\?$/,
    );
    expect(drawn).toHaveLength(2);
    await expect(markedPrompt(a, marks, 'What is {5}?')).rejects.toThrow(/mark \{5\}, and there are 2/);
  });

  it('asks for cells and reads them', async () => {
    const grid = { columns: 4, rows: 2, coordinates: 'cells' } as const;
    const { messages } = await gridPrompt(a, 'Where is the cat?', grid);
    const [{ content }] = messages as unknown as [{ content: { text?: string }[] }];
    expect(content[1]!.text).toMatch(/4 columns.*2 rows.*Where is the cat\?/);
    const size = { width: 64, height: 64 };
    expect(parsePlace('It is in B2.', size, grid)).toEqual([24, 48]);
    expect(parsePlace('E1', size, grid)).toBeUndefined();
    expect(parsePlace('A3', size, grid)).toBeUndefined();
    expect(parsePlace('(10, 20)', size)).toEqual([10, 20]);
    expect(parsePlace('x=500, y=250', size, { coordinates: 'thousandths' })).toEqual([32, 16]);
    expect(parsePlace('x=500, y=2500', size, { coordinates: 'thousandths' })).toBeUndefined();
    expect(parsePlace('no idea', size)).toBeUndefined();
  });
});

describe('constrained answers', () => {
  it('the most likely of the choices, with probabilities', async () => {
    using model = tinyModel();
    const { answer, index, probabilities, logLikelihoods } = await chooseAnswer(
      model,
      [a, 'yes or no?'],
      ['yes', 'no'],
    );
    expect(['yes', 'no'][index]).toBe(answer);
    expect(probabilities[0]! + probabilities[1]!).toBeCloseTo(1, 6);
    expect(Math.log(probabilities[0]! / probabilities[1]!)).toBeCloseTo(
      logLikelihoods[0]! - logLikelihoods[1]!,
      4,
    );
    expect(index).toBe(logLikelihoods[0]! > logLikelihoods[1]! ? 0 : 1);
    await expect(chooseAnswer(model, 'x', ['one'])).rejects.toThrow(/at least two/);
  });

  it('as a reply to messages', async () => {
    using model = await chatModel();
    const small = picture(1);
    const { probabilities } = await chooseAnswer(
      model,
      imageInstruction([small], 'color?'),
      ['red', 'green', 'blue'],
      {
        normalize: 'mean',
      },
    );
    expect(probabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
  });
});
