/**
 * Trains a small GPT that sees, and its twin that does not, on scenes of shapes, handwritten digits and emoji.
 *
 *   npx tsx --conditions=@gpt-lineage/source packages/gpt-core/recipes/multimodal/train.ts [--twin] [--seed 1]
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { initCompute } from '@gpt-lineage/compute';
import {
  chatSegments,
  type ExampleSegment,
  jinjaTemplate,
  type MultimodalDataset,
  MultimodalGPT,
  SubwordTokenizer,
  type TrainingStage,
  trainMultimodal,
} from '@gpt-lineage/gpt-core';
import {
  CLIP,
  ContrastiveTrainer,
  countParameters,
  defaultLogitScale,
  type PreprocessConfig,
  Random,
  tokenize,
} from '@gpt-lineage/vision-clip';
import { loadPictures, type Pictures } from './pictures.js';
import { describeScene, type Mode, type Sample, sample } from './questions.js';
import { objectSides, randomScene, render, side } from './scene.js';

const { values: flags } = parseArgs({
  options: {
    contrastive: { type: 'string', default: '600' },
    first: { type: 'string', default: '1200' },
    steps: { type: 'string', default: '5000' },
    decay: { type: 'string', default: '2500' },
    batch: { type: 'string', default: '16' },
    rate: { type: 'string', default: '1.6e-3' },
    // The encoder has learned something already, and loses it at the language model's rate.
    'encoder-rate': { type: 'string', default: '3.2e-4' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: fileURLToPath(new URL('./run', import.meta.url)) },
    precision: { type: 'string', default: 'bf16' },
    twin: { type: 'boolean', default: false },
  },
});
const seed = Number(flags.seed);
const batchSize = Number(flags.batch);
const precision = flags.precision as 'float32' | 'bf16';
const encoderScale = Number(flags['encoder-rate']) / Number(flags.rate);

const compute = await initCompute();
console.log(`${compute.backend} (${compute.library} ${compute.version})`);
const pictures = await loadPictures(objectSides);

/** A token each for whose turn it is and where an answer ends. */
const special = ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'];
const template = jinjaTemplate(
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}{% endfor %}" +
    '{% if add_generation_prompt %}<|assistant|>{% endif %}',
  { stop: ['<|end|>'] },
);
/** Model and twin share the words that the first of them learned. */
const tokenizerFile = `${flags.out}/tokenizer.json`;
const tokenizer = existsSync(tokenizerFile)
  ? SubwordTokenizer.fromTokenizerJSON(JSON.parse(readFileSync(tokenizerFile, 'utf8')) as object)
  : await SubwordTokenizer.train(texts(pictures, 4000), { vocabSize: 1024, specialTokens: special });
mkdirSync(flags.out, { recursive: true });
writeFileSync(tokenizerFile, JSON.stringify(tokenizer.toTokenizerJSON()));
const endId = tokenizer.bpe.specialTokens.get('<|end|>')!;
console.log(`${tokenizer.vocabSize} tokens`);

/** Texts of all modes, for the tokenizer to learn its words from. */
async function* texts(from: Pictures, count: number): AsyncGenerator<string> {
  const modes: Mode[] = ['text', 'image', 'marks', 'compare', 'interleaved', 'few-shot'];
  for (let i = 0; i < count; i++) {
    const { turns } = await sample(modes[i % modes.length]!, new Random(seed + 10, i), from, 'train', {
      turns: 4,
    });
    for (const { question, answer } of turns) {
      yield question.filter((part) => typeof part === 'string').join(' ');
      yield answer;
    }
  }
}

const preprocess: PreprocessConfig = { resizeMode: 'squash', background: [255, 255, 255] };
const encoder = {
  embedDim: 128,
  vision: {
    kind: 'vit',
    imageSize: side,
    patchSize: 8,
    nEmbd: 128,
    nLayer: 4,
    nHead: 4,
    nInner: 512,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
  },
  text: {
    contextLength: 40,
    vocabSize: tokenizer.vocabSize,
    nEmbd: 128,
    nLayer: 2,
    nHead: 4,
    nInner: 512,
    activation: 'quick',
    layerNormEpsilon: 1e-5,
    bosTokenId: tokenizer.bpe.specialTokens.get('<|user|>')!,
    eosTokenId: endId,
    poolAtHighestId: false,
    padTokenId: endId,
  },
  logitScaleInit: defaultLogitScale,
} as const;

/** Stage 0: the encoder learns which description belongs to which image. */
async function contrastive(steps: number): Promise<CLIP> {
  if (existsSync(`${flags.out}/clip`)) return CLIP.load(`${flags.out}/clip`);
  const clip = CLIP.create(encoder, { seed, preprocess });
  const trainer = new ContrastiveTrainer(
    clip,
    {
      size: 1_000_000,
      example(index, random) {
        const own = new Random(seed + 1, index);
        const scene = randomScene(own, pictures, 'train');
        const [tokenIds] = tokenize(describeScene(scene), tokenizer.bpe, encoder.text);
        return { pixels: clip.preprocess(render(scene, pictures, 'train', random)), tokenIds: tokenIds! };
      },
    },
    { steps, batchSize: 96, learningRate: 1e-3, weightDecay: 0.1, maxGradNorm: 1, seed, compile: true },
  );
  for await (const { step, loss, imageAccuracy, examplesPerSecond } of trainer.run()) {
    if (step % 20 === 0) {
      console.log(
        `contrastive ${step}/${steps}  loss ${loss.toFixed(3)}  in-batch ${(100 * imageAccuracy).toFixed(0)} %  ${examplesPerSecond.toFixed(0)} pairs/s`,
      );
    }
  }
  trainer.dispose();
  await clip.save(`${flags.out}/clip`);
  return clip;
}

/** Data sets of one shape each; `blind` withholds the images and keeps everything else. */
function datasets(model: MultimodalGPT, blind: boolean, first = false): MultimodalDataset[] {
  const { imageTokens } = model.config.vision;
  const of = (name: string, modes: readonly Mode[], images: number, text: number, weight: number) => {
    const length = text + (blind ? 0 : images * imageTokens);
    return {
      name,
      images: blind ? 0 : images,
      length,
      weight,
      async example(index: number) {
        const random = new Random(seed + 2, index);
        const mode = modes[random.integer(modes.length)]!;
        return segments(await sample(mode, random, pictures, 'train', { turns: 5 }), blind, text);
      },
    };
  };
  // To begin with, one image and all that is in it: the densest signal for what image tokens mean.
  if (first) return [of('descriptions', ['describe'], 1, 56, 1)];
  return [
    of('one image', ['image', 'marks', 'marks'], 1, 84, 0.62),
    of('two images', ['compare', 'compare', 'interleaved'], 2, 64, 0.16),
    of('few-shot', ['few-shot'], 3, 36, 0.1),
    of('text', ['text'], 0, 84, 0.12),
  ];
}

/** As many turns as fit into `text` tokens. */
function segments({ mode, turns }: Sample, blind: boolean, text: number) {
  const kept = [];
  let used = 0;
  for (const { question, answer } of turns) {
    const words = [...question.filter((part) => typeof part === 'string'), answer];
    used += words.reduce((sum, part) => sum + tokenizer.encode(part).length, 0) + 3;
    if (used > text) break;
    const parts = blind ? question.filter((part) => typeof part === 'string') : question;
    kept.push({ role: 'user', parts }, { role: 'assistant', parts: [answer] });
  }
  const all = chatSegments(template, kept);
  if (mode !== 'few-shot') return all;
  // Made-up names cannot be foreseen; only the last answer follows from what was shown.
  const isTurn = (segment: ExampleSegment) => 'text' in segment && segment.text === '<|assistant|>';
  const last = all.map(isTurn).lastIndexOf(true);
  return all.map((segment, at) => ('text' in segment && at < last ? { ...segment, train: false } : segment));
}

interface Phase {
  readonly name: string;
  readonly stage: TrainingStage;
  /** Descriptions only */
  readonly first?: boolean;
  readonly steps: number;
  readonly schedule: 'constant' | 'linear';
  readonly warmup: number;
}

/** Trains until the phase is over, or the file `finish` appears in the output folder: machines differ. */
async function train(model: MultimodalGPT, phase: Phase) {
  const { name, steps, first, ...rest } = phase;
  const curve: { step: number; loss: number }[] = [];
  const started = process.cpuUsage();
  const finish = new AbortController();
  let sum = 0;
  for await (const event of trainMultimodal(model, datasets(model, blind, first), {
    ...rest,
    steps,
    batchSize,
    learningRate: Number(flags.rate),
    minLearningRate: 0,
    weightDecay: 0.05,
    betas: [0.9, 0.98],
    seed: seed + name.length,
    precision,
    learningRateScale: (name) => (/^(vision_tower|multi_modal)/.test(name) ? encoderScale : 1),
    signal: finish.signal,
  })) {
    if (event.type !== 'step') continue;
    sum += event.loss;
    if (event.step % 250 === 0) await save(model);
    if (phase.schedule === 'constant' && existsSync(`${flags.out}/finish`)) finish.abort();
    if (event.step % 50 !== 0) continue;
    curve.push({ step: event.step, loss: sum / 50 });
    sum = 0;
    const { user, system } = process.cpuUsage(started);
    console.log(
      `${name} ${event.step}/${steps}  loss ${curve.at(-1)!.loss.toFixed(4)}  ${event.tokensPerSecond.toFixed(0)} tokens/s  ${((user + system) / 60e6).toFixed(1)} min CPU`,
    );
  }
  return curve;
}

async function save(of: MultimodalGPT): Promise<void> {
  await of.save(`${flags.out}/${flags.twin ? 'twin' : 'model'}`, { encoderDtype: 'F16' });
}

const config = {
  vocabSize: tokenizer.vocabSize,
  contextLength: 192,
  nLayer: 4,
  nHead: 4,
  nEmbd: 128,
  positions: 'rotary',
  initializerRange: 0.05,
  eosTokenId: endId,
  vision: { projector: 'mlp' },
} as const;

const started = process.cpuUsage();
const blind = flags.twin;
const clip = blind
  ? CLIP.create(encoder, { seed, preprocess })
  : await contrastive(Number(flags.contrastive));
using model = MultimodalGPT.create(config, { clip, seed, tokenizer, template });
console.log(
  `${(model.gpt.parameterCount / 1e6).toFixed(2)} M parameters in the language model and projector, ${(countParameters(encoder) / 1e6).toFixed(2)} M in the CLIP`,
);
await save(model);
const curves: Record<string, unknown> = {};
// No stage `align`: with a language model that knows nothing yet, a projector alone can only learn to say one thing
// very loudly, and what it says is hard to unlearn.
const stage = blind ? 'instruct' : 'full';
const phases: Phase[] = [
  { name: 'describe', stage, first: true, steps: Number(flags.first), schedule: 'constant', warmup: 100 },
  { name: 'main', stage, steps: Number(flags.steps), schedule: 'constant', warmup: 100 },
  { name: 'decay', stage, steps: Number(flags.decay), schedule: 'linear', warmup: 20 },
];
for (const phase of phases.filter(({ steps }) => steps > 0)) curves[phase.name] = await train(model, phase);
const { user, system } = process.cpuUsage(started);
await save(model);
const name = blind ? 'twin' : 'model';
const { out: _, ...steps } = flags; // where it was written says nothing about the run
writeFileSync(
  `${flags.out}/${name}.json`,
  `${JSON.stringify({ cpuMinutes: (user + system) / 60e6, steps, compute, curves }, null, 1)}\n`,
);
console.log(`saved ${flags.out}/${name}`);
