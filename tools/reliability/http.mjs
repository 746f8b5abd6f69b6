// Gives the demo's server hostile requests over plain sockets: hostile bytes, and well-formed requests with a hostile body.
// Allowed: an answer below 500, or a closed connection. The server must stay up and answer everybody else.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mutate } from './mutate.mjs';
import { startTinyServer } from './tiny-server.mjs';

const LONGEST_MS = 60_000;
const PATIENCE_MS = 500;
const AT_ONCE = 16;

const posts = {
  '/v1/completions': { model: 'tiny', prompt: 'abc', max_tokens: 3, temperature: 0.8, seed: 1, logprobs: 2 },
  '/v1/chat/completions': {
    model: 'tiny',
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
    max_tokens: 3,
    stream: true,
  },
  '/v1/embeddings': { model: 'tiny', input: ['a', 'b'], encoding_format: 'float' },
  '/tokenize': { model: 'tiny', prompt: 'abc' },
  '/detokenize': { model: 'tiny', tokens: [1, 2, 3] },
  '/api/attention': { model: 'tiny', text: 'abc' },
};

function request(method, path, body) {
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close'];
  if (body) head.push('Content-Type: application/json', `Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body ?? Buffer.alloc(0)]);
}

const good = Object.entries(posts).map(([path, body]) => [path, Buffer.from(JSON.stringify(body))]);

/** Number `index` of `seed`: every other one has only its body changed, so that it gets past the HTTP parser. */
function hostile(seed, index) {
  const [path, body] = good[index % good.length];
  if (index % 2 === 0) return request('POST', path, mutate(body, seed, index));
  const whole = index % 7 === 0 ? request('GET', '/v1/models') : request('POST', path, body);
  return mutate(whole, seed, index);
}

/** Sends bytes and reads until the server closes. @returns the whole answer */
function exchange(port, bytes, patienceMs = LONGEST_MS) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer in ${LONGEST_MS / 1000} s`));
    }, LONGEST_MS);
    // A server may wait for the rest of a request that is not whole, or for another one: it learns that there is none.
    const patience = setTimeout(() => socket.end(), patienceMs);
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
      patience.refresh();
    });
    socket.on('error', () => {}); // a reset is a closed connection
    socket.on('close', () => {
      clearTimeout(timer);
      clearTimeout(patience);
      resolve(answer);
    });
    socket.write(bytes);
  });
}

/** @returns the line of the report */
export async function fuzzServer({ runs, seed }) {
  const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-http-'));
  const server = await startTinyServer(folder, {
    shape: { contextLength: 32, nLayer: 1, nHead: 1, nEmbd: 8 },
    flags: ['--max-tokens', '8', '--time-limit', '5'],
    env: { GPT_LINEAGE_BACKEND: 'cpu' },
  });
  const port = Number(new URL(server.url).port);
  const failures = new Map();
  const note = (index, failure) => {
    const kind = failure.slice(0, 200);
    const { count = 0, first = index } = failures.get(kind) ?? {};
    failures.set(kind, { count: count + 1, first, failure: `input ${first}: ${failure}` });
  };
  let next = 0;
  const attack = async () => {
    for (let index = next++; index < runs && server.child.exitCode === null; index = next++) {
      try {
        const answer = await exchange(port, hostile(seed, index), PATIENCE_MS);
        const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
        if (status >= 500 || answer.includes('"server_error"')) note(index, answer.slice(0, 400));
      } catch (error) {
        note(index, error.message);
      }
    }
  };
  try {
    for (const [path, body] of good) {
      const answer = await exchange(port, request('POST', path, body));
      if (!answer.startsWith('HTTP/1.1 200')) throw new Error(`the good request to ${path}: ${answer}`);
    }
    await Promise.all(Array.from({ length: AT_ONCE }, attack));
    if (server.child.exitCode !== null) note(next, `the server ended: ${server.errors()}`);
    else {
      const answer = await exchange(port, request('POST', ...good[0]));
      if (!answer.startsWith('HTTP/1.1 200')) note(next, `afterwards: ${answer.slice(0, 400)}`);
    }
  } finally {
    server.child.kill('SIGTERM');
    await server.ended;
    rmSync(folder, { recursive: true, force: true });
  }
  return { name: 'HTTP requests', inputs: runs, failures: [...failures.values()] };
}
