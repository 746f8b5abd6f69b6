/** Measures a saved emoji CLIP again: `tsx examples/emoji/evaluate.ts [folder]`. */
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { CLIP } from '@gpt-lineage/vision-clip';
import { loadEmoji, split } from './data.js';
import { measure, show } from './report.js';

await initCompute();
using clip = await CLIP.load(process.argv[2] ?? fileURLToPath(new URL('./model', import.meta.url)));
const { heldOut } = split(await loadEmoji());
console.log(`${heldOut.length} held-out emoji`);
show(await measure(clip, heldOut));
