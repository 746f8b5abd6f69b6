import type { GPTConfigInput } from '../config/config.js';
import { gpt3PrintedSizes, presets } from '../config/presets.js';
import { TrainingError } from './errors.js';
import type { PretrainOptions } from './pretrain-options.js';

/** The options of a recipe: those that are plain data. */
export type RecipeTraining = Omit<
  PretrainOptions,
  | 'validation'
  | 'sample'
  | 'checkpoints'
  | 'signal'
  | 'trainable'
  | 'learningRateScale'
  | 'resume'
  | 'adapter'
  | 'cluster'
>;

/** A published way to pretrain a model. */
export interface Recipe {
  readonly source: string;
  /** Sizes; `vocabSize` is the tokenizer's when it is absent. */
  readonly model: GPTConfigInput;
  /** Absent where the published tokenizer is not built in: give its `tokenizer.json`. */
  readonly tokenizer?: 'char' | 'byte' | 'gpt2';
  readonly sampling: 'random' | 'shuffled';
  readonly training: RecipeTraining;
}

/**
 * nanoGPT's Shakespeare settings share all but their size. Its models have no biases; ours do, as GPT-2's.
 */
function shakespeare(
  model: GPTConfigInput,
  training: RecipeTraining,
  sampling: Recipe['sampling'] = 'random',
): Recipe {
  return {
    source: 'nanoGPT, config/train_shakespeare_char.py and README',
    model: { bosTokenId: null, eosTokenId: null, ...model },
    tokenizer: 'char',
    sampling,
    training: {
      learningRate: 1e-3,
      minLearningRate: 1e-4,
      warmup: 100,
      betas: [0.9, 0.99],
      weightDecay: 0.1,
      clipNorm: 1,
      validateEvery: 250,
      checkpointEvery: 250,
      ...training,
    },
  };
}

/** Language Models are Few-Shot Learners, table 2.1 and appendix B. */
function gpt3(model: GPTConfigInput, printedName: string): Recipe {
  const size = gpt3PrintedSizes.find(({ name }) => name === printedName);
  if (!size) throw new TrainingError(`No printed size is called ${printedName}.`);
  const contextLength = 2048;
  // "Over the first 4-12 billion tokens of training, depending on the model size": the ends are known, not
  // which size has which; interpolated by the logarithm of the parameters' batch size.
  const overTokens = 4e9 + 8e9 * (Math.log(size.batchTokens / 0.5e6) / Math.log(3.2 / 0.5));
  return {
    source: 'Brown et al. 2020, table 2.1 and appendix B',
    model,
    tokenizer: 'gpt2',
    sampling: 'shuffled',
    training: {
      tokens: 300e9,
      batchSize: Math.round(size.batchTokens / contextLength),
      microBatchSize: 1,
      batchRamp: { fromTokens: 32_000, overTokens },
      learningRate: size.learningRate,
      minLearningRate: size.learningRate / 10,
      scheduleUnit: 'tokens',
      warmup: 375e6,
      decay: 260e9,
      betas: [0.9, 0.95],
      epsilon: 1e-8,
      weightDecay: 0.1,
      clipNorm: 1,
      guard: { spikeDeviations: 8, backOff: 1 },
    },
  };
}

const gpt2Training: RecipeTraining = {
  batchSize: 480,
  microBatchSize: 12,
  steps: 600_000,
  learningRate: 6e-4,
  minLearningRate: 6e-5,
  warmup: 2000,
  betas: [0.9, 0.95],
  weightDecay: 0.1,
  clipNorm: 1,
};

/** The paper of GPT-2 gives no learning rates; these are nanoGPT's, which reproduce its 124M model. */
function gpt2(model: GPTConfigInput): Recipe {
  return {
    source: 'nanoGPT, config/train_gpt2.py; sizes of Radford et al. 2019, table 2',
    model: { ...model, embeddingDropout: 0, attentionDropout: 0, residualDropout: 0 },
    tokenizer: 'gpt2',
    sampling: 'random',
    training: gpt2Training,
  };
}

/** Published ways to pretrain, by name. */
export const recipes = {
  /**
   * nanoGPT's settings for a laptop, with three changes that lower its validation loss: twice the learning rate, windows
   * drawn without replacement, and averaged weights.
   */
  'shakespeare-cpu': shakespeare(
    { nLayer: 4, nHead: 4, nEmbd: 128, contextLength: 64 },
    { batchSize: 12, steps: 2000, learningRate: 2e-3, emaDecay: 0.985 },
    'shuffled',
  ),
  'shakespeare-gpu': shakespeare(
    {
      nLayer: 6,
      nHead: 6,
      nEmbd: 384,
      contextLength: 256,
      embeddingDropout: 0.2,
      attentionDropout: 0.2,
      residualDropout: 0.2,
    },
    { batchSize: 64, steps: 5000 },
  ),
  gpt1: {
    source: 'Radford et al. 2018, section 4.1',
    model: presets['gpt1-117m'],
    sampling: 'shuffled',
    training: {
      batchSize: 64,
      microBatchSize: 8,
      learningRate: 2.5e-4,
      minLearningRate: 0,
      warmup: 2000,
      betas: [0.9, 0.999],
      epsilon: 1e-8,
      weightDecay: 0.01,
      clipNorm: 1,
    },
  },
  gpt2: gpt2(presets.gpt2),
  'gpt2-medium': gpt2(presets['gpt2-medium']),
  'gpt2-large': gpt2(presets['gpt2-large']),
  'gpt2-xl': gpt2(presets['gpt2-xl']),
  'gpt3-125m': gpt3(presets['gpt3-125m'], 'GPT-3 Small'),
  'gpt3-350m': gpt3(presets['gpt3-350m'], 'GPT-3 Medium'),
  'gpt3-760m': gpt3(presets['gpt3-760m'], 'GPT-3 Large'),
  'gpt3-1.3b': gpt3(presets['gpt3-1.3b'], 'GPT-3 XL'),
  'gpt3-2.7b': gpt3(presets['gpt3-2.7b'], 'GPT-3 2.7B'),
  'gpt3-6.7b': gpt3(presets['gpt3-6.7b'], 'GPT-3 6.7B'),
  'gpt3-13b': gpt3(presets['gpt3-13b'], 'GPT-3 13B'),
  'gpt3-175b': gpt3(presets['gpt3-175b'], 'GPT-3 175B'),
} as const satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;
