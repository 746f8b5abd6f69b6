import { ContextLengthError } from '../errors.js';
import type { ChatTemplate, ChatTemplateOptions } from '../prompting/chat-template.js';
import {
  type MultimodalMessage,
  type ReadMessage,
  type ReadMessagesOptions,
  readMessages,
} from './messages.js';
import type { MultimodalGPT, TokenCount } from './multimodal-gpt.js';
import type { Piece, PromptPart } from './prompt.js';
import type { ExampleSegment } from './training.js';

export interface PrepareChatOptions extends ReadMessagesOptions {
  /** Tokens to keep free for the answer. Default 64, or what `chat` may generate. */
  readonly reserve?: number;
  /**
   * Messages that do not fit: `error`, or `truncate`, which drops the oldest exchanges, system messages excepted, and
   * says how many. The last message is never dropped. Default `error`.
   */
  readonly overflow?: 'error' | 'truncate';
  /** Further variables of a Jinja template. */
  readonly variables?: ChatTemplateOptions['variables'];
}

/** Messages ready to be answered. */
export interface PreparedChat {
  readonly pieces: readonly Piece[];
  readonly tokens: TokenCount;
  /** What `truncate` left out. */
  readonly dropped: { readonly messages: number; readonly images: number };
}

export async function prepareChat(
  model: MultimodalGPT,
  messages: readonly MultimodalMessage[],
  options: PrepareChatOptions = {},
): Promise<PreparedChat> {
  const { reserve = 64, overflow = 'error', variables, ...reading } = options;
  const all = await readMessages(messages, reading);
  const { contextLength } = model.config;
  const room = contextLength - Math.min(reserve, contextLength - 1);
  let kept = all;
  for (;;) {
    const pieces = renderChat(model.template, kept, {
      addGenerationPrompt: true,
      ...(variables ? { variables } : {}),
    });
    const dropped = {
      messages: all.length - kept.length,
      images: imagesIn(all) - imagesIn(kept),
    };
    const prompt = { pieces, dropped, tokens: { total: 0, text: 0, image: 0, images: 0 } };
    const tokens = model.countTokens(prompt);
    if (tokens.total <= room) return { ...prompt, tokens };
    const shorter = overflow === 'truncate' ? withoutOldest(kept) : undefined;
    if (!shorter) {
      throw new ContextLengthError(
        tokens.total + Math.min(reserve, contextLength - 1),
        contextLength,
        `the messages take ${tokens.total} tokens (${tokens.images} images ${tokens.image} of them) and ${reserve} are kept for ` +
          `the answer; send fewer or smaller messages${overflow === 'error' ? ', or set overflow to "truncate"' : ''}`,
      );
    }
    kept = shorter;
  }
}

/** Drops the oldest message that is no system message, and what answers it. */
function withoutOldest(messages: readonly ReadMessage[]): ReadMessage[] | undefined {
  const fixed = ({ role }: ReadMessage) => role === 'system' || role === 'developer';
  const first = messages.findIndex((message) => !fixed(message));
  if (first < 0 || first >= messages.length - 1) return undefined;
  let end = first + 1;
  while (end < messages.length - 1 && messages[end]!.role !== 'user' && !fixed(messages[end]!)) end++;
  return [...messages.slice(0, first), ...messages.slice(end)];
}

function imagesIn(messages: readonly ReadMessage[]): number {
  return messages.reduce(
    (sum, { parts }) => sum + parts.filter((part) => typeof part !== 'string').length,
    0,
  );
}

/** A rendered chat: what the template wrote may hold special tokens, what people wrote may not. */
export function renderChat(
  template: ChatTemplate,
  messages: readonly ReadMessage[],
  options: ChatTemplateOptions = {},
): Piece[] {
  return renderParts(template, messages, options).map(({ piece }) => piece);
}

/**
 * A dialogue as training text: the model learns to write what assistants say, and the stop string after it.
 *
 * @param messages as `readMessages` gives them, or `{ role, parts }` of texts and decoded images
 */
export function chatSegments(template: ChatTemplate, messages: readonly ReadMessage[]): ExampleSegment[] {
  const segments: ExampleSegment[] = [];
  let answered = false;
  for (const { piece, role } of renderParts(template, messages, {})) {
    if (piece.text === undefined) segments.push(piece);
    else if (role !== undefined) {
      answered = role === 'assistant';
      segments.push({ text: piece.text, train: answered });
    } else {
      const stop = answered ? template.stop.find((text) => piece.text.startsWith(text)) : undefined;
      const rest = piece.text.slice(stop?.length ?? 0);
      if (stop) segments.push({ text: stop, train: true, special: true });
      if (rest !== '') segments.push({ text: rest, special: true });
      answered = false;
    }
  }
  return segments;
}

interface Rendered {
  readonly piece: Piece;
  readonly role?: string;
}

/** Pieces, and whose they are; the template's own have no role. */
function renderParts(
  template: ChatTemplate,
  messages: readonly ReadMessage[],
  options: ChatTemplateOptions,
): Rendered[] {
  // The template sees a placeholder for every part and never the parts, so no text can imitate its tokens.
  const nonce = freshNonce(messages);
  const parts: { readonly part: PromptPart; readonly role: string }[] = [];
  const placeholders = messages.map(({ role, parts: own }) => ({
    role,
    content: own
      .map((part) => {
        parts.push({ part, role });
        return `\uE000${nonce}${parts.length - 1}\uE001`;
      })
      .join(''),
  }));
  const rendered = template.render(placeholders, options);
  return rendered.split(new RegExp(`\uE000${nonce}(\\d+)\uE001`)).flatMap((text, at): Rendered[] => {
    if (at % 2 === 0) return text === '' ? [] : [{ piece: { text, special: true } }];
    const { part, role } = parts[Number(text)]!;
    if (typeof part !== 'string') return [{ piece: { image: part }, role }];
    return part === '' ? [] : [{ piece: { text: part, special: false }, role }];
  });
}

/** Letters that stand in no message. */
function freshNonce(messages: readonly ReadMessage[]): string {
  for (let count = 0; ; count++) {
    const nonce = `p${count}x`;
    const taken = messages.some(({ role, parts }) =>
      [role, ...parts].some((part) => typeof part === 'string' && part.includes(`\uE000${nonce}`)),
    );
    if (!taken) return nonce;
  }
}
