// Talk about pictures: a small GPT that sees is asked about a scene, then about what a mark on it encloses.
import { fileURLToPath } from 'node:url';
import { initCompute, MultimodalGPT } from '@gpt-lineage/gpt-core';
import { drawMarks, type RawImage } from '@gpt-lineage/vision-clip';

await initCompute();
const folder = fileURLToPath(new URL('../apps/demo/checkpoints/multimodal', import.meta.url));
using model = await MultimodalGPT.load(folder);

/** A white picture of 48 × 48 pixels with a square in each place of a three by three grid that has a colour. */
function squares(places: Readonly<Record<string, readonly number[]>>): RawImage {
  const image = { width: 48, height: 48, channels: 3 as const, data: new Uint8Array(48 * 48 * 3).fill(255) };
  for (const [place, color] of Object.entries(places)) {
    const [column, row] = place.split(',').map(Number) as [number, number];
    for (let y = 2; y < 14; y++)
      for (let x = 2; x < 14; x++) image.data.set(color, ((row * 16 + y) * 48 + column * 16 + x) * 3);
  }
  return image;
}

const scene = squares({ '0,0': [225, 40, 45], '2,2': [45, 80, 235] }); // red top left, blue bottom right
const { image: marked } = await drawMarks(scene, [
  { kind: 'circle', center: [40, 40], radius: 11, color: 'red' },
]);

/** Messages as OpenAI's API has them; `data:` URLs (`image_url`) work as well as decoded images. */
async function ask(question: string, image: RawImage) {
  const content = [
    { type: 'image' as const, image },
    { type: 'text' as const, text: question },
  ];
  const { text } = await model.chat([{ role: 'user', content }], { maxTokens: 16 });
  console.log(`${question} → ${text.trim()}`);
}

await ask('how many objects are there?', scene);
await ask('what is inside the red circle?', marked);

// Or choose among answers by their likelihood.
const answers = ['red square', 'blue square', 'green star'];
const prompt = await model.prepareChat([
  {
    role: 'user',
    content: [
      { type: 'image', image: marked },
      { type: 'text', text: 'what is inside the red circle?' },
    ],
  },
]);
const [scores] = await model.score([prompt], [answers]);
for (const [at, answer] of answers.entries()) console.log(answer, scores![at]!.logLikelihood.toFixed(2));
