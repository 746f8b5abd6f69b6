import { setupBackend } from '@gpt-lineage/compute/testing';
import { encodePng } from '@gpt-lineage/vision-clip';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ContextLengthError,
  chatSegments,
  MultimodalInputError,
  type MultimodalMessage,
  readMessages,
} from '../../src/index.js';
import { chatModel, picture, turns } from './support.js';

beforeAll(setupBackend);

const image = picture(1, 20, 12);
let url = '';
beforeAll(async () => {
  url = `data:image/png;base64,${Buffer.from(await encodePng(image)).toString('base64')}`;
});

const user = (...content: unknown[]): MultimodalMessage[] => [{ role: 'user', content: content as never }];

describe('messages of OpenAI’s APIs', () => {
  it('chat completions, responses, and decoded images say the same', async () => {
    const forms = [
      user({ type: 'text', text: 'a' }, { type: 'image_url', image_url: { url, detail: 'low' } }),
      user({ type: 'text', text: 'a' }, { type: 'image_url', image_url: url }),
      user({ type: 'input_text', text: 'a' }, { type: 'input_image', image_url: url }),
      user({ type: 'text', text: 'a' }, { type: 'image', image }),
    ];
    for (const messages of forms) {
      const [{ role, parts }] = (await readMessages(messages)) as [{ role: string; parts: unknown[] }];
      expect(role).toBe('user');
      expect(parts[0]).toBe('a');
      const read = parts[1] as typeof image;
      expect([read.width, read.height, read.channels]).toEqual([20, 12, 3]);
      expect(Buffer.from(read.data).equals(Buffer.from(image.data))).toBe(true);
    }
  });

  it('URLs go to the caller’s loader and nowhere else', async () => {
    const messages = user({ type: 'image_url', image_url: { url: 'https://example.org/cat.png' } });
    await expect(readMessages(messages)).rejects.toThrow(
      /messages\[0\].content\[0\].image_url.url.*loadImage/,
    );
    const asked: string[] = [];
    const [read] = await readMessages(messages, {
      loadImage: async (from) => {
        asked.push(from);
        return encodePng(image);
      },
    });
    expect(asked).toEqual(['https://example.org/cat.png']);
    expect((read!.parts[0] as typeof image).width).toBe(20);
    const failing = readMessages(messages, { loadImage: () => Promise.reject(new Error('offline')) });
    await expect(failing).rejects.toThrow(/cannot be loaded \(offline\)/);
  });

  it.each([
    ['no list', 'x', 'messages'],
    ['no messages', [], 'messages'],
    ['no role', [{ content: 'x' }], 'messages[0].role'],
    ['no content', [{ role: 'user' }], 'messages[0].content'],
    ['an unknown part', [{ role: 'user', content: [{ type: 'audio' }] }], 'messages[0].content[0].type'],
    ['a part of nothing', [{ role: 'user', content: [null] }], 'messages[0].content[0].type'],
    ['no text', [{ role: 'user', content: [{ type: 'text' }] }], 'messages[0].content[0].text'],
    [
      'no URL',
      [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }],
      'messages[0].content[0].image_url.url',
    ],
    [
      'a file URL',
      [{ role: 'user', content: [{ type: 'input_image', image_url: 'file:///etc/passwd' }] }],
      'messages[0].content[0].image_url',
    ],
    [
      'no base64',
      [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png,abc' }] }],
      'messages[0].content[0].image_url',
    ],
    [
      'broken base64',
      [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png;base64,@@@' }] }],
      'messages[0].content[0].image_url',
    ],
    [
      'no image',
      [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png;base64,aGVsbG8=' }] }],
      'messages[0].content[0].image_url',
    ],
    [
      'SVG',
      [
        {
          role: 'user',
          content: [{ type: 'input_image', image_url: `data:image/svg+xml;base64,${btoa('<svg/>')}` }],
        },
      ],
      'messages[0].content[0].image_url',
    ],
  ])('%s: an error that names the field', async (_, messages, field) => {
    const error = await readMessages(messages as never).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MultimodalInputError);
    expect((error as MultimodalInputError).field).toBe(field);
  });

  it('limits are checked before anything is decoded', async () => {
    const long = `data:image/png;base64,${'A'.repeat(4000)}`;
    await expect(
      readMessages(user({ type: 'input_image', image_url: long }), { maxImageBytes: 2000 }),
    ).rejects.toThrow(/2999 bytes|3000 bytes/);
    const many = user(...Array.from({ length: 5 }, () => ({ type: 'image', image })));
    await expect(readMessages(many, { maxImages: 4 })).rejects.toThrow(/5 images.*at most 4/);
    const pixels = user({ type: 'input_image', image_url: url });
    await expect(readMessages(pixels, { maxPixels: 100 })).rejects.toThrow(/20×12/);
  });
});

describe('context', () => {
  const dialogue = (exchanges: number): MultimodalMessage[] => [
    { role: 'system', content: 'be brief' },
    ...Array.from({ length: exchanges }, (_, i): MultimodalMessage[] => [
      {
        role: 'user',
        content: [
          { type: 'image', image: picture(i) },
          { type: 'text', text: `question ${i}?` },
        ],
      },
      { role: 'assistant', content: `answer ${i}` },
    ]).flat(),
    { role: 'user', content: 'last?' },
  ];

  it('counts messages without decoding their images', async () => {
    using model = await chatModel();
    const messages = user(
      { type: 'text', text: 'red' },
      { type: 'image_url', image_url: { url: 'https://x/y.png' } },
    );
    const count = model.countTokens(messages);
    expect(count.images).toBe(1);
    expect(count.image).toBe(4);
    const prepared = await model.prepareChat(user({ type: 'text', text: 'red' }, { type: 'image', image }));
    expect(prepared.tokens).toEqual(count);
  });

  it('too long is an error that counts the tokens', async () => {
    using model = await chatModel(96);
    const error = await model.prepareChat(dialogue(4), { reserve: 8 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ContextLengthError);
    expect((error as Error).message).toMatch(/4 images 16 of them.*8 are kept.*truncate/);
  });

  it('`truncate` drops the oldest exchanges, never system and last message, and says how many', async () => {
    using model = await chatModel(96);
    const { dropped, tokens, pieces } = await model.prepareChat(dialogue(4), {
      reserve: 8,
      overflow: 'truncate',
    });
    expect(dropped.messages).toBeGreaterThan(0);
    expect(dropped.messages).toBe(2 * dropped.images);
    expect(tokens.images).toBe(4 - dropped.images);
    expect(tokens.total).toBeLessThanOrEqual(88);
    const said = pieces.map((piece) => piece.text ?? '').join('');
    expect(said).toContain('be brief');
    expect(said).toContain('last?');
    expect(said).not.toContain('question 0');
    const hopeless = [{ role: 'user', content: 'x'.repeat(200) }];
    await expect(model.prepareChat(hopeless, { overflow: 'truncate' })).rejects.toThrow(ContextLengthError);
  });
});

describe('dialogues as training text', () => {
  it('answers and their end are learned, everything else is read', () => {
    const segments = chatSegments(turns, [
      { role: 'user', parts: [image, 'what?'] },
      { role: 'assistant', parts: ['red'] },
      { role: 'user', parts: ['and?'] },
      { role: 'assistant', parts: ['green'] },
    ]);
    expect(segments).toEqual([
      { text: '<|user|>', special: true },
      { image },
      { text: 'what?', train: false },
      { text: '<|assistant|>', special: true },
      { text: 'red', train: true },
      { text: '<|end|>', train: true, special: true },
      { text: '<|user|>', special: true },
      { text: 'and?', train: false },
      { text: '<|assistant|>', special: true },
      { text: 'green', train: true },
      { text: '<|end|>', train: true, special: true },
    ]);
  });
});
