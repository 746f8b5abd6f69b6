import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  RecordError,
  RecordProblem,
  readTrainingRecords,
  recordConverter,
  splitPreference,
  subtitlesToText,
} from '../src/index.js';
import { fixtureRecords, fixtureText } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const context = { file: 'f', line: 1 };

describe('records to documents', () => {
  it('writes a question and its best answers', () => {
    const convert = recordConverter('stackexchange', {}, { maxAnswers: 2 });
    const [document] = convert(
      {
        question_id: 17,
        title: 'How do I print?',
        body: '<p>I have <code>x &lt; 1</code>:</p><pre><code>a = 1\nprint(a)</code></pre>',
        link: 'https://example.org/q/17',
        answers: [
          { body: '<p>Badly.</p>', score: -4 },
          { body: '<p>Use <b>print</b>.</p>', score: 3 },
          { body: 'With a pen, if 1 < 2.', score: 9 },
          { body: '<p>Accepted.</p>', score: 1, is_accepted: true },
        ],
      },
      context,
    );
    expect(document).toEqual({
      id: '17',
      url: 'https://example.org/q/17',
      text: [
        'Question: How do I print?',
        'I have x < 1:',
        'a = 1\nprint(a)',
        'Answer: Accepted.',
        'Answer: With a pen, if 1 < 2.',
      ].join('\n\n'),
    });
    expect(() => convert({ answers: [] }, context)).toThrow(RecordProblem);
    expect(() => convert({ title: 't', answers: [{ score: 1 }] }, context)).toThrow(
      /must be a string or have a body/,
    );
  });

  it('writes chats of every common shape alike', () => {
    const convert = recordConverter('chat', {});
    const wanted = 'User: Hi\n\nAssistant: Hello!';
    for (const fields of [
      {
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello!' },
        ],
      },
      {
        conversations: [
          { from: 'human', value: 'Hi' },
          { from: 'gpt', value: 'Hello!' },
        ],
      },
      { chosen: '\n\nHuman: Hi\n\nAssistant: Hello!' },
    ]) {
      expect(convert(fields, context)[0]!.text).toBe(wanted);
    }
    const chatml = recordConverter('chat', {}, { style: 'chatml' });
    expect(chatml({ messages: [{ role: 'user', content: 'Hi' }] }, context)[0]!.text).toBe(
      '<|im_start|>user\nHi<|im_end|>',
    );
    expect(() => convert({ messages: [{ role: 'user' }] }, context)).toThrow(/must be a string/);
    expect(() => convert({ messages: [] }, context)).toThrow(/non-empty array/);
    expect(() => recordConverter('chat', {}, { style: 'xml' })).toThrow(ConfigError);
  });

  it('reads subtitles as dialogue', () => {
    const srt = [
      '1\n00:00:01,000 --> 00:00:03,000\n<i>Where have you been</i>',
      '2\n00:00:03,100 --> 00:00:04,000\nall this time?',
      '3\n00:00:04,500 --> 00:00:06,000\n- Nowhere.\n- [door slams] Liar!',
      '4\n00:00:07,000 --> 00:00:08,000\n♪ La la la ♪',
      '5\n00:01:00,000 --> 00:01:02,000\n(THUNDER) Listen.',
    ].join('\r\n\r\n');
    const wanted = 'Where have you been all this time?\nNowhere.\nLiar!\n\nListen.';
    expect(subtitlesToText(srt)).toBe(wanted);
    expect(subtitlesToText(`WEBVTT\n\n${srt.replaceAll(',', '.').replace(/00:(\d\d:\d\d\.)/g, '$1')}`)).toBe(
      wanted,
    );
    expect(recordConverter('subtitles', {})({ text: srt, id: 'a' }, context)).toEqual([
      { text: wanted, id: 'a' },
    ]);
  });

  it('names source files by package and path, and keeps to licences', () => {
    const record = fixtureRecords<Record<string, string>>('code.jsonl.gz')[0]!;
    const [document] = recordConverter('code', {}, { licenses: ['mit'], pathHeader: true })(record, context);
    expect(document!.id).toBe(`${record.package}/${record.path}`);
    expect(document!.text).toBe(`${record.path}\n${record.text}`);
    expect(() => recordConverter('code', {}, { licenses: ['Apache-2.0'] })(record, context)).toThrow(
      /MIT is not among/,
    );
  });

  it('makes translation prompts in both directions and every template', () => {
    const convert = recordConverter('parallel', {}, { languages: { en: 'English', zh: 'Chinese' } }, 1);
    const prompts = fixtureText('parallel.tsv.gz')
      .trim()
      .split('\n')
      .map((row, line) => {
        const [en, zh] = row.split('\t');
        return convert({ en, zh }, { file: 'p', line })[0]!.text;
      });
    for (const pattern of [
      /^[^\n]+ = [^\n]+$/,
      /^Q: What is the Chinese/,
      /^Q: What is the English/,
      /Chinese to English/,
      /\nIn Chinese: /,
    ]) {
      expect(prompts.filter((prompt) => pattern.test(prompt)).length).toBeGreaterThan(15);
    }
    const fixed = recordConverter(
      'parallel',
      {},
      {
        languages: { en: 'English', zh: 'Chinese' },
        template: 2,
        direction: 'backward',
      },
    );
    expect(fixed({ en: 'Hi.', zh: '嗨。' }, context)[0]!.text).toBe(
      'Translate from Chinese to English.\nChinese: 嗨。\nEnglish: Hi.',
    );
    expect(() => convert({ en: 'Hi.', zh: ' ' }, context)).toThrow(/non-empty sentence/);
    expect(() => recordConverter('parallel', {})).toThrow(/must name two fields/);
  });
});

describe('training records', () => {
  let files = 0;
  const write = (...records: unknown[]) => {
    const path = join(folder, `${files++}.jsonl`);
    writeFileSync(
      path,
      records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n'),
    );
    return path;
  };
  const readAll = async (path: string, options = {}) => {
    const result = [];
    for await (const located of readTrainingRecords(path, options)) result.push(located);
    return result;
  };
  const turn = (role: string, content: unknown = 'x') => ({ role, content });

  it.each([
    ['messages', { messages: [turn('user'), turn('assistant')] }],
    ['prompt-completion', { prompt: 'a', completion: 'b' }],
    ['preference', { chosen: 'a', rejected: 'b' }],
    [
      'preference',
      { prompt: [turn('user')], chosen: [turn('assistant', 'a')], rejected: [turn('assistant', 'b')] },
    ],
    ['ranked', { prompt: 'p', completions: ['a', 'b', 'c'], ranks: [2, 1, 2] }],
    ['unpaired', { prompt: 'p', completion: 'c', label: false }],
    ['prompt-only', { prompt: 'p' }],
    ['text', { text: 't' }],
  ])('reads %s', async (format, record) => {
    const path = write(record, { ...record, extra: 1 });
    expect(await readAll(path)).toEqual([1, 2].map((line) => ({ format, record, file: path, line })));
  });

  it.each([
    [
      { messages: [turn('user')] },
      'messages: must hold an assistant message, or there is nothing to learn from',
    ],
    [{ messages: [] }, 'messages: must hold at least one message'],
    [{ messages: [turn('user'), turn('robot')] }, 'messages.1.role: '],
    [{ messages: [turn('user', 5), turn('assistant')] }, 'messages.0.content: '],
    [{ prompt: 'a', completion: '' }, 'completion: must not be empty'],
    [{ prompt: [turn('wizard')], completion: 'x' }, 'prompt.0.role: '],
    [{ chosen: 'a', rejected: 'a' }, 'rejected: chosen and rejected are the same'],
    [{ prompt: 'p', completions: ['a', 'b'], ranks: [1] }, 'ranks: must have one rank'],
    [{ prompt: 'p', completions: ['a'], ranks: [1] }, 'completions: needs at least two completions'],
    [{ question: 'q' }, "is of no known format (its keys: question); give 'format'"],
  ])('refuses %j with file, line and field', async (record, message) => {
    const path = write({ __proto__: null, ...sampleOf(record) }, record);
    const error: unknown = await readAll(path, 'question' in record ? {} : {}).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(RecordError);
    expect((error as RecordError).message).toContain(message);
    expect((error as RecordError).path).toBe(path);
    expect((error as RecordError).line).toBe('question' in record ? 1 : 2);
  });

  /** A valid record of the same format, so that the bad one is on line 2. */
  function sampleOf(record: object): object {
    if ('messages' in record) return { messages: [turn('user'), turn('assistant')] };
    if ('chosen' in record) return { chosen: 'a', rejected: 'b' };
    if ('ranks' in record) return { prompt: 'p', completions: ['a', 'b'], ranks: [1, 2] };
    if ('completion' in record) return { prompt: 'a', completion: 'b' };
    return record;
  }

  it('reports mixed schemas and broken JSON, and goes on when asked to', async () => {
    const path = write({ prompt: 'a', completion: 'b' }, { messages: [] }, '{"prompt": "cut', {
      prompt: 'c',
      completion: 'd',
    });
    const errors: RecordError[] = [];
    const records = await readAll(path, { onInvalid: (error: RecordError) => errors.push(error) });
    expect(records.map(({ line }) => line)).toEqual([1, 4]);
    expect(errors.map(({ line }) => line)).toEqual([2, 3]);
    expect(errors[1]!.message).toMatch(/is not valid JSON: \{"prompt": "cut/);
  });

  it('splits HH transcripts at the last shared assistant turn', () => {
    const shared = '\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Why?\n\nAssistant:';
    expect(splitPreference(`${shared} Because A.`, `${shared} Because B.`)).toEqual({
      prompt: shared,
      chosen: ' Because A.',
      rejected: ' Because B.',
    });
    expect(splitPreference('a', 'b')).toBeNull();
  });
});
