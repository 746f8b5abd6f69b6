import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createProgress, lossChart } from '../../src/cli/progress.js';
import { learningRateSchedule, type TrainingEvent } from '../../src/index.js';
import { formatBytes, formatCount, formatDuration, formatQuantity } from '../../src/metrics/format.js';
import { crc32c, fileHeaderRecord, scalarsRecord, textRecord } from '../../src/metrics/tensorboard.js';
import { jsonlLog, readJsonlLog, tensorBoardLog } from '../../src/node/metrics-log.js';
import { rampedRows } from '../../src/training/learning-rate.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-metrics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const step = (n: number, loss = 2.5): TrainingEvent => ({
  type: 'step',
  step: n,
  tokens: 64 * n,
  loss,
  learningRate: 1e-3,
  gradientNorm: 1.25,
  batchSize: 4,
  applied: true,
  tokensPerSecond: 1000,
  memoryBytes: 4096,
  durationMs: 64,
  etaMs: 1000,
});

describe('TensorBoard event files', () => {
  it('have the checksums of RFC 3720', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  });

  it('encode the fields of event.proto', () => {
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    // double 1.5; string "brain.Event:2"
    expect(hex(fileHeaderRecord(1.5)).slice(0, 16)).toBe('1800000000000000');
    expect(hex(fileHeaderRecord(1.5)).slice(24, 72)).toBe('09000000000000f83f1a0d627261696e2e4576656e743a32');
    const payload = Buffer.from(scalarsRecord(2, 300, { 'loss/train': 0.5 }))
      .subarray(12, -4)
      .toString('hex');
    const tag = Buffer.from('loss/train').toString('hex');
    // double 2.0; varint 300; summary { value { tag; simple_value } }
    expect(payload).toBe(`09000000000000004010ac022a130a110a0a${tag}150000003f`);
    expect(Buffer.from(textRecord(2, 1, 'sample', 'Hi')).includes('Hi')).toBe(true);
  });

  it('hold one record per event with numbers', async () => {
    const log = await tensorBoardLog(join(folder, 'tb'));
    log.write(step(1));
    log.write({ type: 'sample', step: 1, text: 'To be' });
    log.write({ type: 'checkpoint', step: 1, path: 'x', isBest: false, durationMs: 1 });
    await log.close();
    const [name] = readdirSync(join(folder, 'tb'));
    const bytes = readFileSync(join(folder, 'tb', name!));
    const records: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      records.push(bytes.subarray(at + 12, at + 12 + length));
      const crc = crc32c(records.at(-1)!);
      expect(bytes.readUInt32LE(at + 12 + length)).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
      at += 16 + length;
    }
    expect(records).toHaveLength(3);
    expect(records[1]!.includes('optimizer/gradient_norm')).toBe(true);
  });
});

describe('JSONL logs', () => {
  it('go on from the resumed step, dropping what came after and torn lines', async () => {
    const path = join(folder, 'metrics.jsonl');
    writeFileSync(path, `${[1, 2, 3, 4].map((n) => JSON.stringify(step(n))).join('\n')}\n{"type":"step","st`);
    const log = await jsonlLog(path, 2);
    log.write(step(3, 9));
    await log.close();
    const events = await readJsonlLog(path);
    expect(events.map((event) => event.type === 'step' && [event.step, event.loss])).toEqual([
      [1, 2.5],
      [2, 2.5],
      [3, 9],
    ]);
  });
});

describe('progress', () => {
  it('writes plain lines where there is no terminal', () => {
    const lines: string[] = [];
    const progress = createProgress({ terminal: false, write: (text) => void lines.push(text) });
    progress.show({ type: 'start', step: 0, steps: 80, parameters: 1234567, tokensPerStep: 64 });
    for (let n = 1; n <= 80; n++) progress.show(step(n));
    progress.close();
    expect(lines[0]).toBe('training: 1.23M parameters, 64.0 tokens a step, 80 steps\n'.replace('64.0', '64'));
    expect(lines).toHaveLength(1 + 41);
    expect(lines[1]).toBe('step  1/80  loss 2.5000  lr 1.00e-3  norm 1.25  1.00k tok/s  1s left\n');
  });

  it('draws the loss and writes quantities for people', () => {
    const chart = lossChart(
      Array.from({ length: 200 }, (_, i) => 4 - i / 100),
      { width: 40, height: 6 },
    );
    expect(chart.split('\n')).toHaveLength(7);
    expect(lossChart([1])).toBe('');
    expect([0, 59_000, 185_000, 3_720_000].map(formatDuration)).toEqual(['0s', '59s', '3m 05s', '1h 02m']);
    expect([999, 12_300, 4.5e6, 1.2e9].map(formatCount)).toEqual(['999', '12.3k', '4.50M', '1.20B']);
    expect([512, 3.1e6, 1.2e9].map(formatBytes)).toEqual(['512 B', '3.10 MB', '1.20 GB']);
    expect(formatDuration(400 * 86_400_000 + 5 * 3_600_000)).toBe('400d 05h');
    expect([7.42e10, 3.35e18].map((value) => formatQuantity(value, 'FLOP'))).toEqual([
      '74.2 GFLOP',
      '3.35 EFLOP',
    ]);
  });
});

describe('schedules', () => {
  it('warm up, decay, and stay at the minimum', () => {
    const rate = (options: object) =>
      learningRateSchedule({ peak: 1, minimum: 0.1, warmup: 4, decay: 24, ...options });
    expect([0, 3, 4, 14, 24, 99].map(rate({}))).toEqual([0.2, 0.8, 1, 0.55, 0.1, 0.1]);
    expect([0, 2, 4].map(rate({ warmupStart: 'hf' }))).toEqual([0, 0.5, 1]);
    expect(rate({ shape: 'linear' })(9)).toBeCloseTo(0.775);
    expect([4, 19, 24].map(rate({ shape: 'wsd' }))).toEqual([1, 1, 0.1]);
    expect([0, 4, 99].map(rate({ shape: 'constant' }))).toEqual([0.2, 1, 1]);
    expect(rate({ decay: 2 })(1)).toBeCloseTo(0.4); // a run shorter than its warm-up
  });

  it('grow GPT-3’s batch linearly in tokens, in whole micro-batches', () => {
    const rows = (tokens: number) =>
      rampedRows(tokens, 256, 2048, 8, { fromTokens: 32_768, overTokens: 4e9 });
    expect([0, 1e9, 2e9, 4e9, 9e9].map(rows)).toEqual([16, 80, 136, 256, 256]);
  });
});
