import { platform } from '#platform';
import { type BackendName, parseBackendName } from '../backends/names.js';
import { type ComputeInfo, initCompute } from '../init.js';

/** The backend that `GPT_LINEAGE_BACKEND` asks the tests to run on. Default: `wasm`, which is there everywhere. */
export function testBackend(): BackendName {
  const asked = platform.env('GPT_LINEAGE_BACKEND');
  return asked ? parseBackendName(asked, 'GPT_LINEAGE_BACKEND') : 'wasm';
}

/**
 * For `beforeAll(setupBackend)`: activates {@link testBackend} and nothing else, so that a test run that names a
 * backend cannot pass on another one.
 *
 * @throws {BackendUnavailableError} when that backend does not work here
 */
export async function setupBackend(): Promise<ComputeInfo> {
  return initCompute({ prefer: testBackend(), strict: true });
}
