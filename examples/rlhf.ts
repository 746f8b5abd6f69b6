// InstructGPT's three steps in one file: demonstrations, a reward model from rankings, PPO against it.
import { initCompute } from '@gpt-lineage/compute';
import { CharacterTokenizer, GPT } from '@gpt-lineage/gpt-core';
import * as rlhf from '@gpt-lineage/trainer-rlhf';

await initCompute();
const names = ['Ann', 'Ben', 'Cleo', 'Dan', 'Eve', 'Finn'];
const polite = ['Yes, please.', 'Thank you!', 'Gladly.'];
const rude = ['No way.', 'Go away!', 'Never.'];
const prompt = (name: string) => `${name}: tea?\n`;

const tokenizer = CharacterTokenizer.train(`${[...names, ...polite, ...rude].join('')}: tea?\n$`);
const eosTokenId = tokenizer.encode('$')[0]!; // ends an answer
const size = {
  vocabSize: tokenizer.vocabSize,
  contextLength: 32,
  nLayer: 2,
  nHead: 2,
  nEmbd: 32,
  eosTokenId,
};
using policy = GPT.create(size, { seed: 1, tokenizer });

// 1. Demonstrations of both manners: the model learns to answer, not yet how people would like it to.
const demonstrations = names.flatMap((name) =>
  [...polite, ...rude].map((completion) => ({ prompt: prompt(name), completion })),
);
const sft = new rlhf.SFTTrainer(policy, demonstrations, { steps: 250, batchSize: 4, learningRate: 3e-3 });
for await (const _ of sft.train());

// 2. Rankings of two answers each; K-way rankings and ties work the same way.
using rewardModel = rlhf.ScalarHeadModel.create(policy);
const rankings = names.flatMap((name) =>
  polite.map((chosen, index) => rlhf.preference(prompt(name), chosen, rude[index]!)),
);
const ranking = new rlhf.RewardTrainer(rewardModel, rankings, {
  epochs: 12,
  batchSize: 6,
  learningRate: 2e-3,
});
for await (const _ of ranking.train());

// 3. PPO: more reward, but not far from where the policy started.
using reference = rlhf.copyModel(policy);
using value = rewardModel.clone();
const prompts = names.map((name) => ({ prompt: prompt(name) }));
const reward = (rollouts: readonly rlhf.Rollout[]) => rlhf.scoreSequences(rewardModel, rollouts);
const options = { iterations: 25, episodes: 24, maxTokens: 14, kl: 0.3, learningRate: 1e-3 };
const ppo = new rlhf.PPOTrainer({ policy, reference, value, prompts, reward, ...options });
for await (const event of ppo.train()) {
  if (event.type !== 'rollout' || event.iteration % 8 > 0) continue;
  const { 'objective/scores': reward, 'objective/kl': kl } = event.metrics;
  console.log(`iteration ${event.iteration}: reward ${reward!.toFixed(2)}, KL ${kl!.toFixed(2)}`);
}
const { choices } = await policy.generate(prompt('Ann'), { maxTokens: 14, n: 5, seed: 1 });
console.log(choices.map(({ text }) => text)); // polite answers, mostly
