// Reads a prompt and writes on with transformers.js. "run BATCH LENGTH TOKENS" answers with one line of JSON: seconds to
// the first token, seconds for the others.
// Usage: node generate-transformers-js.mjs FOLDER (a model with onnx/model.onnx)
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { AutoModelForCausalLM, BaseStreamer, env, Tensor } from '@huggingface/transformers';

const folder = process.argv[2];
env.allowRemoteModels = false;
env.localModelPath = `${dirname(folder)}/`;
const model = await AutoModelForCausalLM.from_pretrained(basename(folder), { dtype: 'fp32' });
console.log(JSON.stringify({ ready: true }));

class Clock extends BaseStreamer {
  times = [];
  put() {
    this.times.push(performance.now() / 1000);
  }
  end() {}
}

const int64 = (values, shape) => new Tensor('int64', BigInt64Array.from(values, BigInt), shape);
for await (const line of createInterface({ input: process.stdin })) {
  const [batch, length, tokens] = line.split(' ').slice(1).map(Number);
  const ids = Array.from({ length: batch * length }, (_, i) => (i * 7919) % 50257);
  const streamer = new Clock();
  await model.generate({
    inputs: int64(ids, [batch, length]),
    attention_mask: int64(new Array(batch * length).fill(1), [batch, length]),
    max_new_tokens: tokens + 1,
    min_new_tokens: tokens + 1,
    do_sample: false,
    streamer,
  });
  // The prompt itself comes first.
  const [start, first, ...rest] = streamer.times;
  console.log(
    JSON.stringify({
      prefill: first - start,
      decode: rest.at(-1) - first,
      memory: process.memoryUsage().rss,
    }),
  );
}
