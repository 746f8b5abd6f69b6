import { suite } from '../../vitest.shared.js';

// Training and child processes: seconds on a quiet machine, minutes on a crowded one.
export default suite('gpt-core', { testTimeout: 240_000 });
