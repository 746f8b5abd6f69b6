import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { getEncoding } from '@gpt-lineage/tokenizer-bbpe';
import { deduplicate, pipeline, TokenShardReader, writeTokenShards } from '../src/index.js';
import { Random } from '../src/random.js';
import { ordinaryEncoder } from '../src/tokenizer.js';

const quick = process.argv.includes('--quick');
const rounds = quick ? 1 : 5;
const folder = mkdtempSync(join(tmpdir(), 'corpus-bench-'));
const fixtures = join(import.meta.dirname, '..', 'test', 'fixtures', 'corpus');

interface Result {
  case: string;
  metric: string;
  unit: string;
  ours: number;
  peers: Record<string, number>;
  ratio: Record<string, number>;
}
const results: Result[] = [];
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** `ratio` above 1: ours is better. */
function note(
  name: string,
  metric: string,
  unit: string,
  ours: number,
  peers: Record<string, number>,
  lowerIsBetter = false,
) {
  const ratio = Object.fromEntries(
    Object.entries(peers).map(([peer, value]) => [peer, lowerIsBetter ? value / ours : ours / value]),
  );
  results.push({ case: name, metric, unit, ours, peers, ratio });
  const shown = Object.entries(peers).map(
    ([peer, value]) => `${peer} ${format(value)} (×${ratio[peer]!.toFixed(2)})`,
  );
  console.log(
    `${name.padEnd(44)} ${metric.padEnd(14)} ${format(ours).padStart(12)} ${unit.padEnd(8)} ${shown.join(', ')}`,
  );
}
const format = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(2);

const texts = ['web', 'wiki', 'code', 'zh'].flatMap((name) =>
  gunzipSync(readFileSync(join(fixtures, `${name}.jsonl.gz`)))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text),
);

/** Processor time of this process in ms: other work on a shared machine counts for nothing. */
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const python = [process.env.PEERS_PYTHON, 'python3'].find(
  (each) => each && spawnSync(each, ['-c', 'import numpy']).status === 0,
);
if (!python) console.log('peer absent: Python with numpy (set PEERS_PYTHON)');

async function benchDeduplication(): Promise<void> {
  // English documents of some 250 words, one in four with a near-copy.
  const random = new Random(2);
  const passages = texts.slice(0, 170).flatMap((text) => text.match(/[\s\S]{1,1500}(?:\s|$)/g) ?? []);
  const documents = passages.slice(0, quick ? 400 : 1600).flatMap((text, i) => {
    if (i % 4 !== 0) return [text];
    const words = text.split(' ');
    words[random.below(words.length)] = 'changed';
    return [text, words.join(' ')];
  });
  const path = join(folder, 'documents.jsonl');
  writeFileSync(path, documents.map((text) => JSON.stringify(text)).join('\n'));
  const ours = { wall: [] as number[], cpu: [] as number[] };
  const theirs = { wall: [] as number[], cpu: [] as number[] };
  let peer = '';
  for (let warm = 0; warm < 3; warm++) await deduplicate(documents);
  for (let round = 0; round < rounds; round++) {
    const [started, startedCpu] = [performance.now(), cpu()];
    await deduplicate(documents, { threshold: 0.8, permutations: 128 });
    ours.wall.push((documents.length / (performance.now() - started)) * 1000);
    ours.cpu.push((documents.length / (cpu() - startedCpu)) * 1000);
    if (!python) continue;
    const { stdout, stderr } = spawnSync(
      python,
      [join(import.meta.dirname, 'peers', 'minhash.py'), path, '0.8', '128'],
      {
        encoding: 'utf8',
      },
    );
    if (stdout === '') throw new Error(stderr);
    const { name, seconds, cpuSeconds } = JSON.parse(stdout) as {
      name: string;
      seconds: number;
      cpuSeconds: number;
    };
    peer = name;
    theirs.wall.push(documents.length / seconds);
    theirs.cpu.push(documents.length / cpuSeconds);
  }
  const name = `deduplicate ${documents.length} documents, verified`;
  note(name, 'rate', 'docs/s', median(ours.wall), python ? { [peer]: median(theirs.wall) } : {});
  note(
    `${name}, processor time`,
    'rate',
    'docs/s',
    median(ours.cpu),
    python ? { [peer]: median(theirs.cpu) } : {},
  );
}

async function benchTokenise(): Promise<void> {
  const tokenizer = await getEncoding('gpt2');
  const encode = ordinaryEncoder(tokenizer);
  // Enough text that opening and flushing the one file, a fixed cost per shard, weighs as little as it does in use.
  const corpus = Array.from({ length: quick ? 4 : 12 }, () => texts).flat();
  const bytes = corpus.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const alone: number[] = [];
  const sharded: number[] = [];
  const shares: number[] = [];
  for (const text of texts) encode(text); // Warm.
  for (let round = 0; round < Math.max(3, rounds); round++) {
    let [started, startedCpu] = [performance.now(), cpu()];
    for (const text of corpus) encode(text);
    alone.push(bytes / 1e3 / (performance.now() - started));
    const aloneCpu = cpu() - startedCpu;
    [started, startedCpu] = [performance.now(), cpu()];
    await writeTokenShards(corpus, { directory: folder, tokenizer, endOfText: 50_256 });
    sharded.push(bytes / 1e3 / (performance.now() - started));
    shares.push(aloneCpu / (cpu() - startedCpu));
  }
  note('tokenise and shard (gpt2)', 'throughput', 'MB/s', median(sharded), {
    'tokenizer alone': median(alone),
  });
  // By processor time: other work on the machine and its disk count for nothing.
  note('tokenise and shard (gpt2), processor time', 'share', 'of alone', median(shares), {
    'tokenizer alone': 1,
  });
}

function benchReading(): void {
  const shard = join(folder, 'train-00000.tokens');
  using reader = new TokenShardReader(shard);
  const windows = quick ? 20_000 : 100_000;
  const length = 1025;
  const random = new Random(1);
  const offsets = Array.from({ length: windows }, () => random.below(reader.tokenCount - length));
  const own = new Uint16Array(length);
  const cases = {
    'random windows of 1,025 tokens, each a new array': {
      ours: (offset: number) => void reader.read(offset, length),
      theirs: 'np.array(data[o:o + 1025])',
    },
    'random windows of 1,025 tokens, into one array': {
      ours: (offset: number) => reader.readInto(own, offset),
      theirs: 'np.copyto(own, data[o:o + 1025])',
    },
  };
  const script = (body: string) => `
import json, sys, time, numpy as np
head = open(sys.argv[1], 'rb').read(4096)
header = json.loads(head[16:16 + int.from_bytes(head[12:16], 'little')])
data = np.memmap(sys.argv[1], dtype=np.uint16, mode='r', offset=header['tokensOffset'], shape=header['tokenCount'])
offsets = np.random.RandomState(1).randint(0, len(data) - 1025, ${windows})
own = np.zeros(1025, dtype=np.uint16)
t = time.process_time()
for o in offsets: ${body}
print(time.process_time() - t)`;
  for (const [name, each] of Object.entries(cases)) {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (const offset of offsets) each.ours(offset); // Warm.
    for (let round = 0; round < rounds; round++) {
      const started = cpu();
      for (const offset of offsets) each.ours(offset);
      ours.push(windows / ((cpu() - started) / 1000));
      if (!python) continue;
      const { stdout, stderr } = spawnSync(python, ['-c', script(each.theirs), shard], { encoding: 'utf8' });
      if (stdout === '') throw new Error(stderr);
      theirs.push(windows / Number(stdout));
    }
    note(name, 'rate', 'reads/s', median(ours), python ? { 'numpy.memmap': median(theirs) } : {});
  }
}

function benchIndexMemory(): void {
  const documents = quick ? 50_000 : 1_000_000;
  const run = (mode: string) => {
    const tsx = ['--import', 'tsx', '--conditions', '@gpt-lineage/source'];
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [...tsx, join(import.meta.dirname, 'index-memory.ts'), String(documents), mode],
      { encoding: 'utf8', cwd: join(import.meta.dirname, '..') },
    );
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as { peakBytes: number; secondsToAdd: number; secondsToCompare: number };
  };
  const disk = run('disk');
  const memory = run('memory');
  const name = `${documents.toLocaleString('en-US')} short documents, index on disk`;
  note(name, 'peak memory', 'MB', disk.peakBytes / 1e6, { 'index in memory': memory.peakBytes / 1e6 }, true);
  note(name, 'rate', 'docs/s', documents / (disk.secondsToAdd + disk.secondsToCompare), {});
}

async function benchPipeline(): Promise<void> {
  const seconds: number[] = [];
  let bytes = 0;
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const started = performance.now();
    const manifest = await pipeline(
      {
        output: join(folder, `pipeline-${round}`),
        sources: [
          { name: 'web', files: 'web.jsonl.gz', quality: 'web' },
          { name: 'wiki', files: 'wiki.jsonl.gz', quality: 'web' },
          { name: 'books', files: 'books', quality: 'prose' },
        ],
        pii: true,
        tokenizer: { encoding: 'gpt2' },
      },
      { baseDirectory: fixtures },
    );
    seconds.push((performance.now() - started) / 1000);
    bytes = manifest.sources.reduce((sum, { diversity }) => sum + diversity.characters, 0);
  }
  note('whole pipeline, one thread', 'throughput', 'MB/s', bytes / 1e6 / median(seconds), {});
}

try {
  const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
  const cases = {
    deduplicate: benchDeduplication,
    tokenise: benchTokenise,
    read: benchReading,
    memory: benchIndexMemory,
    pipeline: benchPipeline,
  };
  for (const [name, run] of Object.entries(cases)) if (!only || only.split(',').includes(name)) await run();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
};
console.log(JSON.stringify({ bench: 'corpus', machine, results }));
