import type { ChatEvent, ChatRequest, TokenInfo } from './chat-types.js';
import { serverSentEvents } from './server-sent-events.js';

interface ChatLogProb {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs?: readonly { token: string; logprob: number }[];
}

interface Chunk {
  readonly error?: { message: string };
  readonly choices?: readonly {
    readonly delta?: { content?: string };
    readonly text?: string;
    readonly finish_reason?: string | null;
    readonly logprobs?:
      | ({ content?: readonly ChatLogProb[] } & {
          tokens?: readonly string[];
          token_logprobs?: readonly (number | null)[];
          top_logprobs?: readonly (Readonly<Record<string, number>> | null)[];
        })
      | null;
  }[];
  readonly usage?: { prompt_tokens: number; completion_tokens: number } | null;
}

/** The same dialogue through the server's OpenAI endpoints. */
export async function* serverChat(
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent, void, undefined> {
  const { sampling, prompt } = request;
  const common = {
    model: request.model,
    stream: true,
    stream_options: { include_usage: true },
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP,
    repetition_penalty: sampling.repetitionPenalty,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
    ...(sampling.stop.length > 0 ? { stop: sampling.stop } : {}),
  };
  const body =
    prompt === undefined
      ? { ...common, messages: request.messages.map(toOpenAI), logprobs: true, top_logprobs: 5 }
      : { ...common, prompt, logprobs: 5 };
  const started = performance.now();
  const response = await fetch(prompt === undefined ? './v1/chat/completions' : './v1/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw new Error(await problemOf(response));
  let first = 0;
  let tokens = 0;
  let finishReason = 'stop';
  let usage: Chunk['usage'];
  for await (const data of serverSentEvents(response)) {
    if (data === '[DONE]') break;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new Error(chunk.error.message);
    usage = chunk.usage ?? usage;
    const choice = chunk.choices?.[0];
    if (!choice) continue;
    if (choice.finish_reason) finishReason = choice.finish_reason;
    const infos = tokensOf(choice);
    const text = choice.delta?.content ?? choice.text ?? '';
    if (text === '' && infos.length === 0) continue;
    first ||= performance.now();
    tokens += Math.max(1, infos.length);
    if (infos.length === 0) yield { type: 'token', text, token: undefined };
    for (const [at, token] of infos.entries()) yield { type: 'token', text: at === 0 ? text : '', token };
  }
  const now = performance.now();
  const made = usage?.completion_tokens ?? tokens;
  yield {
    type: 'end',
    finishReason,
    promptTokens: usage?.prompt_tokens ?? 0,
    tokens: made,
    seconds: (now - started) / 1_000,
    tokensPerSecond: made > 1 && first > 0 ? ((made - 1) * 1_000) / (now - first) : 0,
  };
}

function tokensOf(choice: NonNullable<Chunk['choices']>[number]): TokenInfo[] {
  const { logprobs } = choice;
  if (!logprobs) return [];
  if (logprobs.content) {
    return logprobs.content.map(({ token, logprob, top_logprobs = [] }) => ({
      text: token,
      logProb: logprob,
      top: top_logprobs.map((entry) => ({ text: entry.token, logProb: entry.logprob })),
    }));
  }
  return (logprobs.tokens ?? []).map((text, at) => ({
    text,
    logProb: logprobs.token_logprobs?.[at] ?? 0,
    top: Object.entries(logprobs.top_logprobs?.[at] ?? {})
      .map(([other, logProb]) => ({ text: other, logProb }))
      .sort((a, b) => b.logProb - a.logProb),
  }));
}

function toOpenAI({ role, content, images }: ChatRequest['messages'][number]) {
  if (!images || images.length === 0) return { role, content };
  return {
    role,
    content: [
      ...images.map(({ url }) => ({ type: 'image_url', image_url: { url } })),
      { type: 'text', text: content },
    ],
  };
}

/** What an OpenAI-shaped error says. */
export async function problemOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error, message } = JSON.parse(text) as {
      error?: { message?: string } | string;
      message?: string;
    };
    const said = typeof error === 'string' ? error : error?.message;
    return said ?? message ?? text;
  } catch {
    return text || `The server answered with status ${response.status}.`;
  }
}
