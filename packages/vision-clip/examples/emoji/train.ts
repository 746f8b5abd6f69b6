/**
 * Trains a small CLIP on OpenMoji pictures and their names, and measures retrieval on pictures it has not seen.
 *
 *   pnpm --filter @gpt-lineage/vision-clip emoji [--steps 900] [--seed 1] [--out examples/emoji]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
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
  encodeImages,
  encodeTexts,
  pairRanks,
  Random,
  summarizeRanks,
  tokenize,
} from '@gpt-lineage/vision-clip';
import { caption, type Emoji, loadEmoji, split } from './data.js';

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
  if (event.step % 150 === 0 && event.step < steps) await report(`step ${event.step}`);
}
const minutes = (performance.now() - started) / 60_000;

async function report(title: string) {
  const images = await encodeImages(
    clip,
    heldOut.map(({ image }) => clip.preprocess(image)),
  );
  const out: Record<string, ReturnType<typeof withInterval>> = {};
  for (const [kind, texts] of [
    ['names', heldOut.map(({ name }) => name.toLowerCase())],
    ['names and tags', heldOut.map(caption)],
  ] as const) {
    const embeds = await encodeTexts(clip, tokenize(texts, tokenizer, config.text!));
    out[`image → text, ${kind}`] = withInterval(await pairRanks(images, embeds));
    out[`text → image, ${kind}`] = withInterval(await pairRanks(embeds, images));
    embeds.dispose();
  }
  images.dispose();
  for (const [name, { recallAt1, recallAt5, recallAt10, interval5 }] of Object.entries(out)) {
    const percent = [recallAt1, recallAt5, recallAt10].map((r) => (100 * r).toFixed(1)).join(' / ');
    console.log(
      `  ${title}  ${name}: R@1/5/10 ${percent} %, R@5 in [${interval5.map((r) => (100 * r).toFixed(1)).join(', ')}]`,
    );
  }
  return out;
}

/** With the 95 % interval of R@5 from 2,000 bootstrap samples of the queries. */
function withInterval(ranks: Int32Array) {
  const random = new Random(7);
  const hits = Array.from({ length: 2000 }, () => {
    let sum = 0;
    for (let i = 0; i < ranks.length; i++) sum += ranks[random.integer(ranks.length)]! <= 5 ? 1 : 0;
    return sum / ranks.length;
  }).sort((a, b) => a - b);
  return { ...summarizeRanks(ranks), interval5: [hits[50]!, hits[1949]!] as const };
}

const result = await report('held out');
mkdirSync(flags.out, { recursive: true });
await clip.save(`${flags.out}/model`);
const chance = 5 / heldOut.length;
writeFileSync(
  `${flags.out}/report.json`,
  `${JSON.stringify({ date: new Date().toISOString(), machine: cpus()[0]?.model, backend: compute, node: process.version, steps, seed, minutes, parameters: countParameters(config), trained: train.length, heldOut: heldOut.length, chanceRecallAt5: chance, retrieval: result, curve }, null, 1)}\n`,
);
console.log(`chance R@5 ${(100 * chance).toFixed(1)} %; ${minutes.toFixed(1)} minutes`);
trainer.dispose();
clip.dispose();
