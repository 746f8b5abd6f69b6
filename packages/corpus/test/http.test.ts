import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileError, type RawRecord, readRecords } from '../src/index.js';
import { ParquetFileWriter } from '../src/parquet.js';
import { fetchBytes, openRemoteBytes } from '../src/read/http.js';
import { formatOf } from '../src/read/input-files.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** What the server does with a request in place of answering it plainly. */
type Answer = (request: IncomingMessage, response: ServerResponse, range: Range | undefined) => void;
interface Range {
  start: number;
  end: number;
}

const folder = temporaryFolder();
// Larger than what sockets buffer, so that a connection can break before all of it is on its way.
const large = Buffer.alloc(16 << 20);
for (let i = 0; i < large.length; i += 4) large.writeUInt32LE(Math.imul(i + 1, 0x9e3779b1) >>> 0, i);

let base: string;
let content: Buffer;
let headers: Record<string, string>;
let ranges: boolean;
let answers: Answer[];
let requests: { method: string | undefined; range: string | undefined; condition: unknown }[];
/** Breaks the connection that is being answered. */
let cut: () => void;

const server = createServer((request, response) => {
  const { range, 'if-range': condition } = request.headers;
  requests.push({ method: request.method, range, condition });
  const asked = ranges ? /^bytes=(\d+)-(\d*)$/.exec(range ?? '') : null;
  const current =
    condition === undefined || condition === headers.etag || condition === headers['last-modified'];
  const part =
    asked && current
      ? { start: Number(asked[1]), end: Number(asked[2] || content.length - 1) + 1 }
      : undefined;
  cut = () => request.socket.resetAndDestroy();
  const answer = answers.shift();
  if (answer) answer(request, response, part);
  else plain(request, response, part);
});

const plain: Answer = (request, response, part) => {
  const { start, end } = part ?? { start: 0, end: content.length };
  if (part && start >= content.length) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  response.writeHead(part ? 206 : 200, {
    ...headers,
    'content-length': end - start,
    ...(part && { 'content-range': `bytes ${start}-${end - 1}/${content.length}` }),
  });
  response.end(request.method === 'HEAD' ? undefined : content.subarray(start, end));
};

const status =
  (code: number, extra: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(code, extra).end();

const reset: Answer = (request) => request.socket.destroy();

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  content = large;
  headers = { etag: '"1"' };
  ranges = true;
  answers = [];
  requests = [];
});

async function texts(path: string): Promise<unknown[]> {
  const result: RawRecord[] = [];
  for await (const record of readRecords({ path, format: formatOf(path) })) result.push(record);
  return result.map(({ fields }) => fields.text);
}

/**
 * Reads all, and breaks each of the first `breaks` connections once something of it has arrived here: what a client
 * gets of the bytes on the way when a connection breaks is up to chance.
 */
async function readBroken(breaks = 1, whenBroken: () => void = () => {}): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let broken = 0;
  for await (const part of fetchBytes(`${base}/large.bin`)) {
    parts.push(part);
    if (requests.length === broken || broken === breaks) continue;
    broken = requests.length;
    cut();
    whenBroken();
  }
  return Buffer.concat(parts);
}

describe('a whole file over HTTP', () => {
  it('reads compressed records', async () => {
    content = gzipSync(
      Array.from({ length: 2000 }, (_, i) => JSON.stringify({ text: `line ${i}` })).join('\n'),
    );
    expect(await texts(`${base}/data.jsonl.gz`)).toHaveLength(2000);
  });

  it('goes on after a broken connection with a range request for the same version', async () => {
    expect((await readBroken()).equals(large)).toBe(true);
    expect(requests[0]).toEqual({ method: 'GET', range: undefined, condition: undefined });
    expect(requests).toHaveLength(2);
    expect(requests[1]!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(requests[1]!.condition).toBe('"1"');
  });

  it('goes on after many broken connections, as long as each brings something', async () => {
    expect((await readBroken(8)).equals(large)).toBe(true);
    expect(requests).toHaveLength(9);
  });

  it.each([
    ['only a weak entity tag', { etag: 'W/"1"' }, true],
    ['nothing to name a version by', {}, true],
    ['no range requests', { etag: '"1"' }, false],
  ])('reads again and compares where the server has %s', async (_, sent, known) => {
    headers = sent as Record<string, string>;
    ranges = known;
    expect((await readBroken()).equals(large)).toBe(true);
    expect(requests).toHaveLength(2);
    if (known) expect(requests[1]!.range).toBeUndefined();
  });

  it('goes on by the date of the last change', async () => {
    headers = { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    expect((await readBroken()).equals(large)).toBe(true);
    expect(requests[1]!.condition).toBe(headers['last-modified']);
  });

  it.each([
    ['with a new entity tag', { etag: '"1"' }, { etag: '"2"' }],
    ['without any tag', {}, {}],
  ])('notices that the content changed meanwhile, %s', async (_, before, after) => {
    headers = before as Record<string, string>;
    const reading = readBroken(1, () => {
      headers = after as Record<string, string>;
      content = Buffer.from(large);
      content[0]! ^= 1;
    });
    await expect(reading).rejects.toMatchObject({ problem: 'changed' });
  });

  it('notices that the content became shorter', async () => {
    headers = {};
    const reading = readBroken(1, () => {
      content = large.subarray(0, 10);
    });
    await expect(reading).rejects.toMatchObject({ problem: 'changed' });
  });

  it('refuses a range that it did not ask for', async () => {
    answers = [
      plain,
      (_, response) => {
        response.writeHead(206, { ...headers, 'content-range': `bytes 0-9/${large.length}` });
        response.end(large.subarray(0, 10));
      },
    ];
    await expect(readBroken()).rejects.toThrow(/another range/);
  });

  it('asks again where the server is busy, and takes a version anew as long as nothing has arrived', async () => {
    content = Buffer.from('{"text":"a"}\n');
    answers = [status(503, { 'retry-after': '0', etag: '"0"' }), status(429, { 'retry-after': '0' }), reset];
    expect(await texts(`${base}/data.jsonl`)).toEqual(['a']);
    expect(requests).toHaveLength(4);
  });

  it('gives up after five failures in a row, and at once where the request is at fault', async () => {
    const busy = () => status(500, { 'retry-after': '0' });
    answers = Array.from({ length: 5 }, busy);
    await expect(texts(`${base}/data.jsonl`)).rejects.toThrow(
      /gave up after 5 attempts: the server answered 500/,
    );
    expect(requests).toHaveLength(5);
    requests = [];
    answers = [status(404)];
    const error: unknown = await texts(`${base}/absent`).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(FileError);
    expect(String(error)).toMatch(/404/);
    expect(requests).toHaveLength(1);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of fetchBytes(`${base}/large.bin`, stop.signal)) stop.abort();
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('Parquet over HTTP', () => {
  beforeAll(async () => {
    const writer = await ParquetFileWriter.create<{ text: string }>(join(folder, 'remote.parquet'), {
      text: 'string',
    });
    for (let n = 0; n < 100; n++) await writer.write({ text: `row ${n}` });
    await writer.finish();
  });
  beforeEach(() => {
    content = readFileSync(join(folder, 'remote.parquet'));
  });

  it('reads by ranges', async () => {
    expect(await texts(`${base}/remote.parquet`)).toHaveLength(100);
    expect(requests[0]!.method).toBe('HEAD');
    expect(requests.slice(1).every(({ range }) => range !== undefined)).toBe(true);
  });

  it('asks again when a connection breaks, the first request included', async () => {
    answers = [reset, reset, plain, reset];
    expect(await texts(`${base}/remote.parquet`)).toHaveLength(100);
  });

  it('does without HEAD', async () => {
    answers = [status(403)];
    expect(await texts(`${base}/remote.parquet`)).toHaveLength(100);
    expect(requests[1]).toMatchObject({ method: 'GET', range: 'bytes=0-0' });
  });

  it('says so when the server has no ranges or no length', async () => {
    ranges = false;
    await expect(texts(`${base}/remote.parquet`)).rejects.toThrow(/ignores range requests/);
    answers = [status(405)];
    await expect(texts(`${base}/remote.parquet`)).rejects.toThrow(/does not tell its length/);
  });

  it('notices a new version', async () => {
    const bytes = await openRemoteBytes(`${base}/remote.parquet`);
    expect(Buffer.from(await bytes.slice(0, 4)).toString()).toBe('PAR1');
    headers = { etag: '"2"' };
    await expect(bytes.slice(0, 4)).rejects.toMatchObject({ problem: 'changed' });
  });
});
