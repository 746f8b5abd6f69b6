// Gives a reader hostile inputs. Allowed: a result, or a typed error. Anything else is kept in corpus/ and reported.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GptLineageError } from '@gpt-lineage/gpt-core';
import { mutate } from './mutate.mjs';
import { readers, removeFolder } from './readers.mjs';

const LONGEST_MS = 5000;
const corpus = fileURLToPath(new URL('./corpus', import.meta.url));
const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, '-');

/** Inputs that once broke this reader: tried first, always. */
function known(name) {
  const folder = join(corpus, slug(name));
  return existsSync(folder) ? readdirSync(folder).map((file) => readFileSync(join(folder, file))) : [];
}

function keep(name, bytes) {
  const folder = join(corpus, slug(name));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.bin`), bytes);
}

async function attempt(read, bytes) {
  const started = process.cpuUsage();
  try {
    await read(bytes);
  } catch (error) {
    if (!GptLineageError.isInstance(error)) return `${error?.stack ?? error}`;
  }
  // Processor time: a busy machine is nobody's fault.
  const { user, system } = process.cpuUsage(started);
  const took = (user + system) / 1000;
  return took > LONGEST_MS ? `took ${Math.round(took)} ms` : undefined;
}

/** Yields one line for each reader: inputs tried, and what broke it. */
export async function* fuzz({ runs, seed, only }) {
  const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-hostile-'));
  try {
    for (const [name, { good, read }] of Object.entries(await readers(folder))) {
      if (only && !name.includes(only)) continue;
      await read(good); // a reader that refuses the good file would pass everything below
      const inputs = known(name);
      const failures = new Map();
      for (let index = -inputs.length; index < runs; index++) {
        const bytes = index < 0 ? inputs[inputs.length + index] : mutate(good, seed, index);
        const failure = await attempt(read, Buffer.from(bytes));
        if (!failure) continue;
        const kind = failure.split('\n').slice(0, 2).join(' ');
        if (!failures.has(kind)) keep(name, bytes);
        failures.set(kind, { count: (failures.get(kind)?.count ?? 0) + 1, failure });
      }
      yield { name, inputs: runs + inputs.length, failures: [...failures.values()] };
    }
  } finally {
    removeFolder(folder);
  }
}
