import { suite } from '../../vitest.shared.js';

// Generous limits: many tests start processes of their own, and machines may be busy.
export default suite('corpus', {
  globalSetup: ['test/support/global-setup.ts'],
  testTimeout: 300_000,
  hookTimeout: 300_000,
});
