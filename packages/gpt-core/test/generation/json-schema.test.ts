import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileSchema } from '../../src/generation/json-schema.js';
import { ByteTokenizer, GPT, type JsonSchema } from '../../src/index.js';

function accepts(schema: JsonSchema, text: string): boolean {
  let state: ReturnType<typeof compileSchema> | null = compileSchema(schema);
  for (const byte of new TextEncoder().encode(text)) {
    state = state.next(byte);
    if (state === null) return false;
  }
  return state.accepting;
}

describe('compileSchema', () => {
  it('accepts any JSON with true', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        if (/\\ud[89a-f]/.test(text)) return; // JSON.stringify escapes lone surrogates
        expect(accepts(true, text)).toBe(true);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('refuses what JSON.parse refuses', () => {
    for (const text of [
      '01',
      '1.',
      '.5',
      '+1',
      '"\u0001"',
      '"\\x"',
      '[1,]',
      '{"a":1,}',
      "'a'",
      'tru',
      '',
      '{"a"}',
      '"\\ud800"',
    ]) {
      expect(accepts(true, text), text).toBe(false);
    }
    // Overlong and cut UTF-8
    let state = compileSchema({ type: 'string' }).next(0x22)!;
    expect(state.next(0xc0)).toBeNull();
    expect(state.next(0x80)).toBeNull();
    state = state.next(0xe0)!;
    expect(state.next(0x80)).toBeNull();
    expect(state.next(0x22)).toBeNull();
  });

  const person: JsonSchema = {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 3 },
      age: { type: 'integer' },
      tags: { type: 'array', items: { enum: ['a', 'b'] }, maxItems: 2 },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  };
  it.each<[JsonSchema, string, boolean]>([
    [person, '{"name":"Ann","age":3}', true],
    [person, '{"age": -12, "name": "é😀a"}', true],
    [person, '{"name":"Ann"}', false],
    [person, '{"name":"","age":3}', false],
    [person, '{"name":"Anna","age":3}', false],
    [person, '{"name":"Ann","age":3.5}', false],
    [person, '{"name":"Ann","age":3,"x":1}', false],
    [person, '{"name":"Ann","name":"Ann","age":3}', false],
    [person, '{"name":"Ann","age":3,"tags":["a","b"]}', true],
    [person, '{"name":"Ann","age":3,"tags":["a","b","a"]}', false],
    [person, '{"name":"Ann","age":3,"tags":["c"]}', false],
    [{ properties: { id: { type: 'integer' } } }, '{"id":1,"idx":"s","i":null}', true],
    [{ properties: { id: { type: 'integer' } } }, '{"id":"s"}', false],
    [{ additionalProperties: { type: 'boolean' } }, '{"a":true,"b":false}', true],
    [{ additionalProperties: { type: 'boolean' } }, '{"a":1}', false],
    [{ anyOf: [{ type: 'null' }, { type: 'number' }] }, '1e5', true],
    [{ type: ['string', 'null'] }, 'null', true],
    [{ const: { a: [1, 'x'] } }, '{"a":[1,"x"]}', true],
    [{ type: 'array', minItems: 2, items: { type: 'boolean' } }, '[true, false,true]', true],
    [{ type: 'array', minItems: 2, items: { type: 'boolean' } }, '[true]', false],
    [
      {
        $defs: {
          tree: {
            type: 'object',
            properties: { left: { $ref: '#/$defs/tree' } },
            additionalProperties: false,
          },
        },
        $ref: '#/$defs/tree',
      },
      '{"left":{"left":{}}}',
      true,
    ],
  ])('%j: %s', (schema, text, expected) => {
    expect(accepts(schema, text)).toBe(expected);
  });

  it.each<[JsonSchema, RegExp]>([
    [{ type: 'number', minimum: 3 }, /at \/: the keyword "minimum" is not supported/],
    [{ properties: { a: { pattern: 'x' } } }, /at \/properties\/a: the keyword "pattern"/],
    [{ oneOf: [true] }, /anyOf is/],
    [{ $ref: '#/$defs/none' }, /does not exist/],
    [{ $ref: 'http://x' }, /not a place in this schema/],
    [{ $defs: { a: { format: 'date' } }, properties: { x: { $ref: '#/$defs/a' } } }, /"format"/],
    [{ type: 'float' }, /"float" is not one of/],
    [false, /accepts no value/],
    [{ required: ['a'], additionalProperties: false }, /"a" is not a property/],
    [{ minLength: -1 }, /-1 is not a whole number/],
  ])('refuses %j before generation', (schema, message) => {
    expect(() => compileSchema(schema)).toThrow(message);
  });
});

describe('generation', () => {
  let model: GPT;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    model = GPT.create(
      { vocabSize: 257, contextLength: 128, nLayer: 1, nHead: 2, nEmbd: 16 },
      { tokenizer: new ByteTokenizer(), seed: 1 },
    );
  });
  afterAll(() => model.dispose());

  it('gives JSON that the schema accepts, whatever the model says', async () => {
    const jsonSchema: JsonSchema = {
      type: 'object',
      properties: {
        kind: { enum: ['cat', 'dog'] },
        size: { type: 'integer' },
        names: { type: 'array', items: { type: 'string', maxLength: 4 }, minItems: 1, maxItems: 2 },
      },
      required: ['kind', 'size', 'names'],
      additionalProperties: false,
    };
    for (let seed = 0; seed < 5; seed++) {
      const result = await model.generate('x', { jsonSchema, seed, maxTokens: 120 });
      expect(result.finishReason).toBe('stop');
      const value = JSON.parse(result.text) as { kind: string; size: number; names: string[] };
      expect(Object.keys(value).sort()).toEqual(['kind', 'names', 'size']);
      expect(['cat', 'dog']).toContain(value.kind);
      expect(Number.isInteger(value.size)).toBe(true);
      for (const name of value.names) expect([...name].length).toBeLessThanOrEqual(4);
    }
  });

  it('may end an open value only with the end token', async () => {
    const result = await model.generate('x', { jsonSchema: { type: 'integer' }, logitBias: { 256: 100 } });
    expect(result.finishReason).toBe('eos');
    expect(result.text).toMatch(/^-?\d+$/);
  });
});
