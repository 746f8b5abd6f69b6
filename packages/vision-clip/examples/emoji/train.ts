/**
 * Trains a small CLIP on OpenMoji pictures and their names, and measures retrieval on pictures it has not seen.
 *
 *   npx tsx --conditions=@gpt-lineage/source packages/vision-clip/examples/emoji/train.ts --compile [--steps 900] [--seed 1]
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { initCompute } from '@gpt-lineage/compute';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import {
  augment,
  CLIP,
  type ClipConfig,
  ContrastiveTrainer,
  countParameters,
  defaultLogitScale,
  type Random,
  tokenize,
} from '@gpt-lineage/vision-clip';
import { caption, type Emoji, loadEmoji, split } from './data.js';
import { markdown, measure, show } from './report.js';

const { values: flags } = parseArgs({
  options: {
    steps: { type: 'string', default: '900' },
    batch: { type: 'string', default: '128' },
    rate: { type: 'string', default: '1e-3' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
    compile: { type: 'boolean', default: false },
  },
});
const steps = Number(flags.steps);
const seed = Number(flags.seed);

const compute = await initCompute();
console.log(`${compute.backend} (${compute.library} ${compute.version})`);
const { train, heldOut } = split(await loadEmoji());
console.log(`${train.length} emoji to train on, ${heldOut.length} held out`);

const tokenizer = await ByteLevelBPETokenizer.train(train.map(caption), {
  vocabSize: 1500,
  minFrequency: 2,
  specialTokens: ['<|startoftext|>', '<|endoftext|>'],
});

const config: ClipConfig = {
  embedDim: 128,
  vision: {
    kind: 'resnet',
    imageSize: 64,
    layers: [1, 1, 1, 1],
    width: 16,
    nHead: 8,
    batchNormEpsilon: 1e-5,
    batchNormMomentum: 0.1,
  },
  text: {
    contextLength: 24,
    vocabSize: tokenizer.vocabSize,
    nEmbd: 128,
    nLayer: 2,
    nHead: 4,
    nInner: 512,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
    bosTokenId: 0,
    eosTokenId: 1,
    poolAtHighestId: false,
    padTokenId: 1,
  },
  logitScaleInit: defaultLogitScale,
};
const white = [255, 255, 255] as const;
const clip = CLIP.create(config, {
  seed,
  preprocess: { background: white },
  extraFiles: new Map([
    ['tokenizer.json', new TextEncoder().encode(JSON.stringify(tokenizer.toTokenizerJSON()))],
  ]),
});
console.log(`${(countParameters(config) / 1e6).toFixed(2)} M parameters`);

const trainer = new ContrastiveTrainer(
  clip,
  {
    size: train.length,
    example(index, random) {
      const emoji = train[index]!;
      const image = augment(emoji.image, random, {
        background: random.uniform() < 0.5 ? 'random' : white,
        scale: [0.5, 1],
        shift: 0.1,
        flip: 0.3,
        jitter: 0.3,
      });
      const [tokenIds] = tokenize(someWords(emoji, random), tokenizer, config.text!);
      return { pixels: clip.preprocess(image), tokenIds: tokenIds! };
    },
  },
  {
    steps,
    batchSize: Number(flags.batch),
    learningRate: Number(flags.rate),
    weightDecay: 0.2,
    maxGradNorm: 1,
    seed,
    compile: flags.compile,
  },
);

/** The name alone, the tags alone, or both in any order and number: a picture has many descriptions. */
function someWords(emoji: Emoji, random: Random): string {
  const tags = random.shuffle(emoji.tags.filter(() => random.uniform() < 0.7));
  const kind = random.uniform();
  if (tags.length === 0 || kind < 0.3) return emoji.name.toLowerCase();
  if (kind < 0.45) return tags.join(', ').toLowerCase();
  return `${emoji.name}: ${tags.join(', ')}`.toLowerCase();
}

const started = performance.now();
const curve: { step: number; loss: number; logitScale: number; accuracy: number }[] = [];
for await (const event of trainer.run()) {
  if (event.step % 25 === 0 || event.step === steps) {
    const { step, loss, logitScale, imageAccuracy, examplesPerSecond, etaSeconds } = event;
    curve.push({ step, loss, logitScale, accuracy: imageAccuracy });
    console.log(
      `step ${step}/${steps}  loss ${loss.toFixed(3)}  in-batch ${(100 * imageAccuracy).toFixed(0)} %  scale ${logitScale.toFixed(1)}  ${examplesPerSecond.toFixed(0)} pairs/s  ${Math.ceil(etaSeconds / 60)} min left`,
    );
  }
  if (event.step % 150 === 0 && event.step < steps) show(await measure(clip, heldOut));
}
const minutes = (performance.now() - started) / 60_000;

trainer.dispose();
// What is kept is what is measured: half-precision weights, read back from disk.
const folder = `${flags.out}/model`;
await clip.save(folder, { dtype: 'F16' });
clip.dispose();
using saved = await CLIP.load(folder);
const measured = await measure(saved, heldOut);
show(measured);
const setting = [
  `${(countParameters(config) / 1e6).toFixed(2)} M parameters, ${steps} steps of ${flags.batch} pairs, seed ${seed}, from scratch on ${train.length} OpenMoji pictures.`,
  `${minutes.toFixed(1)} minutes on ${cpus().length} cores (${cpus()[0]?.model}), ${compute.backend} (${compute.library} ${compute.version}), Node ${process.version}, ${new Date().toISOString().slice(0, 10)}.`,
  `Final loss ${curve.at(-1)?.loss.toFixed(2)} nats (an ignorant model has ln ${flags.batch} = ${Math.log(Number(flags.batch)).toFixed(2)}), scale ${curve.at(-1)?.logitScale.toFixed(1)}.`,
];
writeFileSync(`${flags.out}/report.md`, markdown(measured, heldOut.length, setting));
writeFileSync(
  `${flags.out}/report.json`,
  `${JSON.stringify({ setting, heldOut: heldOut.length, chanceRecallAt5: 5 / heldOut.length, retrieval: measured, curve }, null, 1)}\n`,
);
