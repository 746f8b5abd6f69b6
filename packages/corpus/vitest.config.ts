import { suite } from '../../vitest.shared.js';

export default suite('corpus', { globalSetup: ['test/support/global-setup.ts'] });
