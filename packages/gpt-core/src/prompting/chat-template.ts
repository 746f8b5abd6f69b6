import { Template } from '@huggingface/jinja';
import { GptLineageError, InvalidArgumentError } from '../errors.js';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  readonly content: string;
}

export interface ChatTemplateOptions {
  /** End with the beginning of an answer. Default `false`. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of a Jinja template: `tools`, `bos_token`, … */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** A template that cannot be read, or refuses the messages. */
export class ChatTemplateError extends GptLineageError {
  readonly code = 'gpt-core/chat-template';
}

/** Turns messages into the text that a chat model was trained on. */
export interface ChatTemplate {
  readonly name: string;
  /** Texts that end an answer */
  readonly stop: readonly string[];
  /** The Jinja text, where there is one */
  readonly source?: string;
  render(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string;
}

/** `<|im_start|>role … <|im_end|>`: ChatML (OpenAI 2023). */
export const chatML: ChatTemplate = {
  name: 'chatml',
  stop: ['<|im_end|>'],
  render: (messages, { addGenerationPrompt = false } = {}) =>
    checked(messages)
      .map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`)
      .join('') + (addGenerationPrompt ? '<|im_start|>assistant\n' : ''),
};

/** `Human: … Assistant: …` with empty lines between, as in Anthropic's helpful-and-harmless data. */
export const humanAssistant: ChatTemplate = {
  name: 'human-assistant',
  stop: ['\n\nHuman:'],
  render: (messages, { addGenerationPrompt = false } = {}) =>
    checked(messages)
      .map(({ role, content }) => {
        if (role === 'system') return content;
        return `\n\n${role === 'assistant' ? 'Assistant' : 'Human'}: ${content}`;
      })
      .join('') + (addGenerationPrompt ? '\n\nAssistant:' : ''),
};

/** In the manner of OpenAI's harmony format: roles, a channel for the final answer, explicit ends. */
export const harmony: ChatTemplate = {
  name: 'harmony',
  stop: ['<|return|>', '<|end|>'],
  render: (messages, { addGenerationPrompt = false } = {}) =>
    checked(messages)
      .map(({ role, content }) => {
        const channel = role === 'assistant' ? '<|channel|>final' : '';
        return `<|start|>${role}${channel}<|message|>${content}<|end|>`;
      })
      .join('') + (addGenerationPrompt ? '<|start|>assistant<|channel|>final<|message|>' : ''),
};

/**
 * A Jinja template, as `tokenizer_config.json` keeps it under `chat_template`.
 *
 * @throws {ChatTemplateError} not a Jinja template; when rendering: the template refuses the messages
 */
export function jinjaTemplate(
  source: string,
  options: { readonly stop?: readonly string[]; readonly variables?: Readonly<Record<string, unknown>> } = {},
): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new ChatTemplateError(`The chat template is not valid Jinja: ${(cause as Error).message}`, {
      cause,
    });
  }
  return {
    name: 'jinja',
    stop: options.stop ?? [],
    source,
    render: (messages, { addGenerationPrompt = false, variables = {} } = {}) => {
      try {
        return template.render({
          ...options.variables,
          ...variables,
          messages: checked(messages),
          add_generation_prompt: addGenerationPrompt,
        });
      } catch (cause) {
        if (GptLineageError.isInstance(cause)) throw cause;
        // `raise_exception` in a template ends here as well.
        throw new ChatTemplateError(`The chat template refuses the messages: ${(cause as Error).message}`, {
          cause,
        });
      }
    },
  };
}

/**
 * The template in a `tokenizer_config.json`; `undefined` when it has none.
 *
 * @param name which one, where there are several. Default `default`
 */
export function templateFromTokenizerConfig(json: unknown, name = 'default'): ChatTemplate | undefined {
  const fields = (json ?? {}) as Record<string, unknown>;
  const stored = fields.chat_template;
  const source = Array.isArray(stored)
    ? (stored as { name?: unknown; template?: unknown }[]).find((entry) => entry.name === name)?.template
    : stored;
  if (source === undefined || source === null) return undefined;
  if (typeof source !== 'string')
    throw new ChatTemplateError('chat_template in tokenizer_config.json is not a text.');
  const variables = Object.fromEntries(
    ['bos_token', 'eos_token', 'unk_token', 'pad_token'].flatMap((key) => {
      const token = textOf(fields[key]);
      return token === undefined ? [] : [[key, token]];
    }),
  );
  const end = textOf(fields.eos_token);
  return jinjaTemplate(source, { variables, stop: end === undefined ? [] : [end] });
}

/** A special token is a text, or an object that holds it. */
function textOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const { content } = (token ?? {}) as { content?: unknown };
  return typeof content === 'string' ? content : undefined;
}

function checked(messages: readonly ChatMessage[]): ChatMessage[] {
  if (messages.length === 0)
    throw new InvalidArgumentError('messages', messages, 'give at least one message');
  return messages.map((message, at) => {
    if (typeof message?.role !== 'string' || typeof message.content !== 'string') {
      throw new InvalidArgumentError(`messages[${at}]`, message, 'needs a role and a content, both texts');
    }
    return message;
  });
}
