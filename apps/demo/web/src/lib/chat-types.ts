/** What a token was, and what else it could have been. Probabilities are the model's own, before sampling options. */
export interface TokenInfo {
  readonly text: string;
  /** Nats */
  readonly logProb: number;
  readonly top: readonly { readonly text: string; readonly logProb: number }[];
}

export interface Sampling {
  readonly temperature: number;
  /** 0: off */
  readonly topK: number;
  /** 1: off */
  readonly topP: number;
  /** 0: off */
  readonly minP: number;
  /** 1: off */
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly maxTokens: number;
  readonly seed: number;
  readonly stop: readonly string[];
}

export interface ChatImage {
  /** data: URL, marks drawn in */
  readonly url: string;
  readonly name: string;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly images?: readonly ChatImage[];
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** A text to be continued as it stands, in place of messages */
  readonly prompt?: string;
  /** Name of a dialogue that lives in the model's segment memory: only the last message is then read */
  readonly memory?: string;
  readonly sampling: Sampling;
}

export type ChatEvent =
  /** Weights on their way to the browser */
  | { readonly type: 'progress'; readonly loaded: number; readonly total: number }
  | { readonly type: 'token'; readonly text: string; readonly token: TokenInfo | undefined }
  | {
      readonly type: 'end';
      readonly finishReason: string;
      readonly promptTokens: number;
      readonly tokens: number;
      readonly seconds: number;
      readonly tokensPerSecond: number;
    };
