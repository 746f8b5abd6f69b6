import type { ChatImage, ChatMessage, Sampling, TokenInfo } from '../../lib/chat-types.js';

export interface Answer {
  readonly text: string;
  readonly tokens: readonly TokenInfo[];
  readonly status: 'waiting' | 'streaming' | 'done' | 'stopped' | 'failed';
  readonly error?: string;
  readonly loaded?: { readonly loaded: number; readonly total: number };
  readonly finishReason?: string;
  readonly promptTokens?: number;
  readonly tokensPerSecond?: number;
  readonly where?: string;
}

export interface Turn {
  readonly id: string;
  readonly text: string;
  readonly images: readonly ChatImage[];
  /** Per model every answer it has given; the last one counts unless another is chosen */
  readonly answers: Readonly<Record<string, readonly Answer[]>>;
  readonly chosen: Readonly<Record<string, number>>;
}

export type Place = 'server' | 'auto' | 'webgpu' | 'webgl' | 'wasm';

export interface ChatSettings {
  readonly system: string;
  readonly mode: 'chat' | 'completion';
  readonly place: Place;
  readonly memory: boolean;
  readonly sampling: Sampling;
}

export const defaultSettings: ChatSettings = {
  system: '',
  mode: 'chat',
  place: 'server',
  memory: false,
  sampling: {
    temperature: 0.8,
    topK: 40,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    frequencyPenalty: 0,
    presencePenalty: 0,
    maxTokens: 120,
    seed: 1,
    stop: [],
  },
};

export const emptyAnswer: Answer = { text: '', tokens: [], status: 'waiting' };

export function answerOf(turn: Turn, model: string): Answer | undefined {
  const all = turn.answers[model] ?? [];
  return all[Math.min(turn.chosen[model] ?? all.length - 1, all.length - 1)];
}

/** What `model` reads to answer the turn at `at`: its own answers, not those of its neighbours. */
export function historyOf(
  turns: readonly Turn[],
  at: number,
  model: string,
  settings: ChatSettings,
): { messages: ChatMessage[]; prompt?: string } {
  if (settings.mode === 'completion') {
    const before = turns.slice(0, at).map((turn) => turn.text + (answerOf(turn, model)?.text ?? ''));
    return { messages: [], prompt: before.join('') + turns[at]!.text };
  }
  const messages: ChatMessage[] = [];
  if (settings.system.trim()) messages.push({ role: 'system', content: settings.system.trim() });
  for (const [index, turn] of turns.slice(0, at + 1).entries()) {
    messages.push({
      role: 'user',
      content: turn.text,
      ...(turn.images.length > 0 ? { images: turn.images } : {}),
    });
    const said = index < at ? answerOf(turn, model)?.text : undefined;
    if (said) messages.push({ role: 'assistant', content: said });
  }
  return { messages };
}

export function toMarkdown(
  turns: readonly Turn[],
  models: readonly string[],
  settings: ChatSettings,
): string {
  const parts = settings.system ? [`> ${settings.system.replaceAll('\n', '\n> ')}\n`] : [];
  for (const turn of turns) {
    parts.push(`### You\n\n${turn.images.map(({ name }) => `[image: ${name}]\n\n`).join('')}${turn.text}\n`);
    for (const model of models) {
      const answer = answerOf(turn, model);
      if (answer) parts.push(`### ${model}\n\n${answer.text}\n`);
    }
  }
  return parts.join('\n');
}
