import { expect, test } from 'vitest';
import { runCli } from '../../src/cli/program.js';

test('an empty command line is no error', async () => {
  expect(await runCli([])).toBe(0);
});
