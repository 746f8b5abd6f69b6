import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import type { GrammarState } from './grammar.js';
import { compileSchema, type JsonSchema } from './json-schema.js';

/** Which tokens may follow. */
export interface TokenConstraint {
  /** Removes tokens that no accepted text could contain next. */
  apply(scores: Float32Array, eosTokenIds: readonly number[]): void;
  accept(tokenId: number): void;
  /** Nothing may follow. */
  readonly finished: boolean;
}

/**
 * Holds generation to texts that a schema accepts.
 *
 * @returns a function that makes the constraint of one sample
 * @throws {UnsupportedSchemaError} before anything is generated
 */
export function jsonConstraint(schema: JsonSchema, model: GPT): () => TokenConstraint {
  const { tokenizer } = model;
  if (!tokenizer) {
    throw new InvalidArgumentError('jsonSchema', schema, 'constrained text needs a model with a tokenizer');
  }
  const start = compileSchema(schema);
  const tokens = tokenBytes(tokenizer);
  const root = trieOf(tokens);
  const allowed = new Map<GrammarState, Uint8Array>();

  const maskOf = (state: GrammarState): Uint8Array => {
    let mask = allowed.get(state);
    if (!mask) {
      mask = new Uint8Array(tokenizer.vocabSize);
      mark(root, state, mask);
      allowed.set(state, mask);
    }
    return mask;
  };

  return () => {
    let state = start;
    return {
      get finished() {
        return state.final;
      },
      apply(scores, eosTokenIds) {
        const mask = maskOf(state);
        const ends = state.accepting;
        for (let id = 0; id < scores.length; id++) {
          if (mask[id] !== 1 && !(ends && eosTokenIds.includes(id))) scores[id] = Number.NEGATIVE_INFINITY;
        }
      },
      accept(tokenId) {
        for (const byte of tokens[tokenId]!) state = state.next(byte)!;
      },
    };
  };
}

interface Node {
  readonly children: Map<number, Node>;
  readonly tokenIds: number[];
}

/** Tokens by their bytes: those with a common beginning are tried together. */
function trieOf(tokens: readonly Uint8Array[]): Node {
  const root: Node = { children: new Map(), tokenIds: [] };
  tokens.forEach((bytes, id) => {
    if (bytes.length === 0) return;
    let node = root;
    for (const byte of bytes) {
      let child = node.children.get(byte);
      if (!child) {
        child = { children: new Map(), tokenIds: [] };
        node.children.set(byte, child);
      }
      node = child;
    }
    node.tokenIds.push(id);
  });
  return root;
}

function mark(node: Node, state: GrammarState, mask: Uint8Array): void {
  for (const [byte, child] of node.children) {
    const next = state.next(byte);
    if (next === null) continue;
    for (const id of child.tokenIds) mask[id] = 1;
    mark(child, next, mask);
  }
}

const cache = new WeakMap<Tokenizer, Uint8Array[]>();

/** The bytes of every token; special tokens and holes in the numbering have none. */
function tokenBytes(tokenizer: Tokenizer): Uint8Array[] {
  let tokens = cache.get(tokenizer);
  if (!tokens) {
    const encoder = new TextEncoder();
    tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => {
      if (id === tokenizer.eosTokenId) return new Uint8Array();
      try {
        return tokenizer.decodeBytes ? tokenizer.decodeBytes([id]) : encoder.encode(tokenizer.decode([id]));
      } catch {
        return new Uint8Array();
      }
    });
    cache.set(tokenizer, tokens);
  }
  return tokens;
}
