import { CharacterTokenizer, GPT } from '@gpt-lineage/gpt-core';

/** A character-level GPT that trains in a blink; `.` ends a text. */
export function tinyModel({
  alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789+=?: \n.',
  seed = 1,
  contextLength = 32,
} = {}): GPT {
  const tokenizer = CharacterTokenizer.train(alphabet);
  return GPT.create(
    {
      vocabSize: tokenizer.vocabSize,
      contextLength,
      nLayer: 2,
      nHead: 2,
      nEmbd: 32,
      embeddingDropout: 0,
      attentionDropout: 0,
      residualDropout: 0,
      eosTokenId: tokenizer.encode('.')[0]!,
    } as never,
    { seed, tokenizer },
  );
}

/** All events of a run. */
export async function collect<Event>(events: AsyncIterable<Event>): Promise<Event[]> {
  const list: Event[] = [];
  for await (const event of events) list.push(event);
  return list;
}

export const losses = (events: readonly unknown[]): number[] =>
  (events as { type: string; loss: number }[])
    .filter((event) => event.type === 'step')
    .map((event) => event.loss);
