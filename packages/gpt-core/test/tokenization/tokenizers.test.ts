import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenTextDecoder } from '../../src/generation/text-stream.js';
import {
  ByteTokenizer,
  CharacterTokenizer,
  tokenizerFromJSON,
  tokenizerFromVocabulary,
  WordTokenizer,
} from '../../src/index.js';

const roundTrip = (json: unknown) => JSON.parse(JSON.stringify(json)) as unknown;

describe('CharacterTokenizer', () => {
  it('sorts characters by code point and keeps digits in place when stored', () => {
    const tokenizer = CharacterTokenizer.train('b1a0😀é');
    expect(tokenizer.characters).toEqual(['0', '1', 'a', 'b', 'é', '😀']);
    const again = tokenizerFromJSON(roundTrip(tokenizer.toTokenizerJSON()));
    expect(again.fingerprint).toBe(tokenizer.fingerprint);
    expect(again.encode('a0😀')).toEqual([2, 0, 5]);
    expect(CharacterTokenizer.train('ab').fingerprint).not.toBe(CharacterTokenizer.train('ac').fingerprint);
  });

  it('decodes what it encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        const tokenizer = CharacterTokenizer.train(text);
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { seed: 1 },
    );
  });

  it('names what it does not know', () => {
    const tokenizer = CharacterTokenizer.train('abc');
    expect(() => tokenizer.encode('ab\n')).toThrow(/no character "\\n" \(U\+000A, at index 2\)/);
    expect(() => tokenizer.decode([3])).toThrow(/Token id 3/);
    expect(() => CharacterTokenizer.train('')).toThrow(/empty text/);
    expect(() => new CharacterTokenizer(['a', 'a'])).toThrow(/once/);
    expect(() => new CharacterTokenizer(['ab'])).toThrow(/"ab"/);
  });
});

describe('ByteTokenizer', () => {
  it('encodes any text, and is a BPE without merges for others', () => {
    const tokenizer = new ByteTokenizer();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { seed: 2 },
    );
    expect(tokenizer.decode([0xc3])).toBe('\ufffd');
    expect(tokenizer.decode([97, 256])).toBe('a');
    expect(() => tokenizer.decode([257])).toThrow(/Token id 257/);
    expect(tokenizerFromJSON(roundTrip(tokenizer.toTokenizerJSON()))).toBeInstanceOf(ByteTokenizer);
  });
});

describe('byte-level BPE', () => {
  it('comes from vocab.json and merges.txt as well', () => {
    const json = new ByteTokenizer().toTokenizerJSON() as { model: { vocab: Record<string, number> } };
    const vocab = { ...json.model.vocab, th: 257, the: 258 };
    const tokenizer = tokenizerFromVocabulary(vocab, '#version: 0.2\nt h\nth e\n');
    expect(tokenizer).toMatchObject({ vocabSize: 259, eosTokenId: 256 });
    expect(tokenizer.encode('the<|endoftext|>')).toHaveLength(14);
    expect(tokenizer.encode('the<|endoftext|>', { allowedSpecial: 'all' })).toEqual([258, 256]);
    expect(tokenizer.decode([258])).toBe('the');
    expect(tokenizerFromJSON(roundTrip(tokenizer.toTokenizerJSON())).fingerprint).toBe(tokenizer.fingerprint);
  });
});

describe("GPT-1's BPE", () => {
  it('is stored and found again, from tokenizer.json and from vocab.json', async () => {
    const bpe = await BPETokenizer.train(['low lower lowest new newer newest the the the'], {
      vocabSize: 40,
    });
    const tokenizer = new WordTokenizer(bpe);
    const again = tokenizerFromJSON(roundTrip(tokenizer.toTokenizerJSON()));
    expect(again).toBeInstanceOf(WordTokenizer);
    expect(again.fingerprint).toBe(tokenizer.fingerprint);
    const ids = tokenizer.encode('The lowest newer');
    expect(again.encode('The lowest newer')).toEqual(ids);
    expect(again.decode(ids)).toBe('the lowest newer');
    const old = tokenizerFromVocabulary(bpe.vocab, bpe.merges.join('\n'));
    expect(old.encode('The lowest newer')).toEqual(ids);
    // Streams show a word as soon as its last part is there.
    const decoder = new TokenTextDecoder(tokenizer);
    expect(ids.map((id) => decoder.push(id)).join('') + decoder.flush()).toBe('the lowest newer');
  });
});
