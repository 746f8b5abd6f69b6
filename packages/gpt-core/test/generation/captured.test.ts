import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, it } from 'vitest';
import { CapturedSession } from '../../src/generation/captured-session.js';
import { EagerSession } from '../../src/generation/eager-session.js';
import { GPT } from '../../src/index.js';
import { expectClose } from '../support/fixtures.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

it('captured equals eager', async () => {
  const model = GPT.create(
    {
      vocabSize: 40,
      contextLength: 64,
      nLayer: 3,
      nHead: 4,
      nKvHead: 2,
      nEmbd: 16,
      initializerRange: 0.3,
      layerPattern: ['dense', 'banded(5)', 'fixed(4,1)'],
    },
    { seed: 11 },
  );
  const programs = model.decodePrograms;
  const captured = new CapturedSession(model, programs, 64);
  const eager = new EagerSession(model, 64);
  const a = await captured.read([[1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  const b = await eager.read([[1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  expectClose(a[0]![0]!, b[0]![0]!);
  for (let i = 0; i < 5; i++) {
    const c = await captured.read([[i]]);
    const d = await eager.read([[i]]);
    expectClose(c[0]![0]!, d[0]![0]!);
  }
  captured.dispose();
  eager.dispose();
  model.dispose();
});

it('a fork goes on as the session it came from', async () => {
  const model = GPT.create(
    { vocabSize: 40, contextLength: 32, nLayer: 2, nHead: 4, nKvHead: 2, nEmbd: 16, initializerRange: 0.3 },
    { seed: 11 },
  );
  const session = new CapturedSession(model, model.decodePrograms, 32);
  await session.read([[1, 2, 3, 4]]);
  const fork = session.fork([0, 0]);
  for (const tokens of [
    [5, 6],
    [7, 8],
    [9, 10],
  ]) {
    const [first, second] = await fork.read(tokens.map((id) => [id]));
    const [expected] = await session.read([[tokens[0]!]]);
    expectClose(first![0]!, expected![0]!);
    expect(Array.from(second![0]!)).not.toEqual(Array.from(expected![0]!));
  }
  // The second row, by a session of its own.
  const alone = new CapturedSession(model, model.decodePrograms, 32);
  await alone.read([[1, 2, 3, 4, 6, 8]]);
  const [row] = await alone.read([[10]]);
  const last = new CapturedSession(model, model.decodePrograms, 32);
  await last.read([[1, 2, 3, 4]]);
  const both = last.fork([0, 0]);
  await both.read([[5], [6]]);
  await both.read([[7], [8]]);
  expectClose((await both.read([[9], [10]]))[1]![0]!, row![0]!);
  for (const used of [session, fork, alone, last, both]) used.dispose();
  model.dispose();
});

it('reads weights anew when training has changed them, in every storage', async () => {
  const model = GPT.create(
    { vocabSize: 40, contextLength: 32, nLayer: 2, nHead: 4, nEmbd: 32, initializerRange: 0.3 },
    { seed: 11 },
  );
  for (const weights of ['float32', 'live', 'int8'] as const) {
    for (let turn = 0; turn < 3; turn++) {
      const captured = new CapturedSession(model, model.decodePrograms, 32, weights);
      const eager = new EagerSession(model, 32);
      const [[a], [b]] = [await captured.read([[1, 2, 3]]), await eager.read([[1, 2, 3]])];
      expectClose(a![0]!, b![0]!, weights === 'int8' ? 0.1 : undefined);
      captured.dispose();
      eager.dispose();
      for (const variable of model.variables.values()) tf.tidy(() => variable.assign(tf.mul(variable, -0.8)));
    }
  }
  model.dispose();
});

it('does not read what another session left in the memory of its keys and values', async () => {
  const model = GPT.create(
    { vocabSize: 40, contextLength: 32, nLayer: 2, nHead: 4, nEmbd: 32, initializerRange: 0.3 },
    { seed: 12 },
  );
  const programs = model.decodePrograms;
  const read = async (session: CapturedSession | EagerSession) => {
    await session.read([[1, 2, 3], [4]]);
    return (await session.read([[5], [6]])).map(([row]) => row!);
  };
  const clean = new CapturedSession(model, programs, 32);
  const expected = (await read(clean)).map((row) => row.slice());
  clean.dispose();
  const left = Array.from({ length: 4 }, () => programs.memory.take(2 * 4 * 33 * 8));
  for (const array of left) array.fill(Number.NaN);
  programs.memory.give(left);
  const second = new CapturedSession(model, programs, 32);
  const rows = await read(second);
  rows.forEach((row, at) => {
    expect([...row]).toEqual([...expected[at]!]);
  });
  // It had taken them all.
  expect(programs.memory.take(2 * 4 * 33 * 8)[0]).toBe(0);
  second.dispose();
  model.dispose();
});
