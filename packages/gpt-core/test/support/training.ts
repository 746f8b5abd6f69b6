import type * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch, TokenSource } from '../../src/data/token-batch.js';
import { CharacterTokenizer } from '../../src/tokenization/character-tokenizer.js';
import type { TrainingEvent } from '../../src/training/events.js';

/** Every event of a run. */
export async function collect(events: AsyncIterable<TrainingEvent>): Promise<TrainingEvent[]> {
  const all: TrainingEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Step, loss and gradient norm of every step, and every validation loss: what must not depend on a resume. */
export function curve(events: readonly TrainingEvent[]): (readonly number[])[] {
  return events.flatMap((event) => {
    if (event.type === 'step') return [[event.step, event.loss, event.gradientNorm, event.learningRate]];
    if (event.type === 'validation') return [[event.step, event.loss]];
    return [];
  });
}

/** The same batch again and again. */
export function fixedSource(batch: TokenBatch): TokenSource {
  return {
    name: 'fixed',
    contextLength: batch.length,
    next: () => batch,
    position: null,
    seek: () => undefined,
    epochs: () => [],
  };
}

/** A few hundred characters with some structure, enough for tiny models. */
export const verse = Array.from(
  { length: 24 },
  (_, i) => `Line ${i}: the ${['cat', 'dog', 'owl'][i % 3]} sat on the ${['mat', 'log'][i % 2]}, and sang.\n`,
).join('');

export const verseTokenizer = CharacterTokenizer.train(verse);

export const tinyConfig = {
  vocabSize: verseTokenizer.vocabSize,
  contextLength: 16,
  nLayer: 2,
  nHead: 2,
  nEmbd: 16,
};

/** Copies of all variables. */
export async function weightsOf(model: {
  variables: ReadonlyMap<string, tf.Variable>;
}): Promise<Map<string, Float32Array>> {
  const copies = new Map<string, Float32Array>();
  for (const [name, variable] of model.variables)
    copies.set(name, Float32Array.from((await variable.data()) as Float32Array));
  return copies;
}
