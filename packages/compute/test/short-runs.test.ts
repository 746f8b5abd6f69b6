import { afterEach, describe, expect, it, vi } from 'vitest';
import type { OnnxLibrary } from '../src/executors/onnx/native-library.js';
import { nativeRuntime } from '../src/executors/onnx/native-session.js';

afterEach(() => vi.restoreAllMocks());

/** A library whose runs take as long by the clock as `duration` says, and where each of them ran. */
async function session() {
  let clock = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock);
  const state = { duration: 1, places: [] as string[] };
  const done = (place: string) => {
    state.places.push(place);
    clock += state.duration;
    return null;
  };
  const Run = Object.assign(() => done('here'), {
    async: (...args: unknown[]) => {
      const callback = args.at(-1) as (error: null, status: null) => void;
      setImmediate(() => callback(null, done('elsewhere')));
    },
  });
  const library = {
    c: new Proxy({ Run } as Record<string, unknown>, { get: (c, name) => c[name as string] ?? (() => null) }),
    made: () => ({}),
    check: () => {},
  } as unknown as OnnxLibrary;
  const { InferenceSession, Tensor } = nativeRuntime(library);
  const model = await InferenceSession.create(new Uint8Array(1));
  // Does not count, for it is there in every run.
  const held = new Tensor('float32', new Float32Array(1e6), [1e6]);
  held.hold?.();
  const tensor = (size: number) => new Tensor('float32', new Float32Array(size), [size]);
  const run = async (tokens: number, cached = 1) => {
    state.places.length = 0;
    await model.run({ tokens: tensor(tokens), slots: tensor(cached), held }, { out: tensor(1) });
    return state.places[0];
  };
  return { run, state };
}

describe('a run on the thread that asked for it', () => {
  it('comes after one of its size took less than a frame', async () => {
    const { run } = await session();
    expect(await run(1, 70)).toBe('elsewhere');
    // A cache that grows from token to token.
    for (let cached = 71; cached < 128; cached++) expect(await run(1, cached)).toBe('here');
    expect(await run(1, 128)).toBe('elsewhere');
    expect(await run(1, 129)).toBe('here');
  });

  it('says nothing about more tokens', async () => {
    const { run, state } = await session();
    await run(1, 300);
    expect(await run(1, 301)).toBe('here');
    state.duration = 100;
    expect(await run(200, 200)).toBe('elsewhere');
    expect(await run(200, 200)).toBe('elsewhere');
    state.duration = 1;
    expect(await run(1, 302)).toBe('here');
  });

  it('is the last one where it took longer', async () => {
    const { run, state } = await session();
    await run(100);
    state.duration = 20;
    expect(await run(100)).toBe('here');
    expect(await run(100)).toBe('elsewhere');
    expect(await run(100)).toBe('elsewhere');
    state.duration = 15;
    await run(100);
    expect(await run(100)).toBe('here');
  });

  it('lets timers and events have their turn', async () => {
    const { run } = await session();
    await run(1);
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 0);
    for (let i = 0; i < 1e4 && !fired; i++) expect(await run(1)).toBe('here');
    expect(fired).toBe(true);
  });
});
