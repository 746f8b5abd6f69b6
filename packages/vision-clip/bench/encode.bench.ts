/**
 * ViT-B/32 image encoding, random weights, batch 8: JPEG files in, normalised embeddings out. Ours and the Python
 * peers take turns, pass by pass, so that a busy machine slows both.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { computeInfo, initCompute } from '@gpt-lineage/compute';
import { CLIP, compileEncoders, decodeImage, embedImages, presets, Random } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';

const quick = process.argv.includes('--quick');
const batchSize = 8;
const count = quick ? 8 : 24;
const rounds = quick ? 3 : 7;
const log = (text: string) => console.log(text);

await initCompute();
const info = computeInfo()!;
const folder = mkdtempSync(join(tmpdir(), 'clip-bench-'));
const files = await makePhotos();
// The image tower only, as the peers have it.
const { text: _, ...visionOnly } = presets['ViT-B/32'];
const clip = CLIP.create(visionOnly, { seed: 1 });

type Mode = 'end-to-end' | 'encode';
interface Pass {
  seconds: number;
  images: number;
  peakMiB: number;
}
interface Contestant {
  readonly name: string;
  run(mode: Mode): Promise<Pass>;
}

let pythonVersions: unknown;
const pythonPeers = await startPython();
const precisions = ['float32', 'bf16'] as const;
const ours: Contestant[] = precisions.map((matmulPrecision) => {
  const encoders = compileEncoders(clip, { matmulPrecision });
  return { name: matmulPrecision, run: (mode) => runOurs(encoders.encodeImage, mode) };
});

const results: object[] = [];
for (const mode of ['end-to-end', 'encode'] as const) {
  const contestants = [...ours, ...pythonPeers];
  const rates = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  const peaks = new Map<string, number>();
  for (const contestant of contestants) await contestant.run(mode); // warm up
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      const { seconds, images, peakMiB } = await contestant.run(mode);
      rates.get(contestant.name)!.push(images / seconds);
      peaks.set(contestant.name, peakMiB);
    }
  }
  const median = (name: string) => [...rates.get(name)!].sort((a, b) => a - b)[rounds >> 1]!;
  log(
    `\nViT-B/32, batch ${batchSize}, ${mode} (${info.backend}, ${info.library} ${info.version}), median of ${rounds}`,
  );
  log(`${'engine'.padEnd(24)}${'images/s'.padStart(10)}${'peak MiB'.padStart(12)}`);
  for (const { name } of contestants) {
    const label = precisions.includes(name as 'bf16') ? `ours, ${name}` : name;
    log(
      `${label.padEnd(24)}${median(name).toFixed(1).padStart(10)}${peaks.get(name)!.toFixed(0).padStart(12)}`,
    );
  }
  for (const { name } of ours) {
    const peers = Object.fromEntries(pythonPeers.map((peer) => [peer.name, median(peer.name)]));
    // Per round, then the median: the load of the machine drops out.
    const ratio = Object.fromEntries(
      pythonPeers.map((peer) => {
        const perRound = rates.get(name)!.map((rate, i) => rate / rates.get(peer.name)![i]!);
        return [peer.name, perRound.sort((a, b) => a - b)[rounds >> 1]!];
      }),
    );
    results.push({
      case: `ViT-B/32 batch 8, ${mode}, ${name}`,
      metric: 'throughput',
      unit: 'images/s',
      ours: median(name),
      peers,
      ratio,
    });
  }
}
results.push(await cosineOfBf16(), {
  case: 'process peak memory',
  metric: 'rss',
  unit: 'MiB',
  ours: process.resourceUsage().maxRSS / 1024,
  peers: {},
  ratio: {},
});
for (const peer of pythonPeers) (peer as { stop?: () => void }).stop?.();
rmSync(folder, { recursive: true });
log('');
console.log(
  JSON.stringify({
    bench: 'vision-clip/encode',
    machine: {
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
      compute: info,
      python: pythonVersions,
    },
    date: new Date().toISOString(),
    results,
  }),
);
process.exit(0);

/** Files → embeddings as `embedImages` makes them, or the encoder alone on prepared batches, one after the other. */
async function runOurs(encode: (pixels: tf.Tensor4D) => Promise<tf.Tensor2D>, mode: Mode): Promise<Pass> {
  const ready: tf.Tensor4D[] = [];
  if (mode === 'encode') {
    for (let i = 0; i < files.length; i += batchSize)
      ready.push(await pixelsOf(files.slice(i, i + batchSize)));
  }
  const start = performance.now();
  if (mode === 'encode') {
    for (const pixels of ready) {
      const embeds = await encode(pixels);
      await embeds.data();
      embeds.dispose();
    }
  } else {
    let images = 0;
    for await (const { shape } of embedImages(clip, files, { batchSize, encode })) images += shape[0];
    if (images !== files.length) throw new Error(`${images} of ${files.length} images came back`);
  }
  const seconds = (performance.now() - start) / 1000;
  tf.dispose(ready);
  return { seconds, images: files.length, peakMiB: process.resourceUsage().maxRSS / 1024 };
}

async function pixelsOf(paths: readonly string[]): Promise<tf.Tensor4D> {
  const { data, shape } = clip.preprocess(await Promise.all(paths.map((path) => decodeImage(path))));
  return tf.tensor4d(data, [...shape] as [number, number, number, number]);
}

/** Worst cosine between float32 and bf16 embeddings of one batch. */
async function cosineOfBf16(): Promise<object> {
  const pixels = await pixelsOf(files.slice(0, batchSize));
  const encoders = compileEncoders(clip, { matmulPrecision: 'bf16' });
  const cosines = tf.sum(tf.mul(clip.encodeImage(pixels), await encoders.encodeImage(pixels)), 1);
  const worst = Math.min(...(await cosines.data()));
  log(`\nworst cosine of bf16 to float32 embeddings: ${worst.toFixed(6)}`);
  return {
    case: 'bf16 against float32 embeddings',
    metric: 'cosine',
    unit: '1',
    ours: worst,
    peers: {},
    ratio: {},
  };
}

/** Photograph-like JPEGs of 640×480: smooth colours with noise on top. */
async function makePhotos(): Promise<string[]> {
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const random = new Random(5, i);
    const coarse = Uint8Array.from({ length: 16 * 12 * 3 }, () => random.integer(256));
    const smooth = await sharp(coarse, { raw: { width: 16, height: 12, channels: 3 } })
      .resize(640, 480, { kernel: 'cubic' })
      .raw()
      .toBuffer();
    for (let at = 0; at < smooth.length; at++)
      smooth[at] = Math.min(255, Math.max(0, smooth[at]! + random.integer(25) - 12));
    const path = join(folder, `${i}.jpg`);
    await sharp(smooth, { raw: { width: 640, height: 480, channels: 3 } })
      .jpeg({ quality: 88 })
      .toFile(path);
    paths.push(path);
  }
  return paths;
}

/** Starts the Python peers; none where Python or torch is missing, with the reason printed. */
async function startPython(): Promise<Contestant[]> {
  const python = process.env.PEERS_PYTHON ?? 'python3';
  const child = spawn(python, ['-W', 'ignore', join(import.meta.dirname, 'peers', 'clip_peer.py')], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.on('error', (error) => errors.push(error.message));
  const first = await lines.next();
  if (first.done) {
    log(`Python peers absent: ${errors.at(-1) ?? `${python} ended`}`);
    return [];
  }
  const { peers, versions } = JSON.parse(first.value) as {
    peers: string[];
    versions: Record<string, string>;
  };
  pythonVersions = versions;
  for (const reason of errors.filter((line) => /^(transformers|open_clip): /.test(line)))
    log(`absent: ${reason}`);
  return peers.map((name) => ({
    name,
    run: async (mode) => {
      child.stdin.write(`${JSON.stringify({ peer: name, mode, files, batch: batchSize })}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error(`${name} ended: ${errors.slice(-3).join(' ')}`);
      return JSON.parse(answer.value) as Pass;
    },
    stop: () => child.kill(),
  }));
}
