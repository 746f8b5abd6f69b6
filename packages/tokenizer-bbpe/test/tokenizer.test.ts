import { beforeAll, describe, expect, test } from 'vitest';
import { r50k_base } from '../src/encodings/r50k_base.js';
import { ByteLevelBPETokenizer, patterns, SpecialTokenError, type TokenizerJSON } from '../src/index.js';
import { fixtureLines, fixtureText } from './fixtures.js';

const tokenizer = r50k_base();

describe('special tokens', () => {
  const text = 'a<|endoftext|>b';

  test('are plain text unless allowed', () => {
    expect(tokenizer.encode(text)).toEqual([64, 27, 91, 437, 1659, 5239, 91, 29, 65]);
    expect(tokenizer.encode(text, { allowedSpecial: 'all' })).toEqual([64, 50256, 65]);
    expect(tokenizer.encode(text, { allowedSpecial: new Set(['<|endoftext|>']) })).toEqual([64, 50256, 65]);
    expect(tokenizer.encode(text, { allowedSpecial: new Set() })).toEqual(tokenizer.encodeOrdinary(text));
  });

  test('are refused on request', () => {
    expect(() => tokenizer.encode(text, { disallowedSpecial: 'all' })).toThrow(SpecialTokenError);
    expect(() => tokenizer.count(text, { disallowedSpecial: ['<|endoftext|>'] })).toThrow(
      /"<\|endoftext\|>"/,
    );
    expect(tokenizer.encode(text, { disallowedSpecial: 'all', allowedSpecial: 'all' })).toEqual([
      64, 50256, 65,
    ]);
    expect(() => tokenizer.encode(text, { allowedSpecial: new Set(['<|nothing|>']) })).toThrow(
      /not a special token/,
    );
  });

  test('of several at one place the longest is meant', () => {
    const longer = ByteLevelBPETokenizer.fromTiktoken(ranksOf(tokenizer), {
      pattern: patterns.gpt2,
      specialTokens: { '<a>': 60000, '<a>b': 60001, '(': 60002 },
    });
    expect(longer.encode('<a>b<a>(', { allowedSpecial: 'all' })).toEqual([60001, 60000, 60002]);
    expect(longer.decode([60001, 60002])).toBe('<a>b(');
  });
});

describe('limits, offsets, batches', () => {
  test('isWithinLimit', () => {
    expect(tokenizer.isWithinLimit('Hello, world!', 4)).toBe(true);
    expect(tokenizer.isWithinLimit('Hello, world!', 3)).toBe(false);
    expect(tokenizer.isWithinLimit('', 0)).toBe(true);
    expect(tokenizer.isWithinLimit('word '.repeat(2_000_000), 100)).toBe(false);
    expect(() => tokenizer.isWithinLimit('a', Number.NaN)).toThrow(/limit/);
  });

  test('offsets cover the text, in bytes and in UTF-16 units', () => {
    for (const { text } of fixtureLines<{ text: string }>('r50k_base')) {
      const offsets = tokenizer.encodeWithOffsets(text);
      expect(offsets.map((offset) => offset.id)).toEqual(tokenizer.encode(text));
      let byte = 0;
      for (const { byteStart, byteEnd, start, end } of offsets) {
        expect(byteStart).toBe(byte);
        expect(byteEnd).toBeGreaterThan(byteStart);
        expect(end).toBeGreaterThan(start);
        byte = byteEnd;
      }
      expect(byte).toBe(new TextEncoder().encode(text).length);
      if (offsets.length > 0) expect(offsets[offsets.length - 1]!.end).toBe(text.length);
    }
    expect(tokenizer.encodeWithOffsets('aé😀b')).toEqual([
      { id: 64, start: 0, end: 1, byteStart: 0, byteEnd: 1 },
      { id: 2634, start: 1, end: 2, byteStart: 1, byteEnd: 3 },
      { id: 47249, start: 2, end: 4, byteStart: 3, byteEnd: 6 },
      { id: 222, start: 2, end: 4, byteStart: 6, byteEnd: 7 },
      { id: 65, start: 4, end: 5, byteStart: 7, byteEnd: 8 },
    ]);
  });

  test('encodeBatch', () => {
    expect(tokenizer.encodeBatch(['a b', '', 'c'])).toEqual([[64, 275], [], [66]]);
    const { tokenIds, ends } = tokenizer.encodeBatchToUint32(['a b', '', 'c']);
    expect([[...tokenIds], [...ends]]).toEqual([
      [64, 275, 66],
      [2, 2, 3],
    ]);
  });

  test('a text is the same in one piece and beyond the window', () => {
    const text = fixtureText('bpe-train/train.txt');
    const whole = tokenizer.encode(text);
    const lines = text.split(/(?<=[a-z])(?=\n)/).flatMap((line) => tokenizer.encode(line));
    expect(whole).toEqual(lines);
    expect(tokenizer.count(text)).toBe(whole.length);
  });

  test('the cache changes nothing', () => {
    const text = fixtureText('bpe-train/train.txt').slice(0, 20_000);
    const uncached = new ByteLevelBPETokenizer(tokenizer.definition, 0);
    const tiny = new ByteLevelBPETokenizer(tokenizer.definition, 3);
    expect(uncached.encode(text)).toEqual(tokenizer.encode(text));
    expect(tiny.encode(text)).toEqual(tokenizer.encode(text));
    tokenizer.clearCache();
    expect(uncached.encode(text)).toEqual(tokenizer.encode(text));
  });

  test('text that is no string is refused', () => {
    expect(() => tokenizer.encode(undefined as unknown as string)).toThrow(/text: expected a string/);
  });
});

describe('decodeStream', () => {
  test('holds an incomplete character back and never throws over one', () => {
    const ids = tokenizer.encode('😀');
    expect(ids.length).toBeGreaterThan(1);
    const stream = tokenizer.decodeStream();
    expect(stream.write(ids[0]!)).toBe('');
    expect(stream.write(ids.slice(1))).toBe('😀');
    expect(stream.end()).toBe('');
    stream.write(ids[0]!);
    expect(stream.end()).toBe('\ufffd');
    expect(() => stream.write(99999999)).toThrow(/unknown token id/);
  });
});

describe('fromTiktoken', () => {
  test('rebuilds the merges: the same tokenizer from its own ranks', () => {
    const again = ByteLevelBPETokenizer.fromTiktoken(ranksOf(tokenizer), {
      pattern: "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s",
      specialTokens: { '<|endoftext|>': 50256 },
    });
    expect(again.fingerprint).toBe(tokenizer.fingerprint);
    expect(again.encode('Hello  world')).toEqual(tokenizer.encode('Hello  world'));
  });

  test('a token that merges do not reach is found as a whole piece', () => {
    const ranks = new Map(bytePairs());
    ranks.set(bytes('xyz'), 256);
    ranks.set(bytes('bc'), 258);
    ranks.set(bytes('abc'), 257);
    const own = ByteLevelBPETokenizer.fromTiktoken(ranks, { pattern: patterns.gpt2 });
    const id = (char: string) => char.charCodeAt(0);
    expect(own.encode('xyz')).toEqual([256]);
    expect(own.encode('xyza')).toEqual([id('x'), id('y'), id('z'), id('a')]);
    expect(own.encode('abcabc')).toEqual([257, 257]);
    expect(own.decode([256, 257])).toBe('xyzabc');
  });

  const small = (change: (pairs: [Uint8Array, number][]) => unknown) => () => {
    const pairs = bytePairs();
    change(pairs);
    return ByteLevelBPETokenizer.fromTiktoken(pairs, { pattern: patterns.gpt2 });
  };

  test.each([
    ['two tokens of one rank', small((pairs) => pairs.push([bytes('ab'), 5]))],
    ['a token twice', small((pairs) => pairs.push([bytes('a'), 300]))],
    ['a missing byte', small((pairs) => pairs.pop())],
    ['a negative rank', small((pairs) => pairs.push([bytes('ab'), -1]))],
    ['a fraction', small((pairs) => pairs.push([bytes('ab'), 256.5]))],
    ['a huge rank', small((pairs) => pairs.push([bytes('ab'), 2 ** 31]))],
    ['an empty token', small((pairs) => pairs.push([new Uint8Array(0), 256]))],
    ['an endless token', small((pairs) => pairs.push([new Uint8Array(5000), 256]))],
    ['a cut line', () => ByteLevelBPETokenizer.fromTiktoken('IQ== 0\nIg=', { pattern: patterns.gpt2 })],
    ['no base64', () => ByteLevelBPETokenizer.fromTiktoken({ '%%%': 1 }, { pattern: patterns.gpt2 })],
    [
      'nothing',
      () => ByteLevelBPETokenizer.fromTiktoken(undefined as unknown as string, { pattern: patterns.gpt2 }),
    ],
  ])('%s is refused', (_, make) => {
    expect(make).toThrow(/^ranks: /);
  });

  test('a special token on the id of another is refused, a gap is not', () => {
    const pairs = bytePairs();
    pairs.push([bytes('ab'), 400]);
    const make = (id: number) =>
      ByteLevelBPETokenizer.fromTiktoken(pairs, { pattern: patterns.gpt2, specialTokens: { '<x>': id } });
    expect(() => make(400)).toThrow(/specialTokens/);
    expect(make(300).encode('ab<x>', { allowedSpecial: 'all' })).toEqual([400, 300]);
    expect(() => make(300).decode([350])).toThrow(/unknown token id 350/);
  });

  test('other patterns run as regular expressions', () => {
    const own = ByteLevelBPETokenizer.fromTiktoken(ranksOf(tokenizer), { pattern: '(?i:abc)|\\p{L}++|\\s+' });
    for (const text of ['ABCdef  12!\n', '', '你好 abc', ' \u0085x'])
      expect(own.decode(own.encode(text))).toBe(text);
    expect(own.encode('ABCdef')).toEqual([...tokenizer.encode('ABC'), ...tokenizer.encode('def')]);
    expect(() => ByteLevelBPETokenizer.fromTiktoken(ranksOf(tokenizer), { pattern: '(((' })).toThrow(
      /pattern/,
    );
  });
});

describe('tokenizer.json', () => {
  let json: TokenizerJSON;
  beforeAll(() => {
    json = tokenizer.toTokenizerJSON();
  });

  test('is read as it is written', () => {
    const again = ByteLevelBPETokenizer.fromTokenizerJSON(JSON.stringify(json));
    expect(again.fingerprint).toBe(tokenizer.fingerprint);
    for (const { text, ids } of fixtureLines<{ text: string; ids: number[] }>('r50k_base')) {
      expect(again.encode(text)).toEqual(ids);
    }
    expect(json.model.merges.slice(0, 3)).toEqual(['Ġ t', 'Ġ a', 'h e']);
    expect(json.added_tokens).toMatchObject([{ id: 50256, content: '<|endoftext|>', special: true }]);
  });

  test('merges may be pairs, tokens may always be recognised, normalizers are applied', () => {
    const small = smallJSON();
    const model = { ...small.model, merges: small.model.merges.map((merge) => merge.split(' ')) };
    const added_tokens = [{ id: 300, content: '[x]', special: false }];
    const normalizer = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] };
    const own = ByteLevelBPETokenizer.fromTokenizerJSON({ ...small, model, added_tokens, normalizer });
    expect(own.encode('AB[x]ab')).toEqual([256, 300, 256]);
    expect(() => own.encodeWithOffsets('a')).toThrow(/rewrites/);
  });

  const broken = (change: (json: ReturnType<typeof smallJSON>) => object | string) => () =>
    ByteLevelBPETokenizer.fromTokenizerJSON(change(smallJSON()));

  test.each([
    ['cut', broken((j) => JSON.stringify(j).slice(0, -9))],
    ['a list', broken(() => '[]')],
    ['no model', broken((j) => ({ ...j, model: null }))],
    ['no vocab', broken((j) => ({ ...j, model: { ...j.model, vocab: [] } }))],
    ['a merge into nothing', broken((j) => ({ ...j, model: { ...j.model, merges: ['a b', 'ab ab'] } }))],
    ['a merge of nothing', broken((j) => ({ ...j, model: { ...j.model, merges: ['a bcd'] } }))],
    ['a merge of three', broken((j) => ({ ...j, model: { ...j.model, merges: ['a b c'] } }))],
    ['a merge twice', broken((j) => ({ ...j, model: { ...j.model, merges: ['a b', 'a b'] } }))],
    ['ids twice', broken((j) => ({ ...j, model: { ...j.model, vocab: { ...j.model.vocab, zz: 5 } } }))],
    ['no id', broken((j) => ({ ...j, model: { ...j.model, vocab: { ...j.model.vocab, zz: '5' } } }))],
    [
      'no byte characters',
      broken((j) => ({ ...j, model: { ...j.model, vocab: { ...j.model.vocab, 你: 999 } } })),
    ],
    [
      'an added token on a token',
      broken((j) => ({ ...j, added_tokens: [{ id: 3, content: 'x y', special: true }] })),
    ],
    ['another model', broken((j) => ({ ...j, model: { ...j.model, type: 'Unigram' } }))],
    ['another pre-tokenizer', broken((j) => ({ ...j, pre_tokenizer: { type: 'Metaspace' } }))],
    ['another normalizer', broken((j) => ({ ...j, normalizer: { type: 'Precompiled' } }))],
  ])('%s is refused', (_, make) => {
    let error: unknown;
    try {
      make();
    } catch (caught) {
      error = caught;
    }
    expect((error as { code?: string })?.code).toMatch(/^tokenizer\/(invalid-vocabulary|unsupported)$/);
  });

  test('merges that do not reach a token are followed to the letter', () => {
    const small = smallJSON();
    // a+b first, then b+c, then a+bc: "abc" is [ab, c], though there is a token abc.
    Object.assign(small.model.vocab, { bc: 257, abc: 258 });
    small.model.merges.push('b c', 'a bc');
    const own = ByteLevelBPETokenizer.fromTokenizerJSON(small);
    expect(own.encode('abc')).toEqual([256, small.model.vocab.c]);
    const ignoring = ByteLevelBPETokenizer.fromTokenizerJSON({
      ...small,
      model: { ...small.model, ignore_merges: true },
    });
    expect(ignoring.encode('abc')).toEqual([258]);
    expect(ignoring.fingerprint).not.toBe(own.fingerprint);
  });
});

let full: TokenizerJSON | undefined;

function smallJSON() {
  const vocab: Record<string, number> = {};
  full ??= tokenizer.toTokenizerJSON();
  for (const [token, id] of Object.entries(full.model.vocab)) if (id < 256) vocab[token] = id;
  vocab.ab = 256;
  return {
    ...full,
    added_tokens: [] as object[],
    model: { ...full.model, ignore_merges: false, vocab, merges: ['a b'] },
  };
}

function ranksOf(source: ByteLevelBPETokenizer): string {
  const lines: string[] = [];
  const special = new Set(source.specialTokens.values());
  for (let id = 0; id < source.vocabSize; id++) {
    if (!special.has(id)) lines.push(`${Buffer.from(source.tokenBytes(id)).toString('base64')} ${id}`);
  }
  return lines.join('\n');
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function bytePairs(): [Uint8Array, number][] {
  return Array.from({ length: 256 }, (_, byte) => [Uint8Array.of(byte), byte]);
}
