import type { Tensor3D } from '@tensorflow/tfjs-core';
import { ContextLengthError, InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import { beamSearch } from './beam-search.js';
import { jsonConstraint } from './json-constraint.js';
import { openSession } from './open-session.js';
import { type GenerateOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { logSumExp } from './probabilities.js';
import { type FinishReason, type GeneratedToken, Sequence, type TokenLogProb } from './sequence.js';
import type { DecodeSession } from './session.js';
import { lookupDrafter, modelDrafter, speculate } from './speculative.js';

/** A prompt: text (the model then needs a tokenizer) or token ids. */
export type Prompt = string | readonly number[];

/** One sample. */
export interface GeneratedCompletion {
  /** The new tokens, an end token included */
  readonly tokenIds: readonly number[];
  /** The new text, up to the stop string */
  readonly text: string;
  /** One for each token, in nats: the model's own, before temperature, penalties and truncation */
  readonly logProbs: readonly number[];
  readonly meanLogProb: number;
  /** With the option `logprobs` */
  readonly topLogProbs?: readonly (readonly TokenLogProb[])[];
  readonly finishReason: FinishReason;
  readonly stopString?: string;
}

/** The first (or best) sample, and all of them under `choices`. */
export interface GenerateResult extends GeneratedCompletion {
  readonly promptTokenIds: readonly number[];
  readonly choices: readonly GeneratedCompletion[];
  /** `promptLogProbs[t]` = log-probability of prompt token `t`; the first and soft tokens have none (`null`). */
  readonly promptLogProbs?: readonly (number | null)[];
}

/** One token of one sample, as `stream` yields it. */
export interface StreamEvent extends GeneratedToken {
  /** Which sample */
  readonly choice: number;
  /** Which prompt of a batch */
  readonly prompt: number;
}

interface Run {
  /** Segment memory, for a single prompt */
  readonly memory?: readonly (Tensor3D | null)[] | undefined;
  readonly model: GPT;
  readonly prompts: readonly (readonly number[])[];
  readonly options: ResolvedOptions;
  /** Tokens are not told one by one: an event for each costs as much as choosing it. */
  readonly silent?: boolean;
}

/** Token ids of the prompts, and options with their defaults: what both `generate` and `stream` begin with. */
export function prepare(model: GPT, prompts: readonly Prompt[], options: GenerateOptions): Run {
  const { config, tokenizer } = model;
  const resolved = resolveOptions(options, config, tokenizer?.eosTokenId ?? null);
  if (prompts.length === 0) throw new InvalidArgumentError('prompts', prompts, 'give at least one prompt');
  if (resolved.stop.length > 0 && !tokenizer) {
    throw new InvalidArgumentError('stop', resolved.stop, 'stop strings need a model with a tokenizer');
  }
  const ids = prompts.map((prompt, at) => {
    const tokenIds = typeof prompt === 'string' ? model.encode(prompt) : [...prompt];
    const start = config.bosTokenId ?? tokenizer?.eosTokenId ?? null;
    if (tokenIds.length === 0 && start !== null) tokenIds.push(start);
    if (tokenIds.length === 0) {
      throw new InvalidArgumentError(
        `prompts[${at}]`,
        prompt,
        'an empty prompt needs a model with a start token',
      );
    }
    const known = config.vocabSize + (resolved.softTokens?.shape[0] ?? 0);
    const odd = tokenIds.find((id) => !Number.isInteger(id) || id < 0 || id >= known);
    if (odd !== undefined) {
      throw new InvalidArgumentError(`prompts[${at}]`, odd, `token ids go from 0 to ${known - 1}`);
    }
    const room = config.contextLength;
    if (tokenIds.length > room) {
      if (!resolved.truncatePrompt) {
        throw new ContextLengthError(tokenIds.length, room, 'shorten the prompt, or set truncatePrompt');
      }
      return tokenIds.slice(tokenIds.length - room);
    }
    return tokenIds;
  });
  return { model, prompts: ids, options: resolved };
}

/** Generates for a batch of prompts; one result for each. */
export async function generateBatch(
  model: GPT,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<GenerateResult[]> {
  const run = prepare(model, prompts, options);
  if (run.options.numBeams > 1) {
    const results: GenerateResult[] = [];
    for (const prompt of run.prompts) results.push(await beamSearch(model, prompt, run.options));
    return results;
  }
  const state: DecodeState = { sequences: [], promptLogProbs: [] };
  for await (const _ of decode({ ...run, silent: true }, state));
  return run.prompts.map((promptTokenIds, prompt) => {
    const choices = state.sequences.filter((sequence) => sequence.prompt === prompt).map(completionOf);
    if (run.options.bestOf > run.options.n) choices.sort((a, b) => b.meanLogProb - a.meanLogProb);
    const kept = choices.slice(0, run.options.n);
    return {
      ...kept[0]!,
      promptTokenIds,
      choices: kept,
      ...(run.options.promptLogprobs ? { promptLogProbs: state.promptLogProbs[prompt]! } : {}),
    };
  });
}

/** Yields every token when it is chosen. */
export async function* generateStream(
  model: GPT,
  prompts: readonly Prompt[],
  options: GenerateOptions,
  memory?: readonly (Tensor3D | null)[],
): AsyncGenerator<StreamEvent, void, undefined> {
  const run = prepare(model, prompts, options);
  if (run.options.numBeams > 1) {
    throw new InvalidArgumentError(
      'numBeams',
      run.options.numBeams,
      'beam search knows its text at the end only',
    );
  }
  if (run.options.bestOf > run.options.n) {
    throw new InvalidArgumentError('bestOf', run.options.bestOf, 'the best sample is known at the end only');
  }
  yield* decode({ ...run, memory }, { sequences: [], promptLogProbs: [] });
}

interface DecodeState {
  sequences: Sequence[];
  promptLogProbs: (readonly (number | null)[])[];
}

/** All samples of all prompts together, a token of each at a time. */
async function* decode(run: Run, state: DecodeState): AsyncGenerator<StreamEvent, void, undefined> {
  const { model, prompts, options } = run;
  const { contextLength } = model.config;
  const constraint = options.jsonSchema ? jsonConstraint(options.jsonSchema, model) : undefined;
  state.sequences = prompts.flatMap((ids, prompt) =>
    Array.from(
      { length: options.bestOf },
      (_, row) => new Sequence(prompt, row, ids, options, model.tokenizer, constraint?.()),
    ),
  );
  if (options.maxTokens === 0) for (const sequence of state.sequences) sequence.finish('length');
  let active = state.sequences.filter((sequence) => sequence.finishReason === undefined);
  if (active.length === 0 && !options.promptLogprobs) return;

  if (options.draft && state.sequences.length > 1) {
    throw new InvalidArgumentError(
      'draft',
      `${state.sequences.length} samples`,
      'it guesses for one sample of one prompt',
    );
  }
  if (options.softTokens && options.draft && options.draft !== 'lookup') {
    throw new InvalidArgumentError('draft', 'a model', 'it does not know the soft tokens; use "lookup"');
  }
  const longest = Math.max(...prompts.map((ids) => ids.length));
  const capacity = Math.min(contextLength, longest + Math.max(1, options.maxTokens));
  let session: DecodeSession | undefined = openSession(model, {
    capacity,
    rows: state.sequences.length,
    weights: options.weights,
    memory: run.memory,
    softTokens: options.softTokens,
    slack: options.draft ? options.draftTokens : 0,
  });
  try {
    const first = await session.read(prompts, options.promptLogprobs);
    if (options.promptLogprobs) state.promptLogProbs = prompts.map((ids, i) => logProbsOf(ids, first[i]!));
    if (active.length === 0) return;
    await session.select(active.map((sequence) => sequence.prompt));
    let logits = active.map((sequence) => first[sequence.prompt]!.at(-1)!);
    if (options.draft) {
      const [sequence] = active as [Sequence];
      const drafter =
        options.draft === 'lookup' ? lookupDrafter() : modelDrafter(options.draft, model, capacity);
      try {
        const tokens = speculate(session, sequence, logits[0]!, drafter, options.draftTokens, capacity);
        for (;;) {
          const { value, done } = await tokens.next();
          if (done) {
            if (value === undefined) return;
            logits = [value];
            break;
          }
          yield { ...value, choice: sequence.row, prompt: sequence.prompt };
          if (options.signal) await breath();
          if (options.signal?.aborted && sequence.finishReason === undefined) {
            const text = sequence.finish('abort');
            if (text) yield { ...lastToken(sequence), text, choice: sequence.row, prompt: sequence.prompt };
            return;
          }
        }
      } finally {
        drafter.dispose();
      }
    }

    while (active.length > 0) {
      for (const [at, sequence] of active.entries()) {
        if (options.signal?.aborted) {
          const text = sequence.finish('abort');
          if (text) yield { ...lastToken(sequence), text, choice: sequence.row, prompt: sequence.prompt };
          continue;
        }
        const tokenId = sequence.choose(sequence.process(logits[at]!));
        const token = sequence.push(tokenId, logits[at]!);
        if (!run.silent) yield { ...token, choice: sequence.row, prompt: sequence.prompt };
      }
      const full = (sequence: Sequence) => sequence.tokenIds.length - sequence.forgotten > contextLength;
      if (options.contextOverflow === 'stop') {
        for (const sequence of active)
          if (!sequence.finishReason && full(sequence)) sequence.finish('length');
      }
      const going = active.flatMap((sequence, at) => (sequence.finishReason === undefined ? [at] : []));
      if (going.length === 0) break;
      const before = active.length;
      active = going.map((at) => active[at]!);
      if (active.some(full)) {
        // Forget the older half, and read the rest again: positions are absolute.
        for (const sequence of active) {
          if (full(sequence)) sequence.forgotten = sequence.tokenIds.length - Math.ceil(contextLength / 2);
        }
        session.dispose();
        session = openSession(model, {
          capacity: contextLength,
          rows: active.length,
          weights: options.weights,
          softTokens: options.softTokens,
        });
        const kept = active.map((sequence) => sequence.tokenIds.slice(sequence.forgotten));
        logits = (await session.read(kept)).map((row) => row.at(-1)!);
      } else {
        if (going.length < before) await session.select(going);
        logits = (await session.read(active.map(({ tokenIds }) => [tokenIds.at(-1)!]))).map((row) => row[0]!);
      }
      if (options.signal) await breath();
    }
  } finally {
    session?.dispose();
  }
}

function lastToken(sequence: Sequence): Omit<GeneratedToken, 'text'> {
  return {
    tokenId: sequence.tokenIds.at(-1)!,
    logProb: sequence.logProbs.at(-1) ?? 0,
    finishReason: sequence.finishReason!,
  };
}

export function completionOf(sequence: Sequence): GeneratedCompletion {
  return {
    tokenIds: sequence.generated,
    text: sequence.result,
    logProbs: sequence.logProbs,
    meanLogProb: sequence.meanLogProb,
    finishReason: sequence.finishReason ?? 'length',
    ...(sequence.topLogProbs.length > 0 ? { topLogProbs: sequence.topLogProbs } : {}),
    ...(sequence.stopString === undefined ? {} : { stopString: sequence.stopString }),
  };
}

/** Log-probability of every token given those before it; the first has none. */
export function logProbsOf(
  tokenIds: readonly number[],
  logits: readonly Float32Array[],
): readonly (number | null)[] {
  return tokenIds.map((id, t) => {
    // Soft tokens are no words, so nothing predicts them.
    const logit = t === 0 ? undefined : logits[t - 1]![id];
    return logit === undefined ? null : logit - logSumExp(logits[t - 1]!);
  });
}

/** Lets timers and input events through, so that a signal can arrive. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
