import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ChatMessage,
  type ChatTemplate,
  chatML,
  type GPT,
  harmony,
  humanAssistant,
  jinjaTemplate,
  type Tokenizer,
  templateFromTokenizerConfig,
} from '@gpt-lineage/gpt-core';

const builtIn = [chatML, humanAssistant, harmony];

/**
 * The chat template of a checkpoint folder: named or written in `tokenizer_config.json`, else the file
 * `chat_template.jinja`, else ChatML where the vocabulary has its tokens, else `Human: … Assistant: …`.
 */
export async function readChatTemplate(
  path: string,
  tokenizer: Tokenizer | undefined,
): Promise<ChatTemplate> {
  const text = async (name: string) => readFile(join(path, name), 'utf8').catch(() => undefined);
  const config = await text('tokenizer_config.json');
  if (config !== undefined) {
    const json = JSON.parse(config) as {
      gpt_lineage?: { template?: string; stop?: readonly string[] };
    } | null;
    const named = builtIn.find(({ name }) => name === json?.gpt_lineage?.template);
    if (named) return named;
    const written = templateFromTokenizerConfig(json);
    if (written) return { ...written, stop: json?.gpt_lineage?.stop ?? written.stop };
  }
  const jinja = await text('chat_template.jinja');
  if (jinja !== undefined) return jinjaTemplate(jinja);
  return specialTokens(tokenizer).includes('<|im_start|>') ? chatML : humanAssistant;
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

function addedTokens(tokenizer: Tokenizer | undefined): AddedToken[] {
  const json = tokenizer?.toTokenizerJSON() as { added_tokens?: Partial<AddedToken>[] } | undefined;
  return (json?.added_tokens ?? []).filter(
    (token): token is AddedToken => typeof token.content === 'string' && typeof token.id === 'number',
  );
}

/** Texts of the tokens that are no text: a message may quote them, but not use them. */
export function specialTokens(tokenizer: Tokenizer | undefined): string[] {
  return addedTokens(tokenizer)
    .map(({ content }) => content)
    .filter((content) => content.length > 1);
}

/** How a special token is written. */
export function specialTokenText(tokenizer: Tokenizer | undefined, tokenId: number): string | null {
  return addedTokens(tokenizer).find(({ id }) => id === tokenId)?.content ?? null;
}

/** Turns messages into token ids. */
export class ChatPrompt {
  readonly template: ChatTemplate;
  readonly #model: GPT;
  readonly #special: readonly string[];

  constructor(model: GPT, template: ChatTemplate) {
    this.#model = model;
    this.template = template;
    this.#special = specialTokens(model.tokenizer);
  }

  /** Ids of the dialogue and the beginning of an answer. Special tokens come from the template only. */
  encode(messages: readonly ChatMessage[], addGenerationPrompt = true): number[] {
    const quoted = messages.some(({ content }) => this.#special.some((token) => content.includes(token)));
    if (!quoted) {
      const text = this.template.render(messages, { addGenerationPrompt });
      return this.#model.encode(text, { allowedSpecial: 'all' });
    }
    // Marks stand for the messages while the template is rendered, so that the two can be told apart.
    const mark = (at: number) => `\u{f0000}${at}\u{f0001}`;
    const marked = messages.map((message, at) => ({ ...message, content: mark(at) }));
    const text = this.template.render(marked, { addGenerationPrompt });
    return text.split(/\u{f0000}(\d+)\u{f0001}/u).flatMap((part, i) => {
      if (part === '') return [];
      return i % 2 === 0
        ? this.#model.encode(part, { allowedSpecial: 'all' })
        : this.#model.encode(messages[Number(part)]!.content);
    });
  }

  /**
   * The same for dialogues that may be longer than `room` tokens: the oldest messages go first, a system message at the
   * beginning and the last message stay.
   */
  encodeWithin(messages: readonly ChatMessage[], room: number): number[] {
    const system = messages[0]?.role === 'system' ? 1 : 0;
    let kept = [...messages];
    for (;;) {
      const tokenIds = this.encode(kept);
      if (tokenIds.length <= room) return tokenIds;
      if (kept.length <= system + 1) return tokenIds.slice(tokenIds.length - room);
      kept = [...kept.slice(0, system), ...kept.slice(system + 1)];
    }
  }
}
