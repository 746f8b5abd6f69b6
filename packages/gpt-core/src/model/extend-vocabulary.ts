import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import { GPT } from './gpt.js';

/** Parameters with one row per token. */
const TOKEN_TABLES = new Set(['transformer.wte.weight', 'lm_head.weight']);

/**
 * A copy of a model that knows the tokens which a tokenizer has beyond the model's own. Each new row starts as the mean
 * of the rows that the same text had before: a run of spaces as a space, a name as its parts.
 *
 * @param tokenizer the model's tokenizer with more tokens behind its last one, e.g. from `withSpaceRuns`
 * @returns a new model, the caller's; the old one stays the caller's, too
 * @throws {InvalidArgumentError} when the model has no tokenizer, or `tokenizer` is no extension of it
 */
export function extendVocabulary(model: GPT, tokenizer: Tokenizer): GPT {
  const old = model.tokenizer;
  if (!old) throw new InvalidArgumentError('model', 'no tokenizer', 'load the model with its tokenizer');
  requireExtension(old, tokenizer);
  const count = tokenizer.vocabSize - old.vocabSize;
  const pieces = Array.from({ length: count }, (_, i) => {
    const text = tokenizer.decode([old.vocabSize + i]);
    const tokenIds = old.encode(text);
    if (tokenIds.length > 0) return tokenIds;
    throw new InvalidArgumentError('tokenizer', text, 'the model’s tokenizer has nothing for this token');
  });
  // Some models have more rows than tokens, for alignment.
  const vocabSize = Math.max(model.config.vocabSize, tokenizer.vocabSize);
  const extended = GPT.create({ ...model.config, vocabSize }, { tokenizer });
  for (const [name, variable] of extended.variables) {
    const before = model.variables.get(name)! as tf.Tensor;
    tf.tidy(() =>
      variable.assign(TOKEN_TABLES.has(name) ? withRows(before, pieces, old, vocabSize) : tf.clone(before)),
    );
  }
  return extended;
}

/** `[vocabSize, nEmbd]`: the rows of the old tokens, those of the new ones, and what was behind them. */
function withRows(
  table: tf.Tensor,
  pieces: readonly (readonly number[])[],
  { vocabSize: first }: Tokenizer,
  vocabSize: number,
): tf.Tensor {
  if (pieces.length === 0) return tf.clone(table);
  const means = pieces.map((tokenIds) => tf.mean(tf.gather(table, tf.tensor1d([...tokenIds], 'int32')), 0));
  const end = first + pieces.length;
  const rows = [tf.slice(table, [0, 0], [first, -1]), tf.stack(means)];
  if (vocabSize > end) rows.push(tf.slice(table, [end, 0], [vocabSize - end, -1]));
  return tf.concat(rows, 0);
}

function requireExtension(old: Tokenizer, extended: Tokenizer): void {
  const bytes = (tokenizer: Tokenizer, id: number) =>
    tokenizer.decodeBytes ? tokenizer.decodeBytes([id]).join() : tokenizer.decode([id]);
  for (let id = 0; id < old.vocabSize; id++)
    if (id >= extended.vocabSize || bytes(old, id) !== bytes(extended, id))
      throw new InvalidArgumentError(
        'tokenizer',
        extended.fingerprint,
        `its token ${id} is not the model’s token ${id}; new tokens must come after all old ones`,
      );
}
