import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { encode as gptCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { encode as gptO200k } from 'gpt-tokenizer/encoding/o200k_base';
import { encode as gptP50k } from 'gpt-tokenizer/encoding/p50k_base';
import { encode as gptR50k } from 'gpt-tokenizer/encoding/r50k_base';
import { Tiktoken } from 'js-tiktoken/lite';
import jsCl100k from 'js-tiktoken/ranks/cl100k_base';
import jsR50k from 'js-tiktoken/ranks/gpt2';
import jsO200k from 'js-tiktoken/ranks/o200k_base';
import jsP50k from 'js-tiktoken/ranks/p50k_base';
import { get_encoding } from 'tiktoken';
import { ByteLevelBPETokenizer, getEncoding } from '../src/index.js';
import { EncoderPool } from '../src/node/index.js';
import { buildWorker } from '../test/build-worker.js';

/**
 * Speed beside gpt-tokenizer, js-tiktoken, tiktoken (WASM), and, through PEERS_PYTHON or python3, tiktoken and Hugging
 * Face tokenizers.
 *
 *   tsx --conditions=@gpt-lineage/source bench/tokenizer-bbpe.bench.ts [--quick] [--cpu] [--json FILE]
 *       [--only encode|first|runs|batch|train] [--encodings cl100k_base,o200k_base] [--repeats 7]
 *
 * Peers and ours take turns; the best of the turns counts, so that other load on the machine does not decide. Cold
 * rows are first passes over a text after the tokenizer has seen only another one. `--cpu` counts processor
 * time instead, all threads of the process together: for machines that are busy otherwise.
 */

interface Result {
  case: string;
  metric: string;
  unit: string;
  ours: number;
  peers: Record<string, number>;
  ratio: Record<string, number>;
}

const quick = process.argv.includes('--quick');
const jsonFile = option('--json');
const only = option('--only');
const cpuTime = process.argv.includes('--cpu');
const repeats = Number(option('--repeats') ?? (quick ? 2 : 7));
const results: Result[] = [];
const versions: Record<string, string> = {};

const texts: Record<string, string> = {};
for (const name of ['english', 'code', 'chinese']) {
  const text = gunzipSync(readFileSync(new URL(`data/${name}.txt.gz`, import.meta.url))).toString('utf8');
  texts[name] = quick ? text.slice(0, 300_000) : text;
}
texts.mixed = mixture(Object.values(texts));

const names =
  option('--encodings')?.split(',') ??
  (quick ? ['cl100k_base'] : ['r50k_base', 'p50k_base', 'cl100k_base', 'o200k_base']);
const npmPeers: Record<string, Record<string, (text: string) => ArrayLike<number>>> = {
  r50k_base: {
    'gpt-tokenizer': (text) => gptR50k(text),
    'js-tiktoken': lazily(() => new Tiktoken(jsR50k)),
    'tiktoken (WASM)': lazily(() => get_encoding('r50k_base')),
  },
  p50k_base: {
    'gpt-tokenizer': (text) => gptP50k(text),
    'js-tiktoken': lazily(() => new Tiktoken(jsP50k)),
    'tiktoken (WASM)': lazily(() => get_encoding('p50k_base')),
  },
  cl100k_base: {
    'gpt-tokenizer': (text) => gptCl100k(text),
    'js-tiktoken': lazily(() => new Tiktoken(jsCl100k)),
    'tiktoken (WASM)': lazily(() => get_encoding('cl100k_base')),
  },
  o200k_base: {
    'gpt-tokenizer': (text) => gptO200k(text),
    'js-tiktoken': lazily(() => new Tiktoken(jsO200k)),
    'tiktoken (WASM)': lazily(() => get_encoding('o200k_base')),
  },
};
/** Far slower than the others: measured on the beginning of a text. */
const sampled = new Set(['js-tiktoken', 'tiktoken (WASM)']);
/** How tiktoken itself spells the patterns, which is faster there. */
const gpt2Possessive =
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s";
const possessive: Record<string, string> = {
  r50k_base: gpt2Possessive,
  p50k_base: gpt2Possessive,
  cl100k_base:
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
};
const definitions = new Map<string, ByteLevelBPETokenizer>();
for (const name of names) definitions.set(name, await getEncoding(name as 'r50k_base'));
const trainSize = quick ? 2_256 : 10_256;

if (only === undefined || only === 'encode') await encoding();
if (only === undefined || only === 'first') first();
if (only === undefined || only === 'runs') await runs();
if (only === undefined || only === 'batch') await batch();
if (only === undefined || only === 'train') await training();
report();

async function encoding(): Promise<void> {
  const python = pythonTimes(names, Object.keys(texts), false);
  for (const name of names) {
    const tokenizer = await getEncoding(name as 'r50k_base');
    for (const [kind, text] of Object.entries(texts)) {
      const megabytes = Buffer.byteLength(text) / 1e6;
      const fresh = new ByteLevelBPETokenizer(tokenizer.definition);
      const cold: Record<string, number> = { ours: milliseconds(() => fresh.encode(text)) };
      const best: Record<string, number> = {};
      const counted: number[] = [];
      for (let turn = 0; turn < repeats; turn++) {
        lower(
          best,
          'ours',
          milliseconds(() => tokenizer.encode(text)),
        );
        counted.push(milliseconds(() => tokenizer.count(text)));
        for (const [peer, encode] of Object.entries(npmPeers[name]!)) {
          const share = sampled.has(peer) ? 0.1 : 1;
          if (sampled.has(peer) && turn > 1) continue;
          const part = share === 1 ? text : text.slice(0, Math.floor(text.length * share));
          const time = milliseconds(() => encode(part)) * (text.length / part.length);
          cold[peer] ??= time;
          lower(best, peer, time);
        }
      }
      for (const { case: at, peer, cold: first, warm } of python.times) {
        if (at !== `${name} ${kind}`) continue;
        best[peer] = warm * 1000;
        cold[peer] = first * 1000;
      }
      const speed = (times: Record<string, number>) => mapped(times, (time) => (megabytes / time) * 1000);
      push(`${name} ${kind}`, 'encode', 'MB/s', speed(best), true);
      push(`${name} ${kind}`, 'encode, cold', 'MB/s', speed(cold), true);
      const countMs = Math.min(...counted);
      push(
        `${name} ${kind}`,
        'count',
        'MB/s',
        { ours: (megabytes / countMs) * 1000, encode: (megabytes / best.ours!) * 1000 },
        true,
      );
    }
  }
}

/** From nothing to the ids of a sentence: a new process each time, every tokenizer bundled in the same way. */
function first(): void {
  const folder = mkdtempSync(join(tmpdir(), 'bbpe-first-'));
  const entryPoint = (name: string) => fileURLToPath(new URL(`../src/encodings/${name}.ts`, import.meta.url));
  try {
    for (const name of ['cl100k_base', 'o200k_base']) {
      const sources: Record<string, string> = {
        ours: `import { ${name} } from ${JSON.stringify(entryPoint(name))}; export const run = (text) => ${name}().encode(text);`,
        'gpt-tokenizer': `export { encode as run } from 'gpt-tokenizer/encoding/${name}';`,
        'js-tiktoken': `import { Tiktoken } from 'js-tiktoken/lite'; import ranks from 'js-tiktoken/ranks/${name}'; export const run = (text) => new Tiktoken(ranks).encode(text);`,
      };
      const times: Record<string, number> = {};
      for (const [peer, contents] of Object.entries(sources)) {
        const outfile = join(folder, `${name}-${peer}.mjs`);
        const resolveDir = fileURLToPath(new URL('..', import.meta.url));
        const stdin = { contents, resolveDir };
        const conditions = ['@gpt-lineage/source'];
        buildSync({ stdin, bundle: true, format: 'esm', platform: 'node', conditions, outfile });
        for (let turn = 0; turn < repeats; turn++) lower(times, peer, firstEncode(outfile));
      }
      push(name, 'first encode', 'ms', times, false);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function firstEncode(module: string): number {
  const now = cpuTime
    ? '(() => { const u = process.cpuUsage(); return (u.user + u.system) / 1000; })()'
    : 'performance.now()';
  const script = `const start = ${now}; const { run } = await import(${JSON.stringify(pathToFileURL(module).href)}); run('The first sentence of a conversation.'); console.log(${now} - start);`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }));
}

async function runs(): Promise<void> {
  const tokenizer = await getEncoding('cl100k_base');
  for (const char of ['a', '_']) {
    const text = char.repeat(1 << 20);
    tokenizer.encode(text);
    const times: Record<string, number> = {};
    for (let turn = 0; turn < 3; turn++)
      lower(
        times,
        'ours',
        milliseconds(() => tokenizer.encode(text)),
      );
    push(`1 MB of ${char}`, 'encode', 'ms', times, false);
  }
}

async function batch(): Promise<void> {
  const tokenizer = await getEncoding('cl100k_base');
  const copies = quick ? 2 : Math.ceil(20e6 / Buffer.byteLength(texts.mixed!));
  const all = Array.from({ length: copies }, () => texts.mixed!).join('\n');
  const batchOf = all.match(/[\s\S]{1,20000}/g)!;
  const megabytes = (Buffer.byteLength(all) / 1e6).toFixed(0);
  const removeWorker = await buildWorker();
  const single = new EncoderPool(tokenizer, { workers: 1 });
  const pair = new EncoderPool(tokenizer, { workers: 2 });
  const times: Record<string, number> = {};
  for (let turn = 0; turn < repeats + 2; turn++) {
    lower(
      times,
      'ours',
      await millisecondsAsync(
        () => pair.encodeBatch(batchOf),
        () => performance.now(),
      ),
    );
    lower(
      times,
      'one worker',
      await millisecondsAsync(
        () => single.encodeBatch(batchOf),
        () => performance.now(),
      ),
    );
    lower(
      times,
      'this thread',
      milliseconds(() => tokenizer.encodeBatch(batchOf)),
    );
  }
  single.close();
  pair.close();
  removeWorker();
  push(`encodeBatch of ${megabytes} MB, two workers`, 'time', 'ms', times, false);
}

async function training(): Promise<void> {
  const python = pythonTimes([], [], true);
  const text = trainingText();
  const megabytes = (Buffer.byteLength(text) / 1e6).toFixed(1);
  const times: Record<string, number> = {};
  let merges: string[] = [];
  for (let turn = 0; turn < Math.max(2, repeats / 2); turn++) {
    let trained: ByteLevelBPETokenizer | undefined;
    const time = await millisecondsAsync(async () => {
      trained = await ByteLevelBPETokenizer.train([text], { vocabSize: trainSize });
    });
    lower(times, 'ours', time);
    merges = trained!.toTokenizerJSON().model.merges;
  }
  for (const { peer, warm } of python.times) times[peer] = warm * 1000;
  push(`train ${trainSize - 256} merges on ${megabytes} MB`, 'time', 'ms', times, false);
  if (python.merges !== undefined) {
    const same = merges.filter((merge, i) => merge === python.merges![i]).length;
    console.log(`merges equal to Hugging Face's: ${same} of ${python.merges.length}`);
  }
}

function trainingText(): string {
  return [texts.english, texts.code, texts.chinese].join('\n');
}

interface PythonTimes {
  times: { case: string; peer: string; cold: number; warm: number }[];
  merges?: string[];
}

/** Runs bench/peers.py; nothing when Python or its packages are not there. */
function pythonTimes(encodings: string[], textNames: string[], train: boolean): PythonTimes {
  const python = process.env.PEERS_PYTHON ?? 'python3';
  const folder = mkdtempSync(join(tmpdir(), 'bbpe-bench-'));
  try {
    for (const name of textNames) writeFileSync(join(folder, `${name}.txt`), texts[name]!);
    if (train) writeFileSync(join(folder, 'train.txt'), trainingText());
    const listed = encodings.map((name) => ({ name, pattern: writeVocabulary(folder, name) }));
    const job = {
      texts: textNames,
      encodings: listed,
      train: train ? { text: 'train', vocabSize: trainSize } : null,
    };
    writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
    const script = new URL('peers.py', import.meta.url).pathname;
    const out = execFileSync(python, [script, folder, String(repeats), cpuTime ? 'cpu' : 'wall'], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    const measured = JSON.parse(out.trim().split('\n').pop()!) as PythonTimes & {
      versions: Record<string, string>;
    };
    Object.assign(versions, measured.versions);
    return measured;
  } catch (error) {
    console.log(`Python peers absent (${(error as Error).message.split('\n')[0]})`);
    return { times: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeVocabulary(folder: string, name: string): string {
  const tokenizer = definitions.get(name)!;
  const special = new Set(tokenizer.specialTokens.values());
  const lines: string[] = [];
  for (let id = 0; id < tokenizer.definition.vocabulary.offsets.length - 1; id++) {
    if (!special.has(id)) lines.push(`${Buffer.from(tokenizer.tokenBytes(id)).toString('base64')} ${id}`);
  }
  writeFileSync(join(folder, `${name}.tiktoken`), lines.join('\n'));
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(tokenizer.toTokenizerJSON()));
  return possessive[name] ?? tokenizer.pattern;
}

/** Sections of every text in turn, of different lengths. */
function mixture(parts: string[]): string {
  const sections: string[] = [];
  const at = parts.map(() => 0);
  for (let i = 0; at.every((place, k) => place < parts[k]!.length * 0.6); i++) {
    const k = i % parts.length;
    const size = 800 + ((i * 7919) % 4000);
    sections.push(parts[k]!.slice(at[k]!, at[k]! + (k === 2 ? size >> 2 : size)));
    at[k]! += size;
  }
  return sections.join('\n\n');
}

function lazily(make: () => { encode(text: string, allowed: [], disallowed: []): ArrayLike<number> }) {
  let peer: ReturnType<typeof make> | undefined;
  return (text: string) => {
    peer ??= make();
    return peer.encode(text, [], []);
  };
}

function milliseconds(action: () => unknown): number {
  const start = clock();
  action();
  return clock() - start;
}

function clock(): number {
  if (!cpuTime) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

async function millisecondsAsync(action: () => Promise<unknown>, now = clock): Promise<number> {
  const start = now();
  await action();
  return now() - start;
}

function lower(times: Record<string, number>, key: string, time: number): void {
  times[key] = Math.min(times[key] ?? Number.POSITIVE_INFINITY, time);
}

function mapped(times: Record<string, number>, change: (time: number) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(times).map(([key, time]) => [key, change(time)]));
}

function push(
  at: string,
  metric: string,
  unit: string,
  values: Record<string, number>,
  higherIsBetter: boolean,
): void {
  const { ours, ...peers } = values;
  const ratio = mapped(peers, (value) => Number((higherIsBetter ? ours! / value : value / ours!).toFixed(2)));
  const rounded = (value: number) => Number(value.toPrecision(4));
  results.push({ case: at, metric, unit, ours: rounded(ours!), peers: mapped(peers, rounded), ratio });
  const shown = Object.entries(peers).map(([peer, value]) => `${peer} ${rounded(value)} (${ratio[peer]}×)`);
  console.log(
    `${at.padEnd(24)} ${metric.padEnd(13)} ours ${String(rounded(ours!)).padStart(7)} ${unit}   ${shown.join('   ')}`,
  );
}

function report(): void {
  const declared = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const npm = Object.fromEntries(
    ['gpt-tokenizer', 'js-tiktoken', 'tiktoken'].map((name) => [name, declared.devDependencies[name]]),
  );
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    node: process.version,
    date: new Date().toISOString(),
    clock: cpuTime ? 'processor time' : 'wall time',
    peers: { ...npm, ...versions },
  };
  const line = JSON.stringify({ bench: 'tokenizer-bbpe', machine, results });
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${line}\n`);
  console.log(line);
}
