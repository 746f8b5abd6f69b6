import type { BleuOptions } from '../metrics/bleu.js';
import type { ChoiceNormalisation } from '../metrics/multiple-choice.js';

/** One record of a data set, after `prepare`. */
export type Doc = Readonly<Record<string, unknown>>;

/** A Jinja-like template over the record's fields, or a function of the record. */
export type Field<T> = string | ((doc: Doc) => T);

export interface FewShot {
  /**
   * Split the examples come from; default: `'train'` where the task has such a file and it is there, else the split that
   * is evaluated.
   */
  readonly split?: string;
  /**
   * Whether an item that is drawn as its own example is left out; one record more is then drawn. Always so where examples
   * come from the evaluated split; lm-evaluation-harness also does it with training examples of tasks without a test
   * split. Default `false`.
   */
  readonly leaveOut?: boolean;
  /** `'random'` (default) draws anew for each item from one seeded stream; `'first'` takes the first ones, always. */
  readonly sampler?: 'random' | 'first';
  /** Between examples, default two line ends. */
  readonly delimiter?: string;
  /** Other prompt for the examples than for the item. */
  readonly prompt?: Field<string>;
  /** Other answer text for the examples than for the item. */
  readonly target?: Field<string>;
}

export interface TaskData {
  /**
   * Files of each split, relative to the data folder; `.jsonl`, `.jsonl.gz`, `.json`, `.csv` or `.tsv`, or an `http(s):`
   * address.
   */
  readonly files: Readonly<Record<string, string>>;
  /** Column names of a CSV without a header. */
  readonly columns?: readonly string[];
  /** Rewrites a record, or drops it (`undefined`). */
  readonly prepare?: (doc: Doc) => Doc | undefined;
  /** Split to evaluate, default `'test'`. */
  readonly split?: string;
}

interface TaskCommon {
  /** As one writes it on the command line: `hellaswag`. */
  readonly name: string;
  /** Grows when numbers are no longer comparable. */
  readonly version: number;
  /** One line for `list`. */
  readonly title: string;
  /** Groups whose mean is reported: `mmlu`, `mmlu_stem`. */
  readonly groups?: readonly string[];
  readonly data: TaskData;
  /** Precedes everything, few-shot examples included. */
  readonly description?: string;
  readonly fewShot?: FewShot;
  /** Examples when the caller names no number, default 0. */
  readonly shots?: number;
  /** Items are also reported by this: a red-team category, a story type. */
  readonly category?: Field<string>;
  /** Between prompt and answer, default one space. */
  readonly targetDelimiter?: string;
}

/** The answer is the choice the model finds most likely. */
export interface MultipleChoiceTask extends TaskCommon {
  readonly kind: 'multiple-choice';
  readonly prompt: Field<string>;
  readonly choices: readonly string[] | Field<readonly string[]>;
  /** Index of the right choice, or its text. */
  readonly target: Field<number | string>;
  /**
   * Winograd style: the choices are put into the context, and this common ending is what is scored.
   * `prompt` is then used with each choice as `{{ choice }}`.
   */
  readonly ending?: Field<string>;
  /** Default `acc` and `acc_norm` (`'sum'`, `'character'`). The first is the headline. */
  readonly normalisations?: readonly ChoiceNormalisation[];
  /** Statistics of all decisions together; `f1` is that of the choice with index 1. */
  readonly classMetrics?: readonly ('f1' | 'macro_f1' | 'mcc')[];
  /** Indices of all true choices: reports `mc2`, their share of the probability. */
  readonly trueChoices?: (doc: Doc) => readonly number[];
  /** Every choice is an accepted answer: reports `exact_match`, whether greedy decoding writes one of them. */
  readonly anyChoice?: boolean;
}

/** Probability of one fixed continuation: accuracy (would greedy decoding write it?) and perplexity. */
export interface LogLikelihoodTask extends TaskCommon {
  readonly kind: 'log-likelihood';
  readonly prompt: Field<string>;
  readonly target: Field<string>;
}

/** Perplexity of whole texts, longer than the context if need be. */
export interface RollingTask extends TaskCommon {
  readonly kind: 'rolling';
  readonly text: Field<string>;
  /** Text whose words and bytes the perplexities are normalised by, default `text`. */
  readonly normaliseBy?: Field<string>;
}

/** A step from the raw completion to the answer that is compared. */
export type AnswerFilter =
  | {
      readonly kind: 'regex';
      readonly pattern: string;
      readonly flags?: string;
      readonly pick?: 'first' | 'last';
    }
  | { readonly kind: 'remove'; readonly patterns: readonly string[] }
  /** An answer that is one of these words becomes no answer. */
  | { readonly kind: 'reject'; readonly words: readonly string[] }
  /** The final answer of a worked solution: the last `\\boxed{…}`, in a spelling of its own (MATH). */
  | { readonly kind: 'math' }
  | { readonly kind: 'trim' | 'trim-start' | 'lowercase' | 'first-line' };

export type GenerationMetric = 'exact_match' | 'f1' | 'squad_exact_match' | 'rouge' | 'bleu' | 'chrf';

/** A multiple-choice question about an answer; the judge's most likely choice counts. */
export interface Rubric {
  readonly prompt: (doc: Doc, answer: string) => string;
  /** What the judge chooses from, as it continues the prompt: `A`, `B`, … */
  readonly choices: readonly string[];
  /** Metrics of the choice; those that do not apply to the record are left out. */
  readonly score: (doc: Doc, choice: number) => Readonly<Record<string, number>>;
}

/** The model writes; what it wrote is filtered and compared with the reference. */
export interface GenerationTask extends TaskCommon {
  readonly kind: 'generation';
  readonly prompt: Field<string>;
  /** One right answer, or several of which any counts. */
  readonly target: Field<string | readonly string[]>;
  readonly stop: readonly string[];
  /** Default 256. */
  readonly maxTokens?: number;
  /** Default 0: greedy. */
  readonly temperature?: number;
  /** Named ways to read the answer, each reported; default: one called `none` that changes nothing. */
  readonly filters?: Readonly<Record<string, readonly AnswerFilter[]>>;
  /** Applied to prediction and target before `exact_match`. */
  readonly normalise?: readonly AnswerFilter[];
  readonly metrics: readonly GenerationMetric[];
  /** How BLEU cuts words, default `'13a'`; `'char'` for languages without spaces. */
  readonly bleuTokenizer?: BleuOptions['tokenizer'];
  /** Further metrics of an answer; those that do not apply to a record are left out. */
  readonly score?: (doc: Doc, answer: string) => Readonly<Record<string, number>>;
  /** Names among the further metrics that are better when small. */
  readonly lowerIsBetter?: readonly string[];
  /** Questions to a second model about the answer, asked when the run has a judge. */
  readonly rubric?: Rubric;
  /** Self-consistency: sample this many answers and let the majority of the filtered ones stand. Default 1. */
  readonly votes?: number;
}

/** The model writes a program; tests decide. Needs `allowCodeExecution`. */
export interface CodeTask extends TaskCommon {
  readonly kind: 'code';
  readonly prompt: Field<string>;
  readonly stop: readonly string[];
  /** Program that ends with exit code 0 if `completion` is right. */
  readonly program: (doc: Doc, completion: string) => string;
  readonly language?: 'python' | 'javascript';
  /** Samples per problem, default 1. */
  readonly samples?: number;
  /** Default 0.2, the paper's for pass@1; 0 when only one sample is drawn. */
  readonly temperature?: number;
  /** Default `[1]`; those above `samples` are left out. */
  readonly k?: readonly number[];
  readonly maxTokens?: number;
}

export type TaskDefinition = MultipleChoiceTask | LogLikelihoodTask | RollingTask | GenerationTask | CodeTask;
