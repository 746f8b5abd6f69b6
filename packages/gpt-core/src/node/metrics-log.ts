import { createWriteStream } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { eventScalars, type LoggedEvent } from '../metrics/event-scalars.js';
import { fileHeaderRecord, scalarsRecord, textRecord } from '../metrics/tensorboard.js';
import type { TrainingEvent } from '../training/events.js';
import { writeFileAtomic } from './atomic-files.js';

/** Takes training events and writes them somewhere. */
export interface MetricsLog {
  write(event: LoggedEvent): void;
  close(): Promise<void>;
}

/**
 * One JSON object a line. A file that a resumed run goes on with is first cut back to the step it resumes
 * from, so that it reads as if the run had never stopped.
 *
 * @param path a file, or `'-'` for standard output
 */
export async function jsonlLog(path: string, resumeStep = 0): Promise<MetricsLog> {
  if (path === '-')
    return {
      write: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
      close: async () => undefined,
    };
  const kept = resumeStep > 0 ? await linesUpTo(path, resumeStep) : [];
  await writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''));
  return fileLog(path, (event) => `${JSON.stringify(event)}\n`);
}

/** An event file in `directory` that TensorBoard shows. */
export async function tensorBoardLog(directory: string): Promise<MetricsLog> {
  await mkdir(directory, { recursive: true });
  const seconds = Date.now() / 1000;
  const path = join(directory, `events.out.tfevents.${Math.floor(seconds)}.${hostname()}.${process.pid}.0`);
  await writeFileAtomic(path, fileHeaderRecord(seconds));
  return fileLog(path, (event) => {
    const now = Date.now() / 1000;
    if (event.type === 'sample') return textRecord(now, event.step, 'sample', event.text);
    const scalars = eventScalars(event);
    return scalars && event.step !== undefined ? scalarsRecord(now, event.step, scalars) : undefined;
  });
}

function fileLog(path: string, encode: (event: LoggedEvent) => string | Uint8Array | undefined): MetricsLog {
  const stream = createWriteStream(path, { flags: 'a' });
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure = error;
  });
  return {
    write(event) {
      if (failure) throw failure;
      const content = encode(event);
      if (content !== undefined) stream.write(content);
    },
    close: () =>
      new Promise((resolve, reject) => {
        stream.end(() => (failure ? reject(failure) : resolve()));
      }),
  };
}

/** The lines of an earlier session that belong to steps up to `step`; a torn last line is dropped. */
async function linesUpTo(path: string, step: number): Promise<string[]> {
  const content = await readFile(path, 'utf8').catch(() => '');
  const kept: string[] = [];
  for (const line of content.split('\n')) {
    try {
      const event = JSON.parse(line) as { type?: string; step?: number };
      if (typeof event.step === 'number' && event.step <= step && event.type !== 'end') kept.push(line);
    } catch {
      // Torn by the death of the process that wrote it, or the empty string after the last newline.
    }
  }
  return kept;
}

/** Reads the events of a JSONL log. */
export async function readJsonlLog(path: string): Promise<TrainingEvent[]> {
  const handle = await open(path);
  try {
    const events: TrainingEvent[] = [];
    for await (const line of handle.readLines())
      if (line !== '') events.push(JSON.parse(line) as TrainingEvent);
    return events;
  } finally {
    await handle.close();
  }
}
