// A GPT that writes in the page: WebAssembly underneath, nothing on a server. Start it with `npx vite browser-inference`.
import { initCompute } from '@gpt-lineage/compute';
import { type CheckpointReader, GPT } from '@gpt-lineage/gpt-core';
import { readSafetensors, urlSource } from '@gpt-lineage/vision-clip/safetensors';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threads from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import config from '../../apps/demo/checkpoints/shakespeare-char/config.json?url';
import weights from '../../apps/demo/checkpoints/shakespeare-char/model.safetensors?url';
import tokenizer from '../../apps/demo/checkpoints/shakespeare-char/tokenizer.json?url';

/** A checkpoint folder whose files stand behind URLs. */
function remoteFolder(files: Record<string, string>): CheckpointReader {
  return {
    path: 'shakespeare-char',
    readText: async (name) => (files[name] === undefined ? undefined : (await fetch(files[name])).text()),
    openWeights: async () => readSafetensors(await urlSource(weights)),
  };
}

const text = document.getElementById('text')!;
const rate = document.getElementById('rate')!;

setWasmPaths({
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threads,
});
const { backend } = await initCompute({ prefer: 'wasm' });
using model = await GPT.load(remoteFolder({ 'config.json': config, 'tokenizer.json': tokenizer }));

text.textContent = 'ROMEO:';
const started = performance.now();
let count = 0;
for await (const token of model.stream('ROMEO:', { maxTokens: 120, temperature: 0.8, topK: 20, seed: 1 })) {
  text.textContent += token.text;
  count += 1;
  rate.textContent = `${Math.round((1000 * count) / (performance.now() - started))} tokens a second on ${backend}`;
}
document.title = 'done';
