import type { Tokenizer } from '../../src/index.js';

/** 256 bytes and an end-of-text token: enough to follow every token by hand. */
export const endOfText = 256;
export const byteTokenizer: Tokenizer = {
  vocabSize: 257,
  fingerprint: 'bytes-256',
  encode: (text) => [...Buffer.from(text, 'utf8')],
  decode: (tokenIds) => Buffer.from(tokenIds.filter((id) => id < 256)).toString('utf8'),
};
