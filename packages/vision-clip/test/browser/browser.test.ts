import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setupBackend } from '@gpt-lineage/compute/testing';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIP } from '../../src/model/clip.js';
import { decodeImage } from '../../src/node/decode.js';
import { cropForEncoder } from '../../src/preprocess/preprocess.js';
import { fixtureJson, fixturePath, maxDifference } from '../support.js';

const candidates = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const executablePath = candidates.find((path) => path && existsSync(path));
if (!executablePath) {
  console.warn('browser test skipped: no Chromium found; install one or set CHROMIUM_PATH');
}

/** JPEG and WebP decoders differ in the last bit between libraries; formats without loss must not. */
const exact = ['rgb.png', 'grey.png', 'palette.png', 'one-bit.png', 'animated.gif'];
const lossy = ['photo.jpg', 'exif6.jpg'];
const head = readFileSync(fixturePath('images/rgb.png'));

function bomb(): Uint8Array {
  const bytes = new Uint8Array(head);
  new DataView(bytes.buffer).setUint32(16, 50_000);
  new DataView(bytes.buffer).setUint32(20, 50_000);
  return bytes;
}

const hostile: Record<string, Uint8Array | string> = {
  'empty.png': '',
  'text.png': 'not a picture',
  'entities.svg': '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg/>',
  'truncated.png': new Uint8Array(head.subarray(0, 40)),
  'bomb.png': bomb(),
};

interface PageResult {
  backend: string;
  decoded: Record<string, { width: number; height: number; channels: number; sha: string; crop: string }>;
  errors: Record<string, string>;
  models: Record<'vit' | 'rn', { image: number[]; text?: number[] }>;
  marks: { ring: number[]; inside: number[] };
  shape: number[];
}

describe.skipIf(!executablePath)('in headless Chromium', () => {
  let browser: Browser;
  let server: Server;
  let base: string;
  beforeAll(async () => {
    const result = await build({
      entryPoints: [fileURLToPath(new URL('./page.ts', import.meta.url))],
      bundle: true,
      write: false,
      format: 'iife',
      platform: 'browser',
      target: 'es2022',
      conditions: ['@gpt-lineage/source'],
      external: ['@tensorflow/tfjs-backend-webgpu', 'onnxruntime-web', 'onnxruntime-node', 'koffi'],
      logLevel: 'silent',
      metafile: true,
    });
    const inputs = Object.keys(result.metafile.inputs);
    expect(inputs.filter((name) => /src\/node\/|node_modules\/.*sharp/.test(name))).toEqual([]);
    const script = result.outputFiles[0]!.text;
    const wasm = wasmFolder();
    server = createServer((request, response) => {
      const path = normalize(decodeURIComponent(request.url ?? '/')).slice(1);
      const serve = (body: Uint8Array | string, type: string) =>
        response.writeHead(200, { 'content-type': type }).end(body);
      if (path === '') return void serve('<!doctype html><script src="/page.js"></script>', 'text/html');
      if (path === 'page.js') return void serve(script, 'text/javascript');
      const [kind, ...rest] = path.split('/');
      const name = rest.join('/');
      if (kind === 'hostile' && name in hostile) return void serve(hostile[name]!, 'image/png');
      const file =
        kind === 'wasm' && wasm
          ? join(wasm, name)
          : kind === 'fixtures'
            ? fileURLToPath(fixturePath(name))
            : '';
      if (!existsSync(file) || name.includes('..')) return void response.writeHead(404).end();
      serve(readFileSync(file), name.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it.each(['wasm', 'cpu'] as const)('decodes, prepares, encodes and draws on %s', async (backend) => {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(base);
    const result = (await page.evaluate(
      ([url, engine, files, vit, rn]) =>
        (globalThis as unknown as { run(...args: unknown[]): Promise<unknown> }).run(
          url,
          engine,
          files,
          vit,
          rn,
        ),
      [
        base,
        backend,
        [...exact, ...lossy],
        'fixtures/clip-vit-tiny/model',
        'fixtures/clip-rn-tiny/model',
      ] as const,
    )) as PageResult;
    await page.close();
    expect(problems).toEqual([]);
    expect(result.backend).toBe(backend);

    const expected =
      fixtureJson<Record<string, { width: number; height: number; channels: number; sha: string }>>(
        'images/expected.json',
      );
    const { createHash } = await import('node:crypto');
    for (const name of [...exact, ...lossy]) {
      const { width, height, channels, sha } = expected[name]!;
      const got = result.decoded[name]!;
      expect({ name, width: got.width, height: got.height, channels: got.channels }).toEqual({
        name,
        width,
        height,
        channels,
      });
      if (!exact.includes(name)) continue;
      expect({ name, sha: got.sha }).toEqual({ name, sha });
      const { indexed: _, ...image } = await decodeImage(fileURLToPath(fixturePath(`images/${name}`)));
      const crop = cropForEncoder(image, { size: 32 });
      expect(got.crop, name).toBe(createHash('sha256').update(crop.data).digest('hex').slice(0, 16));
    }
    expect(result.errors).toEqual({
      'empty.png': 'empty',
      'text.png': 'unsupported',
      'entities.svg': 'unsafe',
      'truncated.png': 'corrupt',
      'bomb.png': 'too-large',
    });
    expect(result.marks).toEqual({ ring: [255, 0, 0], inside: [128, 128, 128] });
    expect(result.shape).toEqual([2, 3, 16, 16]);

    await setupBackend();
    for (const name of ['vit', 'rn'] as const) {
      using clip = await CLIP.load(fixturePath(`clip-${name}-tiny/model/`));
      const { imageSize } = clip.config.vision!;
      const values = Float32Array.from({ length: 3 * imageSize ** 2 }, (_, i) => Math.sin(i * 0.7) * 1.5);
      const image = await clip.encodeImage({ data: values, shape: [3, imageSize, imageSize] }).data();
      expect(maxDifference(result.models[name].image, image), name).toBeLessThan(1e-5);
      if (clip.config.text) {
        expect(
          maxDifference(result.models[name].text!, await clip.encodeText([[5, 9, 599]]).data()),
        ).toBeLessThan(1e-5);
      }
    }
  });
});

/** Where tfjs-backend-wasm keeps its `.wasm` files. */
function wasmFolder(): string | undefined {
  const require = createRequire(import.meta.url);
  return dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')).concat('/dist');
}
