import { runSandboxed, type SandboxOptions, type SandboxResult } from './sandbox.js';

const EPILOGUES = {
  python: (token: string) => `\nimport sys as _sys\n_sys.stdout.write("\\n${token}\\n")\n`,
  javascript: (token: string) => `\nprocess.stdout.write("\\n${token}\\n");\n`,
};

/**
 * Runs a program that ends in its own tests. It passes only if it gets past them to its last line, which prints a token
 * chosen here: leaving early with exit code 0 does not count.
 */
export async function runVerified(program: string, options: SandboxOptions): Promise<SandboxResult> {
  const token = crypto.randomUUID();
  const result = await runSandboxed(program + EPILOGUES[options.language ?? 'python'](token), options);
  if (result.status === 'passed' && !result.stdout.includes(token)) return { ...result, status: 'failed' };
  return { ...result, stdout: result.stdout.replace(`\n${token}\n`, '') };
}
