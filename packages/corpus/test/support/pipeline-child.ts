import { readFileSync } from 'node:fs';
import { pipeline } from '../../src/index.js';

/**
 * Runs a pipeline in a process of its own: `pipeline-child.ts config.json workers [stage]`. With a stage, the process
 * kills itself with SIGKILL a moment after that stage began, in the middle of its work.
 */
const [, , configPath, workers, killStage] = process.argv;
const { baseDirectory, ...config } = JSON.parse(readFileSync(configPath!, 'utf8'));
const run = pipeline(config, { workers: Number(workers), baseDirectory });
for await (const event of run) {
  if (event.type === 'stage' && event.stage === killStage) {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 3);
  }
}
