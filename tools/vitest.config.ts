import { suite } from '../vitest.shared.js';

export default suite('tools', { include: ['test/**/*.test.ts'] });
