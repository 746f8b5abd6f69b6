import { spawn } from 'node:child_process';

const started = Date.now();
const tty = process.stdout.isTTY === true;
const paint = (code, text) => (tty && !process.env.NO_COLOR ? `\u001b[${code}m${text}\u001b[0m` : text);

/** What a step throws when the person at the keyboard can mend it: one sentence, one fix, no stack trace. */
export class StepError extends Error {
  constructor(message, fix) {
    super(message);
    this.fix = fix;
  }
}

export const seconds = (ms) => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

/** Runs one named step and prints its outcome with the time it took. A string result is shown beside the name. */
export async function step(title, body) {
  const begin = Date.now();
  if (tty) process.stdout.write(`${paint('36', '▸')} ${title} …\n`);
  try {
    const note = await body();
    const detail = typeof note === 'string' && note !== '' ? ` – ${note}` : '';
    console.log(`${paint('32', '✓')} ${title}${detail} ${paint('2', `(${seconds(Date.now() - begin)})`)}`);
    return note;
  } catch (error) {
    console.log(`${paint('31', '✗')} ${title} ${paint('2', `(${seconds(Date.now() - begin)})`)}`);
    throw error;
  }
}

/**
 * Runs a command and resolves with what it printed. With `show` the output goes straight to the terminal;
 * otherwise it is kept, and shown only if the command fails.
 */
export function run(command, args, { show = false, env = {}, cwd, allowFailure = false, fix } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) =>
      allowFailure
        ? resolve({ code: 127, output: error.message })
        : reject(new StepError(`cannot run ${command}: ${error.message}`, fix)),
    );
    child.on('close', (code, signal) => {
      if (code === 0 || allowFailure) return resolve({ code: code ?? 1, output });
      if (!show) process.stdout.write(output);
      reject(new StepError(`${command} ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}`, fix));
    });
  });
}

/** Runs a script's main function; failures end with one clear sentence and a non-zero exit code. */
export async function main(body) {
  try {
    const code = await body();
    console.log(paint('2', `total ${seconds(Date.now() - started)}`));
    process.exitCode = typeof code === 'number' ? code : 0;
  } catch (error) {
    console.error(`\n${paint('31', 'error')} ${error.message}`);
    if (error.fix) console.error(`${paint('33', 'fix')}   ${error.fix}`);
    if (!(error instanceof StepError) || process.argv.includes('--verbose')) console.error(error.stack);
    process.exitCode = 1;
  }
}
