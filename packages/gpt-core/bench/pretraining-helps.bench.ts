/**
 * Does generative pretraining help? A GPT-1-style model is pretrained on the unlabelled reviews, then fine-tuned on a
 * few labelled ones; the same model and head without pretraining is the baseline, with the better of two learning
 * rates, as fresh weights may want a higher one. Each fine-tuning is done with several seeds. The difference in accuracy
 * comes with a bootstrap confidence interval over the test examples.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { initCompute } from '@gpt-lineage/compute';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { uniformInt } from '../src/data/random.js';
import {
  type FinetuneOptions,
  finetune,
  GPT,
  parseJsonl,
  predictTask,
  pretrain,
  type TaskExample,
  TaskModel,
  textSource,
} from '../src/index.js';
import { SubwordTokenizer } from '../src/tokenization/subword-tokenizer.js';
import { report } from './report.js';

const quick = process.argv.includes('--quick');
const number = (name: string, fallback: number) => {
  const found = process.argv.find((arg) => arg.startsWith(`--${name}=`));
  return found === undefined ? fallback : Number(found.split('=')[1]);
};
const read = (name: string) =>
  [...parseJsonl(gunzipSync(readFileSync(new URL(`../data/${name}`, import.meta.url))).toString(), name)].map(
    ([, row]) => row as TaskExample & { text: string },
  );
const labelled = number('labelled', quick ? 64 : 1000);
const steps = number('steps', quick ? 10 : 1000);
const seeds = number('seeds', quick ? 1 : 3);
const train = read('sentence-polarity-train.jsonl.gz');
const test = read('sentence-polarity-test.jsonl.gz').slice(0, quick ? 64 : undefined);

const { backend } = await initCompute();
const tokenizer = new SubwordTokenizer(
  await ByteLevelBPETokenizer.train(
    train.map(({ text }) => text),
    { vocabSize: quick ? 500 : 2000 },
  ),
);
const contextLength = 64;
const config = { vocabSize: tokenizer.vocabSize, contextLength, nLayer: 3, nHead: 3, nEmbd: 96 };
const dropouts = {
  normPlacement: 'post',
  embeddingDropout: 0.1,
  attentionDropout: 0.1,
  residualDropout: 0.1,
} as const;
const create = (seed: number) =>
  GPT.create({ ...config, ...dropouts, residualScaledInit: false }, { seed, tokenizer });

using pretrained = create(1);
const source = textSource(train.map(({ text }) => text).join('\n'), tokenizer, {
  contextLength,
  validationFraction: 0.02,
});
for await (const event of pretrain(pretrained, source.train, {
  steps,
  batchSize: 32,
  learningRate: 1e-3,
  minLearningRate: 0,
  warmup: steps / 10,
  betas: [0.9, 0.999],
  weightDecay: 0.01,
  validation: source.validation!,
  validateEvery: Math.ceil(steps / 4),
}))
  if (event.type === 'validation')
    console.log(`pretraining step ${event.step}: validation loss ${event.loss.toFixed(3)}`);

/** How often each test example is answered rightly over the seeds, as a share. */
async function rightAnswers(learningRate: number, base?: GPT): Promise<number[]> {
  const right = test.map(() => 0);
  for (let seed = 0; seed < seeds; seed++) {
    using fresh = base ? undefined : create(seed);
    using model = TaskModel.create((base ?? fresh)!, {
      task: 'sentiment',
      labels: ['negative', 'positive'],
      seed,
    });
    const options: FinetuneOptions = { epochs: quick ? 1 : 4, batchSize: 16, learningRate, seed };
    for await (const event of finetune(model, train.slice(0, labelled), options)) void event;
    const answers = await predictTask<'sentiment'>(model, test, { batchSize: 32 });
    answers.forEach(({ label }, i) => {
      if (label === test[i]!.label) right[i]! += 1 / seeds;
    });
  }
  console.log(`learning rate ${learningRate}: accuracy ${share(right).toFixed(4)}`);
  return right;
}
const share = (right: readonly number[]) => right.reduce((a, b) => a + b, 0) / right.length;

console.log('fine-tuned without pretraining');
const baselines = [await rightAnswers(3e-4), await rightAnswers(1e-3)];
const without = baselines.reduce((best, each) => (share(each) > share(best) ? each : best));
console.log('fine-tuned after pretraining');
const withPretraining = await rightAnswers(3e-4, pretrained);
const differences = Array.from({ length: 2000 }, (_, sample) => {
  let sum = 0;
  for (let i = 0; i < test.length; i++) {
    const at = uniformInt(test.length, sample, i);
    sum += withPretraining[at]! - without[at]!;
  }
  return sum / test.length;
}).sort((a, b) => a - b);
const interval = [differences[50]!, differences[1949]!];
console.log(
  `accuracy ${share(withPretraining).toFixed(3)} with, ${share(without).toFixed(3)} without pretraining; ` +
    `difference ${(share(withPretraining) - share(without)).toFixed(3)}, 95% interval [${interval.map((x) => x.toFixed(3))}]`,
);
const name = `sentence polarity, ${labelled} labelled, ${test.length} test, ${seeds} seeds`;
report(
  'gpt-core/pretraining-helps',
  [
    {
      case: name,
      metric: 'accuracy',
      unit: 'share',
      ours: share(withPretraining),
      peers: { 'without-pretraining': share(without) },
      ratio: { 'without-pretraining': share(withPretraining) / share(without) },
    },
  ],
  { backend, steps, differenceInterval95: interval },
);
