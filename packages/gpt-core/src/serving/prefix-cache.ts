/** What a slot holds, as far as choosing one goes. */
export interface SlotContent {
  readonly slot: number;
  /** Tokens whose keys and values are there */
  readonly tokenIds: readonly number[];
  readonly busy: boolean;
  /** Larger: used more recently */
  readonly usedAt: number;
}

export interface SlotChoice {
  readonly slot: number;
  /** Copy the common beginning from this slot first; the chosen slot itself: it is there already. */
  readonly source: number;
  /** Length of the common beginning */
  readonly shared: number;
}

/** Copying less is not worth it. */
const leastCopied = 8;

/**
 * A free slot for a prompt, and where its beginning may be had from: any slot that holds the same first tokens, busy or
 * not. A slot that holds much more than what is shared keeps it, and a copy goes to the slot unused for longest.
 *
 * @returns `undefined` when every slot is busy
 */
export function chooseSlot(prompt: readonly number[], slots: readonly SlotContent[]): SlotChoice | undefined {
  const free = slots.filter(({ busy }) => !busy);
  const oldest = free.reduce<SlotContent | undefined>(
    (best, slot) => (best === undefined || slot.usedAt < best.usedAt ? slot : best),
    undefined,
  );
  if (!oldest) return undefined;
  let best: { content: SlotContent; shared: number } | undefined;
  for (const content of slots) {
    // The last token is read again in any case: what follows it is what the caller asks for.
    const shared = commonPrefix(content.tokenIds, prompt, prompt.length - 1);
    const better =
      !best || shared > best.shared || (shared === best.shared && best.content.busy && !content.busy);
    if (shared > 0 && better) best = { content, shared };
  }
  if (!best) return { slot: oldest.slot, source: oldest.slot, shared: 0 };
  const { content, shared } = best;
  const mostOfIt = shared * 2 >= content.tokenIds.length;
  if (!content.busy && (mostOfIt || free.length === 1))
    return { slot: content.slot, source: content.slot, shared };
  const target = content.slot === oldest.slot ? content : oldest;
  if (target === content) return { slot: content.slot, source: content.slot, shared };
  if (shared < leastCopied)
    return {
      slot: oldest.slot,
      source: oldest.slot,
      shared: commonPrefix(oldest.tokenIds, prompt, prompt.length - 1),
    };
  return { slot: oldest.slot, source: content.slot, shared };
}

export function commonPrefix(a: readonly number[], b: readonly number[], most: number): number {
  const end = Math.min(a.length, b.length, most);
  let length = 0;
  while (length < end && a[length] === b[length]) length += 1;
  return length;
}
