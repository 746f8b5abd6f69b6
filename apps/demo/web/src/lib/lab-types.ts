import type { TrainingEvent } from '@gpt-lineage/gpt-core';
import type { OnPolicyEvent, RoundEvent } from '@gpt-lineage/trainer-rlhf';

export interface TrainingSpec {
  readonly kind: 'pretrain' | 'finetune' | 'lora';
  readonly text: string;
  /** Checkpoint that fine-tuning and LoRA start from */
  readonly base?: string;
  readonly tokenizer: 'character' | 'bbpe';
  readonly vocabSize: number;
  readonly nLayer: number;
  readonly nHead: number;
  readonly nEmbd: number;
  readonly contextLength: number;
  readonly layerPattern: readonly string[];
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly dropout: number;
  readonly rank: number;
  readonly seed: number;
}

export interface RuleSpec {
  readonly kind: 'contains' | 'forbids' | 'length' | 'repetition' | 'question';
  /** A regular expression, for `contains` and `forbids` */
  readonly pattern: string;
  /** Characters, for `length` */
  readonly min: number;
  readonly max: number;
  readonly weight: number;
}

export interface RankingSpec {
  readonly prompt: string;
  readonly completions: readonly string[];
  /** 0 = best; equal ranks are a tie */
  readonly ranks: readonly number[];
}

export type AlignmentSpec =
  | {
      readonly kind: 'reward';
      readonly base: string;
      readonly rankings: readonly RankingSpec[];
      readonly epochs: number;
      readonly learningRate: number;
      readonly seed: number;
    }
  | {
      readonly kind: 'ppo';
      readonly base: string;
      readonly prompts: readonly string[];
      readonly rules: readonly RuleSpec[];
      /** Weight of the reward model trained before; 0 leaves it out */
      readonly rewardModelWeight: number;
      readonly iterations: number;
      readonly episodes: number;
      readonly maxTokens: number;
      readonly learningRate: number;
      readonly kl: number;
      readonly seed: number;
    }
  | {
      readonly kind: 'improve';
      readonly rounds: number;
      readonly paths: number;
      readonly warmSteps: number;
      readonly seed: number;
    };

/** What a run tells; the trainers' own events, and a few of this app's. */
export type LabEvent =
  | TrainingEvent
  | OnPolicyEvent
  | RoundEvent
  | { readonly type: 'note'; readonly text: string }
  | {
      readonly type: 'rewards';
      readonly step: number;
      /** Per ranking, per completion */
      readonly rewards: readonly (readonly number[])[];
      readonly accuracy: number;
    };
