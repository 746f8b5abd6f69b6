/**
 * Step 1 of the preference run: the base model learns to answer, from short Dolly pairs and the preferred answers of the
 * comparisons that are not held out (all but the first part).
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-sft.ts --base runs/base --out runs/sft
 */
import { GPT, initCompute } from '@gpt-lineage/gpt-core';
import { RunDirectory } from '@gpt-lineage/gpt-core/node';
import { SFTTrainer } from '../src/index.js';
import { recipeArguments } from './arguments.js';
import { fitting, heldOutFold, instructions } from './preference-data.js';

const args = recipeArguments();
await initCompute();
using model = await GPT.load(args.text('base', 'runs/base'));
const out = args.text('out', 'runs/sft');
const dialogues = fitting(heldOutFold(0).training, model);
const dolly = instructions().filter(
  ({ prompt, completion }) => model.encode(prompt + completion).length < 250,
);
const demonstrations = [...dolly, ...dialogues.map(({ prompt, chosen }) => ({ prompt, completion: chosen }))];
console.log(`${dolly.length} instructions, ${dialogues.length} dialogues`);
const checkpoints = new RunDirectory(out);
await checkpoints.open();
const trainer = new SFTTrainer(model, demonstrations, {
  epochs: args.number('epochs', 2),
  batchSize: 16,
  learningRate: 1e-3,
  warmup: 20,
  weightDecay: 0.1,
  seed: 1,
  checkpoints,
  checkpointEvery: 50,
  resume: true,
});
for await (const event of trainer.train()) {
  if (event.type === 'start') console.log(`${event.steps} steps`);
  if (event.type === 'step' && event.step % 20 === 0)
    console.log(`${event.step} loss ${event.loss.toFixed(3)} ${Math.round(event.tokensPerSecond)} tok/s`);
}
