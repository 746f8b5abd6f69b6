import type { GenerateOptions } from '@gpt-lineage/gpt-core';
import type { ChatEvent, ChatRequest, TokenInfo } from '../lib/chat-types.js';
import { conversationOf, loadModel, renderChat } from './model-store.js';

const decoder = new TextDecoder();

/** Answers a dialogue (or continues a text) token by token. */
export async function generate(
  request: ChatRequest,
  onEvent: (event: ChatEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const loaded = await loadModel(request.model, (done, total) =>
    onEvent({ type: 'progress', loaded: done, total }),
  );
  const { model } = loaded;
  const { sampling } = request;
  const rendered =
    request.prompt === undefined
      ? renderChat(loaded, request.messages)
      : { prompt: request.prompt, stop: [] as readonly string[] };
  const options: GenerateOptions = {
    maxTokens: sampling.maxTokens,
    temperature: sampling.temperature,
    topK: sampling.topK,
    topP: sampling.topP,
    minP: sampling.minP,
    repetitionPenalty: sampling.repetitionPenalty,
    frequencyPenalty: sampling.frequencyPenalty,
    presencePenalty: sampling.presencePenalty,
    seed: sampling.seed,
    stop: [...rendered.stop, ...sampling.stop],
    logprobs: 5,
    truncatePrompt: true,
    signal,
  };
  const textOf = (tokenId: number) =>
    model.tokenizer?.decodeBytes
      ? decoder.decode(model.tokenizer.decodeBytes([tokenId]))
      : model.decode([tokenId]);
  const conversation =
    request.memory === undefined ? undefined : await conversationOf(request.model, request.memory);
  const started = performance.now();
  const known = conversation?.length ?? 0;
  const turn = request.messages.at(-1)?.content ?? '';
  // Special tokens of a template are tokens; in a text to be continued they are text.
  const promptIds = model.encode(
    rendered.prompt,
    request.prompt === undefined ? { allowedSpecial: 'all' } : {},
  );
  const stream = conversation ? conversation.reply(turn, options) : model.stream(promptIds, options);
  let tokens = 0;
  let first = 0;
  let finishReason = 'length';
  for await (const event of stream) {
    tokens++;
    if (tokens === 1) first = performance.now();
    const token: TokenInfo = {
      text: textOf(event.tokenId),
      logProb: event.logProb,
      top: (event.topLogProbs ?? []).map((entry) => ({
        text: textOf(entry.tokenId),
        logProb: entry.logProb,
      })),
    };
    if (event.finishReason) finishReason = event.finishReason;
    onEvent({ type: 'token', text: event.text, token });
  }
  const now = performance.now();
  onEvent({
    type: 'end',
    finishReason: finishReason === 'eos' ? 'stop' : finishReason,
    promptTokens: conversation ? known : promptIds.length,
    tokens,
    seconds: (now - started) / 1_000,
    tokensPerSecond: tokens > 1 ? ((tokens - 1) * 1_000) / (now - first) : 0,
  });
}
