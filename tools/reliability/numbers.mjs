// Puts NaN, infinities and numbers that overflow into the weights of a model. Allowed: finite results, or a typed error;
// never a text drawn from numbers that mean nothing, never an update from them.
import {
  arrayStore,
  CharacterTokenizer,
  GPT,
  GptLineageError,
  pretrain,
  windowSource,
} from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { random } from './mutate.mjs';

const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, -3e38, 1e-45];

const allFinite = (numbers, what) => {
  for (const number of numbers) if (!Number.isFinite(number)) throw new Error(`${what}: ${number}`);
};

async function train(model) {
  const store = arrayStore(Array.from({ length: 60 }, (_, i) => (i * 7) % 4));
  const source = windowSource(store, { contextLength: 8, seed: 1 });
  const before = damagedIn(model);
  const [refused, losses] = [new Set(), new Map()];
  let stopped;
  try {
    for await (const event of pretrain(model, source, { steps: 7, batchSize: 2, seed: 1 })) {
      if (event.type === 'guard') refused.add(event.step);
      if (event.type === 'step') losses.set(event.step, event.loss);
    }
  } catch (error) {
    stopped = error;
  }
  for (const [step, loss] of losses) if (!refused.has(step)) allFinite([loss], `the loss of step ${step}`);
  if (damagedIn(model) > before) throw new Error('the damage has spread to other weights');
  if (stopped) throw stopped;
}

/** How many weights are not finite. */
const damagedIn = ({ variables }) =>
  [...variables.values()].flatMap((weights) => [...weights.dataSync()]).filter((x) => !Number.isFinite(x))
    .length;

const uses = {
  async generate(model) {
    const { logProbs } = await model.generate('ab', { maxTokens: 4, temperature: 0 });
    allFinite(logProbs ?? [], 'log-probabilities');
  },
  async 'generate, sampled'(model) {
    const { logProbs } = await model.generate('ab', { maxTokens: 4, temperature: 1, topP: 0.9, seed: 1 });
    allFinite(logProbs ?? [], 'log-probabilities');
  },
  async 'generate, beams'(model) {
    await model.generate('ab', { maxTokens: 4, numBeams: 2 });
  },
  async score(model) {
    const scores = await model.score(['ab', 'a'], ['cd', 'b']);
    allFinite(
      scores.map(({ logLikelihood }) => logLikelihood),
      'log-likelihoods',
    );
  },
  pretrain: train,
};

/** @returns one line of the report for each use */
export async function injectNumbers({ runs, seed }) {
  const tokenizer = CharacterTokenizer.train('abcd');
  const shape = { vocabSize: tokenizer.vocabSize, contextLength: 8, nLayer: 1, nHead: 2, nEmbd: 8 };
  const lines = [];
  for (const [name, use] of Object.entries(uses)) {
    const failures = new Map();
    // A training takes as long as a hundred answers.
    const count = name === 'pretrain' ? Math.ceil(runs / 20) : runs;
    for (let index = 0; index < count; index++) {
      const draw = random(seed * 1_000_003 + index);
      const model = GPT.create(shape, { seed: 1, tokenizer });
      const variables = [...model.variables];
      const [variable, weights] = variables[draw(variables.length)];
      const data = Float32Array.from(await weights.data());
      const [at, value] = [draw(data.length), values[draw(values.length)]];
      data[at] = value;
      tf.tidy(() => weights.assign(tf.tensor(data, weights.shape)));
      try {
        await use(model);
      } catch (error) {
        if (!GptLineageError.isInstance(error)) {
          const failure = `${value} in ${variable}[${at}]: ${error.message}`;
          const times = (failures.get(error.message)?.count ?? 0) + 1;
          failures.set(error.message, { failure, count: times });
        }
      } finally {
        model.dispose();
      }
    }
    lines.push({ name, inputs: count, failures: [...failures.values()] });
  }
  return lines;
}
