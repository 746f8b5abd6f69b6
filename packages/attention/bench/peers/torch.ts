import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface TorchPeer {
  readonly version: string;
  /** Milliseconds and processor milliseconds of one run of PyTorch's causal SDPA. */
  measure(mode: 'forward' | 'training', shape: readonly number[]): Promise<[number, number]>;
  close(): void;
}

/** Starts PyTorch beside us, or says why it is not there. */
export async function startTorch(): Promise<TorchPeer | string> {
  const python = process.env.PEERS_PYTHON ?? 'python3';
  const script = new URL('./torch_sdpa.py', import.meta.url).pathname;
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  const failed = new Promise<undefined>((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('exit', () => resolve(undefined));
  });
  const hello = await Promise.race([next(), failed]);
  if (!hello) return `${python} cannot import torch (set PEERS_PYTHON)`;
  return {
    version: hello.torch,
    async measure(mode, shape) {
      child.stdin.write(`${mode} ${shape.join(' ')}\n`);
      return (await next()) as [number, number];
    },
    close: () => child.stdin.end('quit\n'),
  };
}
