#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { parseBackendName } from '../backends/names.js';
import { GptLineageError } from '../errors.js';
import { installNative, uninstallNative } from '../node/install/install-native.js';
import { printBench, printDiagnosis, progressPrinter } from './print.js';

interface CommonFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const { version } = createRequire(import.meta.url)('@gpt-lineage/compute/package.json') as {
  version: string;
};
const program = new Command('gpt-compute')
  .description('Pick, install and prove the TensorFlow.js backend of GPT Lineage')
  .version(version)
  // `install-native --version` is the subcommand's own.
  .enablePositionalOptions()
  .showHelpAfterError();

program
  .command('doctor')
  .description('what is there, what is missing, how to mend it; proves the backend')
  .option('--backend <name>', 'tensorflow, webgpu, wasm or cpu instead of the fastest')
  .option('--verify', 'also compare the checksums of the native installation')
  .option('--json', 'print one JSON object')
  .option('--verbose', 'stack traces on errors')
  .action((flags: CommonFlags & { backend?: string; verify?: boolean }) =>
    guarded(flags, async () => {
      // Loaded only here: installing needs no tensors.
      await import('../index.js');
      const { doctor, isHealthy } = await import('../node/doctor.js');
      const diagnosis = await doctor({
        deep: flags.verify ?? false,
        ...(flags.backend === undefined ? {} : { backend: parseBackendName(flags.backend, '--backend') }),
      });
      if (flags.json) console.log(JSON.stringify(diagnosis));
      else printDiagnosis(diagnosis);
      if (!isHealthy(diagnosis)) process.exitCode = 1;
    }),
  );

program
  .command('install-native')
  .description("build native TensorFlow for tfjs-node in the user's cache, from a pip wheel")
  .option('--version <version>', 'TensorFlow version (default: the tested one)')
  .option('--from <source>', 'a wheel, a libtensorflow archive or folder, or a URL, instead of pip')
  .option('--gpu', 'the CUDA build')
  .option('--force', 'rebuild even when everything is in place')
  .option('--uninstall', 'remove it again (with --version: only that one)')
  .option('--no-verify', 'do not load the finished addon')
  .option('--quiet', 'print errors only')
  .option('--json', 'progress and result as JSON lines')
  .option('--verbose', 'stack traces on errors')
  .action(
    (
      flags: CommonFlags & {
        version?: string;
        from?: string;
        gpu?: boolean;
        force?: boolean;
        uninstall?: boolean;
        verify: boolean;
        quiet?: boolean;
      },
    ) =>
      guarded(flags, async () => {
        const chosen = flags.version === undefined ? {} : { version: flags.version };
        const say = (text: string) => {
          if (!flags.quiet && !flags.json) console.log(text);
        };
        if (flags.uninstall) {
          const removed = await uninstallNative(chosen);
          if (flags.json) console.log(JSON.stringify({ removed }));
          say(removed.length === 0 ? 'Nothing was installed.' : `Removed ${removed.join(', ')}`);
          return;
        }
        const interrupt = new AbortController();
        process.once('SIGINT', () => interrupt.abort(new Interrupted()));
        const printer = progressPrinter(flags.json ? 'json' : flags.quiet ? 'none' : 'text');
        const result = await installNative({
          ...chosen,
          ...(flags.from === undefined ? {} : { from: flags.from }),
          gpu: flags.gpu ?? false,
          force: flags.force ?? false,
          verify: flags.verify,
          onProgress: printer.update,
          signal: interrupt.signal,
        });
        printer.finish();
        if (flags.json) console.log(JSON.stringify(result));
        const seconds = (result.durationMs / 1000).toFixed(1);
        const what = `libtensorflow ${result.manifest.version} (${result.manifest.variant}) in ${result.directory}`;
        say(result.upToDate ? `Up to date: ${what}` : `Installed ${what} in ${seconds} s`);
      }),
  );

program
  .command('bench')
  .description('how fast the backend multiplies, streams memory and runs the fused ops')
  .option('--backend <name>', 'tensorflow, webgpu, wasm or cpu instead of the fastest')
  .option('--json', 'print one JSON object')
  .option('--verbose', 'stack traces on errors')
  .action((flags: CommonFlags & { backend?: string }) =>
    guarded(flags, async () => {
      const backend = flags.backend === undefined ? undefined : parseBackendName(flags.backend, '--backend');
      await import('../index.js');
      const { quickBench } = await import('./bench.js');
      const result = await quickBench(backend);
      if (flags.json) console.log(JSON.stringify(result));
      else printBench(result);
    }),
  );

class Interrupted extends Error {
  override readonly message = 'interrupted; run the command again to continue';
}

/** One clear line for an expected failure, a stack trace on request or for a bug. */
async function guarded(flags: CommonFlags, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const expected = GptLineageError.isInstance(error) || error instanceof Interrupted;
    if (flags.json && GptLineageError.isInstance(error)) {
      console.log(JSON.stringify({ error: { code: error.code, message: error.message } }));
    }
    if (expected && !flags.verbose) console.error(`gpt-compute: ${(error as Error).message}`);
    else console.error(error);
    process.exitCode = error instanceof Interrupted ? 130 : 1;
  }
}

await program.parseAsync();
