import { suite } from '../../vitest.shared.js';

export default suite('trainer-rlhf', { setupFiles: ['test/setup.ts'] });
