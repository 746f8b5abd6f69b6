import type { GPT, TrainingEvent } from '@gpt-lineage/gpt-core';
import { TrainerDataError } from '../errors.js';
import { extractNumber } from '../rule-based-reward/text-rules.js';
import { mean } from './mean.js';
import { type Round, RoundStore } from './round-store.js';
import { seededRandom } from './seeded-order.js';
import { type Demonstration, type SFTOptions, SFTTrainer } from './sft-trainer.js';

export interface Question {
  readonly question: string;
  /** The right answer, for the report only: training never sees it. */
  readonly answer?: string;
}

/** How a question is put to the model, and what a training example of it looks like. */
export interface ReasoningFormat {
  readonly name: string;
  prompt(question: string): string;
  /** Completion to train on from a path and its answer; default the path itself. */
  completion?(path: string, answer: string): string;
}

export interface SelfImprovementOptions {
  readonly model: GPT;
  readonly questions: readonly Question[];
  /** Questions whose accuracy is reported and that are never trained on. */
  readonly heldOut?: readonly Question[];
  /** The first one is used to sample; training mixes all of them (Huang et al. 2022, §3.2). */
  readonly formats: readonly [ReasoningFormat, ...ReasoningFormat[]];
  readonly rounds?: number;
  /** Reasoning paths per question, spread over `temperatures`. Default 8. */
  readonly paths?: number;
  /** Default `[0.5, 0.7, 1]`. */
  readonly temperatures?: readonly number[];
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  /** Answer of a path; `undefined` = none. Default: its last number. */
  readonly extractAnswer?: (path: string) => string | undefined;
  /** Keep a question's paths only when its majority holds at least this share of the votes. Default 0.5. */
  readonly minimumShare?: number;
  /** Paths kept per question, default 4. */
  readonly keep?: number;
  readonly training?: Omit<SFTOptions, 'checkpoints' | 'resume' | 'signal'>;
  /** Folder that keeps each round's examples and training checkpoints, so that a killed run goes on where it was. */
  readonly directory?: string;
  /** Go on with what `directory` holds. Default `false`. */
  readonly resume?: boolean;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** A question after its paths have voted. */
export interface VotedQuestion {
  readonly question: Question;
  readonly answer: string | undefined;
  /** Votes for the winner, as a share of all paths. */
  readonly share: number;
  /** Lead over the second answer, as a share of all paths. */
  readonly margin: number;
  /** Paths that reach the winning answer, without repeats. */
  readonly paths: readonly string[];
}

export interface RoundEvent {
  readonly type: 'round';
  readonly round: number;
  /** The first optimiser step of the round, counted over all rounds. */
  readonly step: number;
  /** Mean lead of the winning answer: how sure the model is of itself. */
  readonly voteMargin: number;
  /** Share of training questions whose vote is right (known answers only). */
  readonly voteAccuracy: number | undefined;
  /** Greedy accuracy on the held-out questions, before this round's training. */
  readonly heldOutAccuracy: number | undefined;
  readonly questionsKept: number;
  readonly examples: number;
  /** The numbers above by name, for logs. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Greatest number of votes wins; the earlier of equals. Paths without an answer do not vote. */
export function vote(
  question: Question,
  paths: readonly string[],
  extractAnswer: (path: string) => string | undefined,
): VotedQuestion {
  const byAnswer = new Map<string, string[]>();
  for (const path of paths) {
    const answer = extractAnswer(path);
    if (answer !== undefined) byAnswer.set(answer, [...(byAnswer.get(answer) ?? []), path]);
  }
  const ranked = [...byAnswer].sort((a, b) => b[1].length - a[1].length); // stable: the earlier of equals first
  const [first, second] = ranked;
  const total = Math.max(1, paths.length);
  return {
    question,
    answer: first?.[0],
    share: (first?.[1].length ?? 0) / total,
    margin: ((first?.[1].length ?? 0) - (second?.[1].length ?? 0)) / total,
    paths: [...new Set(first?.[1] ?? [])],
  };
}

const lastNumber = (path: string) => {
  const number = extractNumber(path);
  return number === undefined ? undefined : String(number);
};

/**
 * Self-improvement with chain of thought (Huang et al. 2022, Large language models can self-improve): sample several
 * reasoning paths per question at several temperatures, let their answers vote (self-consistency, Wang et al. 2023),
 * train on the paths that reached the majority's answer, in mixed formats; repeat. No labels are used.
 */
export class SelfImprovement {
  readonly options: SelfImprovementOptions;

  constructor(options: SelfImprovementOptions) {
    if (options.questions.length === 0)
      throw new TrainerDataError('questions', '[]', 'give at least one question');
    this.options = options;
  }

  async *run(): AsyncGenerator<RoundEvent | TrainingEvent, void, void> {
    const { model, rounds = 1, seed = 0, training, signal } = this.options;
    const store = this.options.directory === undefined ? undefined : new RoundStore(this.options.directory);
    if (!this.options.resume) await store?.clear();
    let stepsBefore = 0;
    for (let round = 1; round <= rounds; round++) {
      signal?.throwIfAborted();
      const finished = await store?.finished(round, model);
      if (finished !== undefined) {
        stepsBefore += finished;
        continue;
      }
      const { event, examples } =
        (await store?.begun(round)) ?? (await this.#sample(round, stepsBefore, seed, store));
      const checkpoints = await store?.checkpoints(round);
      // The log of a run that is resumed in the middle of a round's training has its event already.
      if ((await checkpoints?.latest()) === undefined) yield event;
      if (examples.length === 0) return; // the model is sure of nothing: there is nothing to learn from
      const trainer = new SFTTrainer(model, examples, {
        epochs: 1,
        seed: seed + round,
        ...training,
        ...(checkpoints ? { checkpoints, resume: true } : {}),
        ...(signal ? { signal } : {}),
      });
      let steps = 0;
      for await (const inner of trainer.train()) {
        if (inner.type === 'selection') continue;
        if ('step' in inner) steps = inner.step;
        yield { ...inner, step: inner.step + stepsBefore };
        if (inner.type === 'end' && inner.reason === 'aborted') return;
      }
      await store?.finish(round, steps);
      stepsBefore += steps;
    }
  }

  /** The questions' votes and the examples that come of them, kept before anything is trained. */
  async #sample(
    round: number,
    stepsBefore: number,
    seed: number,
    store: RoundStore | undefined,
  ): Promise<Round> {
    const { questions, heldOut, minimumShare = 0.5, signal } = this.options;
    const voted = await this.#vote(questions, seed * 1009 + round);
    const kept = voted.filter((entry) => entry.answer !== undefined && entry.share >= minimumShare);
    const examples = kept.flatMap((entry, index) => this.#examples(entry, seed * 31 + round * 7919 + index));
    const known = voted.filter((entry) => entry.question.answer !== undefined);
    const voteMargin = mean(voted.map((entry) => entry.margin));
    const voteAccuracy =
      known.length === 0 ? undefined : mean(known.map((entry) => Number(this.#isRight(entry))));
    const heldOutAccuracy = heldOut && (await this.accuracy(heldOut));
    signal?.throwIfAborted(); // answers that were cut short must not vote
    const event: RoundEvent = {
      type: 'round',
      round,
      step: stepsBefore + 1,
      voteMargin,
      voteAccuracy,
      heldOutAccuracy,
      questionsKept: kept.length,
      examples: examples.length,
      metrics: {
        'votes/margin': voteMargin,
        ...(voteAccuracy === undefined ? {} : { 'votes/accuracy': voteAccuracy }),
        ...(heldOutAccuracy === undefined ? {} : { 'held_out/accuracy': heldOutAccuracy }),
        'votes/questions_kept': kept.length,
        'votes/examples': examples.length,
      },
    };
    await store?.begin(round, { event, examples });
    return { event, examples };
  }

  /** Share of questions that greedy decoding answers rightly. */
  async accuracy(questions: readonly Question[]): Promise<number> {
    const { model, formats, extractAnswer = lastNumber } = this.options;
    const results = await model.generate(
      questions.map((entry) => formats[0].prompt(entry.question)),
      { ...this.#sampling(), temperature: 0 },
    );
    return mean(
      results.map((result, index) => Number(extractAnswer(result.text) === questions[index]!.answer)),
    );
  }

  async #vote(questions: readonly Question[], seed: number): Promise<VotedQuestion[]> {
    const {
      model,
      formats,
      paths = 8,
      temperatures = [0.5, 0.7, 1],
      extractAnswer = lastNumber,
    } = this.options;
    const prompts = questions.map((entry) => formats[0].prompt(entry.question));
    const all: string[][] = questions.map(() => []);
    for (const [index, temperature] of temperatures.entries()) {
      const n = Math.floor(paths / temperatures.length) + Number(index < paths % temperatures.length);
      if (n === 0) continue;
      const results = await model.generate(prompts, {
        ...this.#sampling(),
        n,
        temperature,
        seeds: prompts.map((_, at) => seed + index + 104_729 * at),
      });
      results.forEach((result, at) => {
        all[at]!.push(...result.choices.map((choice) => choice.text));
      });
    }
    return questions.map((question, index) => vote(question, all[index]!, extractAnswer));
  }

  #sampling() {
    const { maxTokens = 128, stop, signal } = this.options;
    return { maxTokens, ...(stop ? { stop } : {}), ...(signal ? { signal } : {}) };
  }

  #isRight({ answer, question }: VotedQuestion): boolean {
    return answer !== undefined && answer === question.answer;
  }

  /** Some of the kept paths, each in a format drawn from the seed. */
  #examples({ question, answer, paths }: VotedQuestion, seed: number): Demonstration[] {
    const { formats, keep = 4 } = this.options;
    const random = seededRandom(seed);
    return paths.slice(0, keep).map((path) => {
      const format = formats[Math.floor(random() * formats.length)]!;
      return {
        prompt: format.prompt(question.question),
        completion: format.completion?.(path, answer!) ?? path,
      };
    });
  }
}
