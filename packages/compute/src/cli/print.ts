import type { Diagnosis } from '../node/doctor.js';
import type { InstallProgress } from '../node/install/progress.js';
import type { QuickBench } from './bench.js';

const marks = { ok: 'ok     ', missing: 'missing', broken: 'BROKEN ' };

export function printDiagnosis(diagnosis: Diagnosis): void {
  const { system, compute, matmul, gradients } = diagnosis;
  console.log(`Node ${system.node} on ${system.platform}`);
  console.log(`${system.cpu}, ${system.threads} threads, ${system.memoryGB} GB memory\n`);
  for (const [name, version] of Object.entries(diagnosis.packages)) console.log(`  ${name} ${version}`);
  console.log('');
  for (const check of diagnosis.checks) {
    console.log(`  ${marks[check.state]} ${check.name}: ${check.detail}`);
    if (check.fix !== undefined) console.log(`          → ${check.fix}`);
  }
  const threads = compute.threads === undefined ? '' : `, ${compute.threads} threads`;
  console.log(`\nbackend    ${compute.backend} on ${compute.device}${threads}`);
  console.log(`library    ${compute.library} ${compute.version}`);
  console.log(`why        ${compute.why}`);
  console.log(
    `product    ${matmul.size}³ in ${matmul.ms.toFixed(1)} ms = ${matmul.gflops.toFixed(1)} GFLOP/s`,
  );
  console.log(`gradients  ${gradients.ok ? 'ok' : 'WRONG'}: ${gradients.detail}`);
}

export function printBench(result: QuickBench): void {
  const { compute } = result;
  console.log(`${compute.backend} on ${compute.device}: ${compute.library} ${compute.version}\n`);
  const width = Math.max(...result.rows.map((row) => row.name.length));
  for (const row of result.rows) {
    console.log(
      `${row.name.padEnd(width)}  ${row.ms.toFixed(2).padStart(9)} ms  ${row.rate.toFixed(1).padStart(8)} ${row.unit}`,
    );
  }
}

export interface ProgressPrinter {
  readonly update: (progress: InstallProgress) => void;
  finish(): void;
}

/** A moving line on a terminal, one line per phase elsewhere. */
export function progressPrinter(style: 'text' | 'json' | 'none'): ProgressPrinter {
  if (style === 'none') return { update: () => {}, finish: () => {} };
  const terminal = process.stdout.isTTY === true;
  let last = '';
  let lastPercent = -1;
  let open = false;
  const started = performance.now();
  const update = ({ phase, message, fraction }: InstallProgress) => {
    const percent = fraction === undefined ? -1 : Math.floor(fraction * 100);
    const line = `${phase}: ${message}`;
    if (line === last && percent === lastPercent) return;
    const fresh = line !== last;
    last = line;
    lastPercent = percent;
    if (style === 'json') {
      console.log(JSON.stringify({ phase, message, ...(fraction === undefined ? {} : { fraction }) }));
      return;
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
    const text = `[${seconds}s] ${line}${percent > 0 && percent < 100 ? ` ${percent}%` : ''}`;
    if (!terminal) {
      if (fresh) console.log(text);
      return;
    }
    if (open && fresh) process.stdout.write('\n');
    process.stdout.write(`\r\x1b[K${text}`);
    open = true;
  };
  return {
    update,
    finish: () => {
      if (open) process.stdout.write('\n');
      open = false;
    },
  };
}
